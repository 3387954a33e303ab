"""The fitted maps between audio and factors, by which a cold track is ranked for users."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hybridrec.collaborative.features import AudioFeatures
from hybridrec.config import ProjectionConfig
from hybridrec.data.arrays import Array, Rows


@dataclass(frozen=True)
class Projection:
    """Two estimates of a user's audio vector, and the features that it is compared with.

    Attributes:
        features: from embeddings `(n, d)` to audio features `(n, l)`.
        weights: `(l, f)` float32; audio features times these predict the direction of the
            track's factors. Transposed, they turn a user's factors into an audio vector.
        solver: `(l, l)` float32, the inverse of the regularised features' gram matrix.
        popularity_discount: see `ProjectionConfig`.
    """

    features: AudioFeatures
    weights: Array
    solver: Array
    popularity_discount: float

    def audio_of_factors(self, user_factors: Array) -> Array:
        """Audio vectors that users' factors imply, `(m, f)` to `(m, l)` float32."""
        return np.asarray(user_factors @ self.weights.T, dtype=np.float32)

    def audio_of_plays(self, plays: sp.csr_matrix, features: Array, support: Rows) -> Array:
        """Audio vectors from plays: each user's ridge regression on features of tracks played.

        Args:
            plays: CSR `(m, n_tracks)`; only the signs count: a skip counts -1.
            features: `(n_tracks, l)` float32, zero without audio.
            support: `(n_tracks,)` int64; a track that many play says less about a user.

        Returns:
            `(m, l)` float32.
        """
        # One solver for all users: tracks that were not played count as zeros, as in ALS.
        discount = np.maximum(support, 1).astype(np.float32) ** -self.popularity_discount
        signs = plays.sign().multiply(discount[None, :]).tocsr()
        return np.asarray(signs @ features @ self.solver, dtype=np.float32)


def fit_projection(
    embeddings: Array,
    factors: Array,
    support: Rows,
    config: ProjectionConfig,
    rng: np.random.Generator,
) -> Projection:
    """Fit the audio features and both maps to the tracks that have audio.

    The map to factors is a ridge regression to their *directions*: the length of factors is
    popularity, which audio cannot predict. A track counts by support / (support + trust).

    Args:
        embeddings: `(n, d)` float32 of tracks with audio.
        factors: `(n, f)` float32 of the same tracks, any value where the support is 0.
        support: `(n,)` int64 listeners of the same tracks.
        config: the settings.
        rng: draws what is random in the features.
    """
    directions, trust = _directions(factors, support, config.trust)
    audio_features = AudioFeatures.fit(embeddings, config, rng, directions=directions, trust=trust)
    features = audio_features(embeddings)
    # In double precision: normal equations square the condition number.
    weighted = features.astype(np.float64) * trust[:, None]
    identity = np.eye(features.shape[1])
    regularised = weighted.T @ features + config.ridge * identity
    weights = np.linalg.solve(regularised, weighted.T @ directions)
    # Over all tracks with audio, also cold ones: it is what users' regressions are solved with.
    gram = features.T.astype(np.float64) @ features
    solver = np.linalg.inv(gram + config.user_ridge * identity)
    return Projection(
        audio_features,
        weights.astype(np.float32),
        solver.astype(np.float32),
        config.popularity_discount,
    )


def _directions(
    factors: Array, support: Rows, half_trust: float
) -> tuple[Array, NDArray[np.float64]]:
    """Directions of factors less their mean, `(n, f)` float32, and the trust in each, `(n,)`."""
    lengths = np.linalg.norm(factors, axis=1)
    known = (support > 0) & (lengths > 0)
    trust = np.where(known, support / np.maximum(support + half_trust, 1e-9), 0.0)
    directions = factors / np.maximum(lengths, 1e-9)[:, None]
    # What all tracks have in common is popularity, which says nothing about audio.
    centre = (trust[:, None] * directions).sum(axis=0) / max(float(trust.sum()), 1e-9)
    return np.asarray(directions - centre, dtype=np.float32), trust
