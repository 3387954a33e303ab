"""The positions of chunks in a track."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def regular_starts(length: int, chunk: int, limit: int) -> NDArray[np.int64]:
    """First samples of regularly spaced chunks, each in the middle of an equal part of the track.

    The first and last seconds of a long track, which are often silent, are left out. A short one
    is covered as a whole by as few chunks as possible.

    Args:
        length: of the track, in samples; 1 or more.
        chunk: length of a chunk, in samples.
        limit: how many chunks at most.

    Returns:
        `(n,)` int64, ascending, 1 <= n <= limit; [0] where the track is no longer than a chunk.
    """
    n = min(limit, max(1, math.ceil(length / chunk)))
    middles = (np.arange(n) + 0.5) * (length / n)
    # Rounding halves up, not to even, keeps the distances equal to within one sample.
    starts = np.floor(middles - chunk / 2 + 0.5).astype(np.int64)
    return np.asarray(np.clip(starts, 0, max(0, length - chunk)))


def looped(samples: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """`(n,)` samples cut to `(length,)`, or repeated to fill it; n is 1 or more."""
    return samples[:length] if len(samples) >= length else np.resize(samples, length)
