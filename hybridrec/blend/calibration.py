"""Bringing scores by sound and scores by behaviour to one scale."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

SAMPLED_PAIRS = 50_000
FEWEST_TRACKS = 20


@dataclass(frozen=True)
class Standardisation:
    """Inner products with any query have mean 0 and deviation 1 over the catalogue, in closed form.

    The mean of a query's scores is its product with the mean track, their variance
    its quadratic form with the tracks' covariance; nothing has to be scored to know them.

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
        """Queries `(m, k)` scaled so that their scores have deviation 1; a query that tells nothing apart is zero."""
        exact = queries.astype(np.float64)
        variance = ((exact @ self._exact_covariance) * exact).sum(axis=1)
        scale = np.where(variance > 1e-18, 1.0 / np.sqrt(np.maximum(variance, 1e-18)), 0.0)
        return np.asarray(queries * scale[:, None], dtype=np.float32)


@dataclass(frozen=True)
class CosineCalibration:
    """Maps a cosine of embeddings onto the scale of cosines of factors: `offset + scale * cosine`.

    Both kinds of cosine then have the same mean and the same deviation over
    random pairs of played tracks.
    """

    scale: float = 1.0
    offset: float = 0.0

    @classmethod
    def fit(cls, directions: Array, embeddings: Array, rng: np.random.Generator) -> CosineCalibration:
        """Measure random pairs of tracks that have both a direction and an embedding.

        Args:
            directions: `(n, f)` float32 factors at unit length.
            embeddings: `(n, d)` float32 at unit length, the same tracks.
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
