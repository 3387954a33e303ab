"""Scores from audio and scores from behaviour on one scale."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hybridrec.data.arrays import Array

SAMPLED_PAIRS = 50_000
FEWEST_TRACKS = 20
"""With fewer tracks, the mean and deviation of their cosines are too uncertain to scale by."""

_LEAST_VARIANCE = 1e-18


@dataclass(frozen=True)
class Standardisation:
    """Scales queries so that their inner products with the catalogue have mean 0, deviation 1.

    It is exact and needs no scores: the mean of a query's scores is its product with the mean
    track, their variance its quadratic form with the tracks' covariance.

    Attributes:
        mean: `(k,)` float32 of the tracks' vectors.
        covariance: `(k, k)` float32.
    """

    mean: Array
    covariance: Array

    @cached_property
    def _exact_covariance(self) -> NDArray[np.float64]:
        return self.covariance.astype(np.float64)

    @classmethod
    def fit(cls, vectors: Array) -> Standardisation:
        """Measure the tracks' `(n, k)` vectors."""
        n, k = vectors.shape
        mean = vectors.sum(axis=0, dtype=np.float64) / max(1, n)
        centred = vectors - mean
        covariance = centred.T @ centred / max(1, n)
        return cls(mean.astype(np.float32), covariance.reshape(k, k).astype(np.float32))

    def centred(self, vectors: Array) -> Array:
        """Tracks' vectors less the mean, `(n, k)` float32."""
        return np.asarray(vectors - self.mean, dtype=np.float32)

    def unit(self, queries: Array) -> Array:
        """Scale queries `(m, k)` to scores of deviation 1.

        Returns:
            `(m, k)` float32; a query whose scores are the same for all tracks becomes zero.
        """
        # In double precision: in single, the squares of short vectors vanish.
        exact = queries.astype(np.float64)
        variance = ((exact @ self._exact_covariance) * exact).sum(axis=1)
        deviation = np.sqrt(np.maximum(variance, _LEAST_VARIANCE))
        scale = np.where(variance > _LEAST_VARIANCE, 1.0 / deviation, 0.0)
        return np.asarray(queries * scale[:, None], dtype=np.float32)


@dataclass(frozen=True)
class CosineCalibration:
    """Maps a cosine of embeddings to the scale of cosines of factors: `offset + scale * cosine`.

    Over random pairs of played tracks, both kinds of cosine then have the same mean and the
    same deviation.
    """

    scale: float = 1.0
    offset: float = 0.0

    @classmethod
    def fit(
        cls, directions: Array, embeddings: Array, rng: np.random.Generator
    ) -> CosineCalibration:
        """Measure random pairs of tracks that have both a direction and an embedding.

        Args:
            directions: `(n, f)` float32 factors at unit length.
            embeddings: `(n, d)` float32 at unit length, of the same tracks.
            rng: draws the pairs.

        Returns:
            The identity where there are too few tracks to measure, or nothing varies.
        """
        if len(directions) < FEWEST_TRACKS:
            return cls()
        left, right = rng.integers(len(directions), size=(2, SAMPLED_PAIRS))
        left, right = left[left != right], right[left != right]
        behaviour = np.einsum("ij,ij->i", directions[left], directions[right])
        audio = np.einsum("ij,ij->i", embeddings[left], embeddings[right])
        if audio.std() < 1e-6 or behaviour.std() < 1e-6:
            return cls()
        scale = float(behaviour.std() / audio.std())
        return cls(scale=scale, offset=float(behaviour.mean() - scale * audio.mean()))
