"""Exact ranking: the reference that every other index is measured against."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hybridrec.data.top_k import top_k as best

__all__ = ["UNRANKED", "best", "itself_first"]

UNRANKED = float(np.finfo(np.float32).min)
"""Score of a requested row that the filters excluded; such rows come last."""

ROUNDING = 1e-5
"""Scores in single precision that differ by less, as a share, may be equal."""


def itself_first(
    places: NDArray[np.int32], scores: NDArray[np.float32], itself: int, own: float, may_come: bool
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Put what was asked about before what is as like it as it is itself, but for rounding.

    Args:
        places, scores: `(k,)`, best first.
        itself: its place.
        own: its score.
        may_come: whether it is wanted at all.
    """
    if (
        not may_come
        or len(places) == 0
        or own < scores[0] - ROUNDING * max(1.0, abs(float(scores[0])))
    ):
        return places, scores
    others = places != itself
    first = (
        np.array([itself], dtype=places.dtype),
        np.array([max(own, float(scores[0]))], dtype=scores.dtype),
    )
    k = len(places)
    return np.concatenate([first[0], places[others]])[:k], np.concatenate(
        [first[1], scores[others]]
    )[:k]
