"""Top-k selection: the one used for ranking, for the exact index and for evaluation."""

from __future__ import annotations

import numpy as np

from hybridrec.data.arrays import Array, Rows


def top_k(scores: Array, k: int) -> tuple[Rows, Array]:
    """The k highest scores of each row; equal scores are ordered by column.

    Args:
        scores: `(m, n)` float32, without NaN.
        k: at least 0; at most n columns are returned.

    Returns:
        Columns `(m, min(k, n))` int64 and their scores, best first.
    """
    k, rows = min(k, scores.shape[1]), np.arange(len(scores))[:, None]
    columns = _top_columns(scores, k) if 0 < k < scores.shape[1] else _first_columns(scores, k)
    columns = columns[rows, np.argsort(-scores[rows, columns], axis=1, kind="stable")]
    return columns, scores[rows, columns]


def _top_columns(scores: Array, k: int) -> Rows:
    """Columns of the k highest scores, ascending.

    `argpartition` picks arbitrarily among scores equal to the k-th. Such rows are picked again,
    so that the lowest columns win and every ranking of the same scores is the same.
    """
    columns = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    kth = np.take_along_axis(scores, columns, axis=1).min(axis=1)
    for row in np.flatnonzero((scores == kth[:, None]).sum(axis=1) > 1).tolist():
        above = np.flatnonzero(scores[row] > kth[row])
        equal = np.flatnonzero(scores[row] == kth[row])
        columns[row] = np.concatenate([above, equal[: k - len(above)]])
    columns.sort(axis=1)
    return columns


def _first_columns(scores: Array, k: int) -> Rows:
    return np.tile(np.arange(k), (len(scores), 1))
