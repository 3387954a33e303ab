"""Exact inner-product search: the reference that every other index is measured against."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from implicit.cpu.topk import topk
from numpy.typing import NDArray

UNRANKED = float(np.finfo(np.float32).min)
"""Score of a row that was asked for but filtered out; it stands last."""


def search(
    vectors: NDArray[np.float32],
    queries: NDArray[np.float32],
    n: int,
    *,
    wanted: NDArray[np.bool_],
    exclude: sp.csr_matrix | None = None,
    items: Sequence[int] | NDArray[np.int64] | None = None,
    num_threads: int = 0,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The n rows of greatest inner product with each query, by `implicit`'s threaded top-k.

    Args:
        vectors: `(rows, d)` float32.
        queries: `(m, d)` float32.
        n: how many rows a query, at least 1.
        wanted: `(rows,)` bool; rows that may be returned to any query.
        exclude: CSR `(m, rows)`; what is stored in row q is not returned for query q.
        items: rank only these rows; None ranks all.
        num_threads: 0 takes all cores.

    Returns:
        Rows `(m, k)` int32 and scores `(m, k)` float32, best first, k = min(n, rows ranked).
        Where filters leave fewer than k, the rest has the score `UNRANKED`.

    Raises:
        IndexError: if one of `items` is no row.
    """
    if items is not None:
        chosen = _checked(items, len(vectors))
        excluded = None if exclude is None else exclude[:, chosen]
        rows, scores = search(
            vectors[chosen], queries, n, wanted=wanted[chosen], exclude=excluded, num_threads=num_threads
        )
        return chosen[rows].astype(np.int32), scores
    k = min(n, len(vectors))
    if not wanted.any():
        return np.zeros((len(queries), k), dtype=np.int32), np.full((len(queries), k), UNRANKED, dtype=np.float32)
    unwanted = np.flatnonzero(~wanted).astype(np.int32)
    rows, scores = topk(
        vectors,
        queries,
        k,
        filter_query_items=exclude,
        filter_items=unwanted if len(unwanted) else None,
        num_threads=num_threads,
    )
    return rows, scores


def _checked(items: Sequence[int] | NDArray[np.int64], n: int) -> NDArray[np.int64]:
    chosen = np.unique(np.asarray(items, dtype=np.int64))
    if len(chosen) and (chosen[0] < 0 or chosen[-1] >= n):
        raise IndexError("Some ids to choose from are not in the model")
    return chosen
