"""Exact ranking: the reference that every other index is measured against."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

UNRANKED = float(np.finfo(np.float32).min)
"""Score of a row that was asked for but filtered out; it stands last."""

ROUNDING = 1e-5
"""Scores in single precision that differ by less, as a share, may be equal."""


def best(scores: NDArray[np.float32], n: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The n greatest scores of each query, equal ones in the order of their places.

    Args:
        scores: `(m, k)` float32.
        n: how many, at least 1.

    Returns:
        Places `(m, min(n, k))` int64 and their scores, best first.
    """
    n, queries = min(n, scores.shape[1]), np.arange(len(scores))[:, None]
    places = _best_places(scores, n) if 0 < n < scores.shape[1] else _all_places(scores)
    places = places[queries, np.argsort(-scores[queries, places], axis=1, kind="stable")]
    return places, scores[queries, places]


def _best_places(scores: NDArray[np.float32], n: int) -> NDArray[np.int64]:
    """Places of the n greatest scores, in their order; of those that equal the least of them, the first."""
    places = np.argpartition(-scores, n - 1, axis=1)[:, :n]
    least = np.take_along_axis(scores, places, axis=1).min(axis=1)
    for query in np.flatnonzero((scores == least[:, None]).sum(axis=1) > 1).tolist():
        above = np.flatnonzero(scores[query] > least[query])
        equal = np.flatnonzero(scores[query] == least[query])
        places[query] = np.concatenate([above, equal[: n - len(above)]])
    places.sort(axis=1)
    return places


def _all_places(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.tile(np.arange(scores.shape[1]), (len(scores), 1))


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
    if not may_come or len(places) == 0 or own < scores[0] - ROUNDING * max(1.0, abs(float(scores[0]))):
        return places, scores
    others = places != itself
    first = np.array([itself], dtype=places.dtype), np.array([max(own, float(scores[0]))], dtype=scores.dtype)
    k = len(places)
    return np.concatenate([first[0], places[others]])[:k], np.concatenate([first[1], scores[others]])[:k]
