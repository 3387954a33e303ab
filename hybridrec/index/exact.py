"""Exact ranking: the reference that every other index is measured against."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

UNRANKED = float(np.finfo(np.float32).min)
"""Score of a row that was asked for but filtered out; it stands last."""


def best(scores: NDArray[np.float32], n: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The n greatest scores of each query, equal ones in the order of their places.

    Args:
        scores: `(m, k)` float32.
        n: how many, at least 1.

    Returns:
        Places `(m, min(n, k))` int64 and their scores, best first.
    """
    n, queries = min(n, scores.shape[1]), np.arange(len(scores))[:, None]
    places = np.argpartition(-scores, n - 1, axis=1)[:, :n] if 0 < n < scores.shape[1] else _all_places(scores)
    places.sort(axis=1)
    places = places[queries, np.argsort(-scores[queries, places], axis=1, kind="stable")]
    return places, scores[queries, places]


def _all_places(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.tile(np.arange(scores.shape[1]), (len(scores), 1))
