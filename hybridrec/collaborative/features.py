"""Audio features: an embedding seen by its likeness to a few hundred landmark tracks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hybridrec.collaborative.metric import learned_metric
from hybridrec.config import Placement, ProjectionConfig

LIMIT = 4.0
"""Standard deviations at which a coordinate is cut off, so that one odd track bends nothing."""

JITTER = 1e-3

SAMPLED_TRACKS = 20_000
"""k-means looks at no more tracks than these: landmarks need not be exact."""


@dataclass(frozen=True)
class AudioFeatures:
    """The Nystroem map of a Gaussian kernel (Williams and Seeger 2001): `(n, d)` embeddings to `(n, l)` features.

    Inner products of features approximate exp(-|e - e'|^2 / (2 * width^2)) on
    standardised embeddings that a metric has bent, so that linear models of features
    follow regions of sound, not only directions.

    Attributes:
        mean, deviation: `(d,)` float32 of the tracks it was made from.
        metric: `(d, d)` float32, see `learned_metric`.
        landmarks: `(l, d)` float32, standardised and bent.
        root: `(l, l)` float32, inverse square root of the landmarks' kernel.
        width: in standardised units.
    """

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]
    metric: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    root: NDArray[np.float32]
    width: float

    @classmethod
    def fit(
        cls,
        embeddings: NDArray[np.float32],
        config: ProjectionConfig,
        rng: np.random.Generator,
        *,
        directions: NDArray[np.float32],
        trust: NDArray[np.float64],
    ) -> AudioFeatures:
        """Place landmarks among the tracks (by k-means: Zhang, Tsang and Kwok 2008) and measure their likeness.

        Args:
            embeddings: `(n, d)` float32; with n = 0 or d = 0 the features have length 0.
            config: how many landmarks, at most n, how they are placed, how far the space is
                bent, and the width of the kernel in typical distances between two tracks, sqrt(2 d).
            rng: draws what is random in the placement.
            directions: `(n, f)` of the same tracks' factors, less their mean.
            trust: `(n,)` how much each direction is to be believed, 0 to 1.
        """
        n, dimensions = embeddings.shape
        mean = (embeddings.mean(axis=0) if n else np.zeros(dimensions)).astype(np.float32)
        deviation = (np.maximum(embeddings.std(axis=0), 1e-6) if n else np.ones(dimensions)).astype(np.float32)
        standard = _standardised(embeddings, mean, deviation)
        metric = learned_metric(standard, directions, trust, config.metric_share)
        count = min(config.landmarks, n if dimensions else 0)
        places = _centres(standard @ metric, count, config.placement, rng)
        spread = config.width * max(1.0, float(np.sqrt(2.0 * dimensions)))
        values, vectors = np.linalg.eigh(
            _kernel(places, places, spread).astype(np.float64) + JITTER * np.eye(len(places))
        )
        root = (vectors / np.sqrt(np.maximum(values, JITTER))).astype(np.float32)
        return cls(mean, deviation, metric, places, root, spread)

    def __call__(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Features of `(n, d)` embeddings, `(n, l)` float32."""
        learned = _standardised(embeddings, self.mean, self.deviation) @ self.metric
        return np.asarray(_kernel(learned, self.landmarks, self.width) @ self.root)

    @property
    def length(self) -> int:
        """How many features there are."""
        return len(self.landmarks)


def _standardised(
    embeddings: NDArray[np.float32], mean: NDArray[np.float32], deviation: NDArray[np.float32]
) -> NDArray[np.float32]:
    return np.asarray(np.clip((embeddings - mean) / deviation, -LIMIT, LIMIT), dtype=np.float32)


def _centres(
    places: NDArray[np.float32], count: int, placement: Placement, rng: np.random.Generator
) -> NDArray[np.float32]:
    if count >= len(places) or count == 0:
        return places[:count]
    if placement == "random":
        return places[rng.permutation(len(places))[:count]]
    from sklearn.cluster import KMeans  # slow to import, and only fitting needs it

    seed = int(rng.integers(2**31))
    sample = places[rng.permutation(len(places))[:SAMPLED_TRACKS]]
    return np.asarray(KMeans(count, n_init=1, max_iter=50, random_state=seed).fit(sample).cluster_centers_, np.float32)


def _kernel(left: NDArray[np.float32], right: NDArray[np.float32], width: float) -> NDArray[np.float32]:
    squares = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)[None, :] - 2.0 * left @ right.T
    return np.asarray(np.exp(-np.maximum(squares, 0.0) / (2.0 * width**2)), dtype=np.float32)
