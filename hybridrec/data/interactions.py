"""Plays as a sparse matrix of confidences."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hybridrec.data.arrays import Array, Rows


def confidence(weights: NDArray[np.float64]) -> Array:
    """Damp summed weights s of pairs to sign(s) * log2(1 + |s|).

    One play is 1, and a hundred plays are not a hundred times as much. The logarithm is that of
    Hu, Koren and Volinsky (2008), eq. 6.

    Returns:
        float32 of the same shape.
    """
    return np.asarray(np.sign(weights) * np.log2(1.0 + np.abs(weights)), dtype=np.float32)


def build_interactions(
    user_rows: Rows,
    track_rows: Rows,
    weights: NDArray[np.float64],
    shape: tuple[int, int],
) -> sp.csr_matrix:
    """Sum the weights of each pair and convert them to confidences; sums of 0 are dropped.

    Args:
        user_rows, track_rows: `(n_plays,)` int64 rows.
        weights: `(n_plays,)` float64 signed weights.
        shape: `(n_users, n_tracks)`.

    Returns:
        CSR `(n_users, n_tracks)` float32; negative where skips outweigh plays.
    """
    summed = sp.coo_matrix((weights, (user_rows, track_rows)), shape=shape).tocsr()
    summed.sum_duplicates()
    summed.data = confidence(summed.data)
    summed.eliminate_zeros()
    return sp.csr_matrix(summed, dtype=np.float32)


def support_of(interactions: sp.csr_matrix) -> Rows:
    """How many distinct users played each track, `(n_tracks,)` int64; skips do not count."""
    played = interactions.indices[interactions.data > 0]
    return np.bincount(played, minlength=interactions.shape[1]).astype(np.int64)
