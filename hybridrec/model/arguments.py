"""Arguments and return values of `implicit`'s models: scalars or batches, choices and filters."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hybridrec.data.arrays import Array, Rows

Ids = int | Sequence[int] | Rows
"""A row for a single answer, or several rows for a batch."""

Ranking = tuple[NDArray[np.int32], Array]
"""Rows and their scores, best first."""


def shaped(found: Ranking, asked: Ids) -> Ranking:
    """A batch's answer `(m, k)`, or `(k,)` where a scalar was asked for."""
    return (found[0][0], found[1][0]) if np.isscalar(asked) else found


def one_by_one(similar: Callable[[int, int], Ranking], asked: Ids) -> Ranking:
    """Answer each row of a batch by a call of its own, with its place in the batch and the row.

    A matrix product of a whole batch rounds differently from that of a single row, and rows with
    equal scores would change places.
    """
    found = [similar(place, row) for place, row in enumerate(np.atleast_1d(asked).tolist())]
    if not found:
        return np.zeros((0, 0), dtype=np.int32), np.zeros((0, 0), dtype=np.float32)
    rows, scores = zip(*found, strict=True)
    return shaped((np.stack(rows), np.stack(scores)), asked)


def may_be_returned(
    row: int, items: Sequence[int] | Rows | None, exclude: Sequence[int] | Rows | None
) -> bool:
    """Whether a row is among those to choose from, and not among those to leave out."""
    return (items is None or row in items) and (exclude is None or row not in exclude)


def checked_rows(asked: Ids, matrix: sp.csr_matrix | None) -> sp.csr_matrix:
    """A matrix that has a row for each row asked for.

    Raises:
        ValueError: if it has not, or is no CSR matrix.
    """
    if not isinstance(matrix, sp.csr_matrix):
        raise ValueError("user_items needs to be a CSR sparse matrix")
    if matrix.shape[0] != np.size(asked):
        raise ValueError("user_items must contain 1 row for every user in userids")
    return matrix


def chosen_rows(items: Sequence[int] | Rows, n: int) -> Rows:
    """Rows to choose from, ascending, each once.

    Raises:
        IndexError: if one is not among n rows.
    """
    chosen = np.unique(np.asarray(items, dtype=np.int64))
    if len(chosen) and (chosen[0] < 0 or chosen[-1] >= n):
        raise IndexError("Some ids to choose from are not in the model")
    return chosen


def refuse_both(items: Sequence[int] | Rows | None, exclude: Sequence[int] | Rows | None) -> None:
    """`implicit`'s models take rows to choose from or rows to leave out, never both.

    Raises:
        ValueError: if both are given.
    """
    if items is not None and exclude is not None and len(exclude):
        raise ValueError("Can't set both items to choose from and items to filter out in one call")
