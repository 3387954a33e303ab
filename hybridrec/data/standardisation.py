"""Columns of vectors at mean 0 and deviation 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hybridrec.data.arrays import Array

LIMIT = 4.0
"""Standard deviations at which a coordinate is cut off, so that one outlier has little leverage."""

_LEAST_DEVIATION = 1e-6  # a constant column becomes 0, not noise


def column_scale(
    vectors: NDArray[np.floating],
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Mean and deviation of the columns of `(n, d)`, `(d,)` each; NaN rows do not count."""
    if len(vectors) == 0:
        columns = vectors.shape[1]
        return np.zeros(columns, dtype=vectors.dtype), np.ones(columns, dtype=vectors.dtype)
    return np.nanmean(vectors, axis=0), np.maximum(np.nanstd(vectors, axis=0), _LEAST_DEVIATION)


def standardised(
    vectors: NDArray[np.floating], mean: NDArray[np.floating], deviation: NDArray[np.floating]
) -> Array:
    """`(n, d)` float32 in units of the deviation, cut off at +-`LIMIT`; NaN rows stay NaN."""
    return np.asarray(np.clip((vectors - mean) / deviation, -LIMIT, LIMIT), dtype=np.float32)
