"""Bringing likeness by sound and likeness by behaviour to one scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLED_PAIRS = 50_000
FEWEST_TRACKS = 20


@dataclass(frozen=True)
class CosineCalibration:
    """Maps a cosine of embeddings onto the scale of cosines of factors: `offset + scale * cosine`.

    Both kinds of cosine then have the same mean and the same deviation over
    random pairs of played tracks.
    """

    scale: float = 1.0
    offset: float = 0.0

    @classmethod
    def fit(
        cls, directions: NDArray[np.float32], embeddings: NDArray[np.float32], rng: np.random.Generator
    ) -> CosineCalibration:
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
