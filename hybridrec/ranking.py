"""Ranking only what can be scored: "cannot score" and "scores zero" are different things."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hybridrec.blend.tracks import BlendedTracks
from hybridrec.index.exact import UNRANKED, search

Array = NDArray[np.float32]
Rows = NDArray[np.int64]
Ranking = tuple[NDArray[np.int32], Array]


def rank_comparable(
    tracks: BlendedTracks,
    vectors: Array,
    queries: Array,
    kinds: NDArray[np.bool_],
    n: int,
    *,
    exclude: Sequence[int] | Rows | None = None,
    liked: sp.csr_matrix | None = None,
    items: Sequence[int] | Rows | None = None,
    num_threads: int = 0,
) -> Ranking:
    """Search in groups of queries that can be answered by the same tracks.

    A track that shares neither sound nor behaviour with a query is left out.

    Args:
        tracks: the catalogue.
        vectors: `(rows, k)` float32, its vectors for this kind of query.
        queries: `(m, k)` float32.
        kinds: `(m, 2)` bool, whether a query knows sound, and whether it knows behaviour.
        n: how many tracks a query.
        exclude: rows that no query may return.
        liked: CSR `(m, rows)`; what is stored in row q is not returned for query q.
        items: rank only these rows; not together with `exclude`.
        num_threads: 0 takes all cores.

    Returns:
        Rows and scores `(m, k)` as of `index.exact.search`.

    Raises:
        IndexError: if one of `items` is no row.
        ValueError: if both `items` and `exclude` are given.
    """
    k = min(n, len(vectors) if items is None else len(np.unique(items)))
    rows, scores = np.zeros((len(queries), k), np.int32), np.full((len(queries), k), UNRANKED, np.float32)
    for sound, behaviour in np.unique(kinds, axis=0):
        comparable = (tracks.has_audio & sound) | ((tracks.support > 0) & behaviour)
        alike = np.flatnonzero((kinds == (sound, behaviour)).all(axis=1))
        rows[alike], scores[alike] = search(
            vectors,
            queries[alike],
            n,
            wanted=without(comparable, exclude, items),
            exclude=None if liked is None else liked[alike],
            items=items,
            num_threads=num_threads,
        )
    return rows, scores


def without(
    rankable: NDArray[np.bool_], exclude: Sequence[int] | Rows | None, items: Sequence[int] | Rows | None
) -> NDArray[np.bool_]:
    """The rankable rows `(n,)` bool less those to exclude, which may not be given together with `items`."""
    if exclude is None or len(exclude) == 0:
        return rankable
    if items is not None:
        raise ValueError("Can't set both items to choose from and items to filter out in one call")
    wanted = rankable.copy()
    wanted[np.asarray(exclude)] = False
    return wanted
