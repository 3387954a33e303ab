"""Audio features: an embedding described by its similarity to landmark tracks.

The Nystroem map is written here rather than taken from scikit-learn because its space is the
learned metric's, and because a stored model then needs five arrays and no pickle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hybridrec.collaborative.metric import learned_metric
from hybridrec.config import Placement, ProjectionConfig
from hybridrec.data.arrays import Array
from hybridrec.data.standardisation import column_scale, standardised

JITTER = 1e-3
"""Added to the diagonal of the landmarks' kernel; near landmarks would make it singular."""

SAMPLED_TRACKS = 20_000
"""k-means uses at most this many tracks: landmarks need not be exact."""


@dataclass(frozen=True)
class AudioFeatures:
    """The Nystroem map of a Gaussian kernel (Williams and Seeger 2001) on learned-metric space.

    Inner products of features approximate exp(-|e - e'|^2 / (2 * width^2)) of standardised
    embeddings times the learned metric, so that a linear model of features can follow regions
    of the embedding space, not only directions.

    Attributes:
        mean, deviation: `(d,)` float32 of the tracks it was fitted to.
        metric: `(d, d)` float32, see `learned_metric`.
        landmarks: `(l, d)` float32, standardised and times the metric.
        root: `(l, l)` float32, inverse square root of the landmarks' kernel.
        width: of the kernel, in standardised units.
    """

    mean: Array
    deviation: Array
    metric: Array
    landmarks: Array
    root: Array
    width: float

    @classmethod
    def fit(
        cls,
        embeddings: Array,
        config: ProjectionConfig,
        rng: np.random.Generator,
        *,
        directions: Array,
        trust: NDArray[np.float64],
    ) -> AudioFeatures:
        """Place landmarks among the tracks, by k-means (Zhang, Tsang and Kwok 2008) or at random.

        Args:
            embeddings: `(n, d)` float32; with n = 0 or d = 0 the features have length 0.
            config: number of landmarks (at most n), their placement, the share of the learned
                metric, and the kernel's width in typical distances between two tracks, sqrt(2 d).
            rng: draws what is random in the placement.
            directions: `(n, f)` of the same tracks' factors, less their mean.
            trust: `(n,)` reliability of each direction, 0 to 1.
        """
        n, dimensions = embeddings.shape
        mean, deviation = (np.asarray(part, np.float32) for part in column_scale(embeddings))
        standard = standardised(embeddings, mean, deviation)
        metric = learned_metric(standard, directions, trust, config.metric_share)
        count = min(config.landmarks, n if dimensions else 0)
        landmarks = _landmarks(standard @ metric, count, config.placement, rng)
        width = config.width * max(1.0, float(np.sqrt(2.0 * dimensions)))
        root = _inverse_root(_kernel(landmarks, landmarks, width))
        return cls(mean, deviation, metric, landmarks, root, width)

    def __call__(self, embeddings: Array) -> Array:
        """Features of `(n, d)` embeddings, `(n, l)` float32."""
        points = standardised(embeddings, self.mean, self.deviation) @ self.metric
        return np.asarray(_kernel(points, self.landmarks, self.width) @ self.root)

    @property
    def length(self) -> int:
        """The number of features, l."""
        return len(self.landmarks)


def _landmarks(points: Array, count: int, placement: Placement, rng: np.random.Generator) -> Array:
    if count >= len(points) or count == 0:
        return points[:count]
    if placement == "random":
        return points[rng.permutation(len(points))[:count]]
    from sklearn.cluster import KMeans  # slow to import, and only fitting needs it

    seed = int(rng.integers(2**31))
    sample = points[rng.permutation(len(points))[:SAMPLED_TRACKS]]
    clusters = KMeans(count, n_init=1, max_iter=50, random_state=seed).fit(sample)
    return np.asarray(clusters.cluster_centers_, np.float32)


def _kernel(left: Array, right: Array, width: float) -> Array:
    """The Gaussian kernel of `(n, d)` and `(m, d)` points, `(n, m)` float32."""
    squares = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)[None, :]
    distances = np.maximum(squares - 2.0 * left @ right.T, 0.0)
    return np.asarray(np.exp(-distances / (2.0 * width**2)), dtype=np.float32)


def _inverse_root(kernel: Array) -> Array:
    """A matrix R with R R' the inverse of a kernel matrix `(l, l)`, float32."""
    jittered = kernel.astype(np.float64) + JITTER * np.eye(len(kernel))
    values, vectors = np.linalg.eigh(jittered)
    root = vectors / np.sqrt(np.maximum(values, JITTER))
    return np.asarray(root, dtype=np.float32)
