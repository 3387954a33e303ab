"""What exact rankings have in common: the score of excluded rows, and a row first for itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hybridrec.data.arrays import Array

UNRANKED = float(np.finfo(np.float32).min)
"""Score of a requested row that the filters excluded; such rows come last."""

ROUNDING = 1e-5
"""Scores in single precision whose relative difference is smaller may be equal."""


def itself_first(
    rows: NDArray[np.int32], scores: Array, itself: int, own: float, allowed: bool
) -> tuple[NDArray[np.int32], Array]:
    """Put the row of a query before rows with the same score but for rounding.

    Args:
        rows, scores: `(k,)`, best first.
        itself: the row that the query is.
        own: its score.
        allowed: whether it may be returned.

    Returns:
        Rows and scores, `(k,)`.
    """
    k = len(rows)
    if not allowed or k == 0 or own < scores[0] - ROUNDING * max(1.0, abs(float(scores[0]))):
        return rows, scores
    others = rows != itself
    first_row = np.array([itself], dtype=rows.dtype)
    first_score = np.array([max(own, float(scores[0]))], dtype=scores.dtype)
    return (
        np.concatenate([first_row, rows[others]])[:k],
        np.concatenate([first_score, scores[others]])[:k],
    )
