"""Plays as a sparse matrix of confidences."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray


def confidence(weights: NDArray[np.float64]) -> NDArray[np.float32]:
    """Damp summed weights s of pairs to sign(s) * log2(1 + |s|): a hundred plays are not a hundred times one.

    One play is 1. The damping is the logarithmic one of Hu, Koren and Volinsky (2008), eq. 6.
    """
    return np.asarray(np.sign(weights) * np.log2(1.0 + np.abs(weights)), dtype=np.float32)


def build_interactions(
    user_rows: NDArray[np.int64],
    track_rows: NDArray[np.int64],
    weights: NDArray[np.float64],
    shape: tuple[int, int],
) -> sp.csr_matrix:
    """Sum the weights of each pair and turn them into confidences; pairs that cancel are left out.

    Args:
        user_rows, track_rows: `(n_plays,)` int64 rows.
        weights: `(n_plays,)` float64 signed weights.
        shape: `(n_users, n_tracks)`.

    Returns:
        CSR `(n_users, n_tracks)` float32; negative where skips prevail.
    """
    summed = sp.coo_matrix((weights, (user_rows, track_rows)), shape=shape).tocsr()
    summed.sum_duplicates()
    summed.data = confidence(summed.data)
    summed.eliminate_zeros()
    return sp.csr_matrix(summed, dtype=np.float32)


def support_of(interactions: sp.csr_matrix) -> NDArray[np.int64]:
    """How many distinct users have played each track, `(n_tracks,)` int64; skips do not count."""
    embedded = interactions.indices[interactions.data > 0]
    return np.bincount(embedded, minlength=interactions.shape[1]).astype(np.int64)
