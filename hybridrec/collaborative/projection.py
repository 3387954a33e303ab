"""The learnt maps between sound and taste, so that a track nobody played meets its listeners."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hybridrec.collaborative.features import AudioFeatures
from hybridrec.config import ProjectionConfig

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Projection:
    """What a taste sounds like, told in two ways.

    Attributes:
        features: from embeddings `(n, d)` to audio features `(n, l)`.
        weights: `(l, f)` float32; audio features times these are the direction that the
            track's factors are likely to have. Backwards, factors become audio features.
        solver: `(l, l)` float32, the inverse of the regularised features' gram matrix.
        popularity_discount: see `ProjectionConfig`.
    """

    features: AudioFeatures
    weights: Array
    solver: Array
    popularity_discount: float

    def audio_of_factors(self, user_factors: Array) -> Array:
        """What tracks of great affinity to these factors sound like, `(m, f)` to `(m, l)` float32."""
        return np.asarray(user_factors @ self.weights.T, dtype=np.float32)

    def audio_of_plays(self, plays: sp.csr_matrix, features: Array, support: NDArray[np.int64]) -> Array:
        """Each user's own ridge regression on the sound of what she played.

        Args:
            plays: CSR `(m, n_tracks)`; only the signs count: skips push away.
            features: `(n_tracks, l)` float32, zero without audio.
            support: `(n_tracks,)` int64; what everybody plays says less of a taste.

        Returns:
            `(m, l)` float32.
        """
        discount = np.maximum(support, 1).astype(np.float32) ** -self.popularity_discount
        signs = plays.sign().multiply(discount[None, :]).tocsr()
        return np.asarray(signs @ features @ self.solver, dtype=np.float32)


def fit_projection(
    embeddings: Array,
    factors: Array,
    support: NDArray[np.int64],
    config: ProjectionConfig,
    rng: np.random.Generator,
) -> Projection:
    """Learn the audio features and both maps from the tracks that can be heard.

    The map to factors is a ridge regression to their *directions*: popularity lives
    in the length of factors, and sound cannot know it. A track counts by
    support / (support + trust).

    Args:
        embeddings: `(n, d)` float32 of tracks with audio.
        factors: `(n, f)` float32 of the same tracks, anything where the support is 0.
        support: `(n,)` int64 listeners of the same tracks.
        config: the settings.
        rng: draws what is random in the features.
    """
    lengths = np.linalg.norm(factors, axis=1)
    trust = np.where((support > 0) & (lengths > 0), support / np.maximum(support + config.trust, 1e-9), 0.0)
    directions = factors / np.maximum(lengths, 1e-9)[:, None]
    centre = (trust[:, None] * directions).sum(axis=0) / max(float(trust.sum()), 1e-9)
    directions = np.asarray(directions - centre, dtype=np.float32)
    audio_features = AudioFeatures.fit(embeddings, config, rng, directions=directions, trust=trust)
    features = audio_features(embeddings)
    weighted = features.astype(np.float64) * trust[:, None]
    eye = np.eye(features.shape[1])
    weights = np.linalg.solve(weighted.T @ features + config.ridge * eye, weighted.T @ directions)
    gram = features.T.astype(np.float64) @ features
    solver = np.linalg.inv(gram + config.user_ridge * eye)
    return Projection(audio_features, weights.astype(np.float32), solver.astype(np.float32), config.popularity_discount)
