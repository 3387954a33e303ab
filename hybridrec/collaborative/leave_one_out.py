"""Factors of users without one of their plays, for each of several plays.

The factors of a track are folded in from those of its listeners. If a listener's factors counted
the play of that very track, the track's former factors would decide its new ones.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from hybridrec.config import CollaborativeConfig
from hybridrec.data.arrays import Array


def fold_in_without_each(
    rows: sp.csr_matrix,
    left_out: sp.csr_matrix,
    factors: Array,
    gram: Array,
    config: CollaborativeConfig,
) -> Array:
    """For every stored entry of `left_out`, the factors of its user without that play.

    Each user's system is solved once; leaving a play out is a rank-one downdate of it (Sherman
    and Morrison 1950). The result is that of `als.fold_in` with the other plays.

    Args:
        rows: CSR `(m, n)` float32 confidences, one row a user.
        left_out: CSR `(m, n)`; its stored entries are the plays to leave out. An entry that is
            not in `rows` leaves nothing out.
        factors: `(n, f)` float32 of the tracks.
        gram: `(f, f)` float32, the inner products of all tracks of the catalogue.
        config: the settings that the factors were fitted with.

    Returns:
        `(left_out.nnz, f)` float32, in the order in which `left_out` stores its entries.
    """
    alpha, n_factors = config.alpha or 1.0, factors.shape[1]
    base = gram.astype(np.float64) + (config.regularization or 0.0) * np.eye(n_factors)
    found = np.zeros((left_out.nnz, n_factors), dtype=np.float32)
    with threadpool_limits(1, "blas"):  # threads slow down such small systems
        _fill(found, rows, left_out, factors, base, alpha)
    return found


def _fill(
    found: Array,
    rows: sp.csr_matrix,
    left_out: sp.csr_matrix,
    factors: Array,
    base: NDArray[np.float64],
    alpha: float,
) -> None:
    for user in range(rows.shape[0]):
        own = slice(rows.indptr[user], rows.indptr[user + 1])
        out = slice(left_out.indptr[user], left_out.indptr[user + 1])
        if out.stop == out.start or own.stop == own.start:
            continue
        confidences = dict(
            zip(rows.indices[own].tolist(), (alpha * rows.data[own]).tolist(), strict=True)
        )
        played, places = factors[rows.indices[own]].astype(np.float64), left_out.indices[out]
        without = np.array([confidences.get(place, 0.0) for place in places.tolist()])
        found[out] = _one_user(
            base, played, alpha * rows.data[own], factors[places].astype(np.float64), without
        )


def _one_user(
    base: NDArray[np.float64],
    played: NDArray[np.float64],
    confidences: NDArray[np.float64],
    others: NDArray[np.float64],
    left_out: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Factors without each of k plays, `(k, f)`; a confidence of 0 leaves nothing out."""
    system = base + (played.T * (np.abs(confidences) - 1.0)) @ played
    wanted = played.T @ np.maximum(confidences, 0.0)
    solved = np.linalg.solve(system, np.column_stack([wanted, others.T]))
    whole, directions = solved[:, 0], solved[:, 1:].T
    removed = np.where(left_out != 0, np.abs(left_out) - 1.0, 0.0)[:, None]
    without = whole - np.maximum(left_out, 0.0)[:, None] * directions
    along = (others * without).sum(axis=1, keepdims=True)
    left = 1.0 - removed * (others * directions).sum(axis=1, keepdims=True)
    return np.asarray(without + removed * directions * along / left)
