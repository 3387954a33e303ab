"""Where chunks lie in a track."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def regular_starts(length: int, chunk: int, most: int) -> NDArray[np.int64]:
    """Where regularly spaced chunks begin: each in the middle of an equal part of the track.

    So the first and last seconds of a long track, often silent, are left out,
    and a short one is covered whole by as few chunks as can do it.

    Args:
        length: of the track, in samples; 1 or more.
        chunk: length of a chunk, in samples.
        most: how many chunks at most.

    Returns:
        `(n,)` int64, ascending, 1 <= n <= most; [0] where the track is no longer than a chunk.
    """
    n = min(most, max(1, math.ceil(length / chunk)))
    middles = (np.arange(n) + 0.5) * (length / n)
    return np.clip(np.round(middles - chunk / 2), 0, max(0, length - chunk)).astype(np.int64)


def looped(samples: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """`(n,)` samples cut to `(length,)`, or repeated to fill it; n is 1 or more."""
    return samples[:length] if len(samples) >= length else np.resize(samples, length)
