"""Ranking only what can be scored: "cannot score" and "scores zero" are different things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hybridrec.blend.tracks import EVERY_ROW, BlendedTracks
from hybridrec.index.ann import AnnIndex
from hybridrec.index.exact import UNRANKED, best
from hybridrec.model.queries import Queries

Array = NDArray[np.float32]
Rows = NDArray[np.int64]
Ranking = tuple[NDArray[np.int32], Array]

INDEXED_FOR = (0.0, 0.2, 0.5, 1.0)
"""The shares of sound that an index is built for; what lies between is searched like the next."""

FEW_ROWS = 20_000
"""So many rows are scored one by one sooner than an index has found the best of them."""

MANY_UNWANTED = 1000
"""So many rows that a query may not return are told to the index; fewer are left out of what it finds."""

_BLOCK_SCORES = 4_000_000
_NONE_UNWANTED = [np.zeros(0, dtype=np.int64)]


@dataclass(frozen=True)
class Nearby:
    """An index, and the rows that it does not know as they are now.

    Attributes:
        index: of the tracks as they were when it was built.
        fresh: `(k,)` int64 rows that were added or changed since; always scored.
    """

    index: AnnIndex
    fresh: Rows

    def rows(self, query: Queries, n: int, spare: int, wanted: NDArray[np.bool_] | None) -> Rows:
        """Candidates for the n best rows for one query, some to spare and the fresh ones too, in order, once each."""
        kind = min(int(np.searchsorted(INDEXED_FOR, query.audio_shares[0])), len(INDEXED_FOR) - 1)
        search = self.index.search_parameters[kind]
        more = max(0, 5 * n - search.n_candidates)
        near = self.index.near(query.vectors()[0], search, more + spare, wanted)
        rows = np.sort(np.concatenate([near, self.fresh]))
        return rows[np.diff(rows, prepend=-1) > 0]


@dataclass
class Indexes:
    """The indexes of a catalogue, and the tier of rows beside them.

    Attributes:
        users, seeds: answer users and seed songs.
        fresh: `(k,)` int64, the tier: rows that were added or changed since both were built.
    """

    users: AnnIndex
    seeds: AnnIndex
    fresh: Rows = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def outdate(self, rows: Rows) -> None:
        """Score some rows one by one from now on, because they changed."""
        self.fresh = np.union1d(self.fresh, rows)

    def take_in(self, tracks: BlendedTracks) -> None:
        """Index the tier too; where its rows were before, they are still found, and scored as they are now."""
        rows = self.fresh[tracks.comparable(audio=True, behaviour=True, rows=self.fresh)]
        if len(rows):
            self.users.add(rows, tracks.vectors_for_users(rows))
            self.seeds.add(rows, tracks.vectors_for_seeds(rows))
        self.fresh = self.fresh[:0]


def rank(
    tracks: BlendedTracks,
    queries: Queries,
    n: int,
    *,
    exclude: Sequence[int] | Rows | None = None,
    liked: sp.csr_matrix | None = None,
    items: Sequence[int] | Rows | None = None,
    index: Nearby | None = None,
) -> Ranking:
    """The n best tracks for each query; a track that shares neither sound nor behaviour with it is left out.

    Args:
        tracks: the catalogue.
        queries: m of them.
        n: how many tracks a query.
        exclude: rows that no query may return.
        liked: CSR `(m, rows)`; what is stored in row q is not returned for query q.
        items: rank only these rows; not together with `exclude`.
        index: finds candidates in a large catalogue; None scores every row.

    Returns:
        Rows int32 and scores float32 `(m, k)`, best first, k = min(n, rows to rank). Where
        filters leave fewer than k, the rest has the score `UNRANKED`.

    Raises:
        IndexError: if one of `items` is no row.
        ValueError: if both `items` and `exclude` are given.
    """
    refuse_both(items, exclude)
    chosen = None if items is None else chosen_rows(items, len(tracks))
    m, count = len(queries.kinds), len(tracks) if chosen is None else len(chosen)
    rows, scores = np.zeros((m, min(n, count)), np.int32), np.full((m, min(n, count)), UNRANKED, np.float32)
    if min(n, count) == 0:
        return rows, scores
    unwanted = _unwanted(exclude, liked, m)
    one_by_one = index is not None and (chosen is None or count > FEW_ROWS)
    step = 1 if one_by_one else max(1, _BLOCK_SCORES // count)
    for start in range(0, m, step):
        block = slice(start, min(m, start + step))
        some = queries if m <= step else queries.take(block)
        if index is not None and one_by_one:
            found = _rank_nearby(tracks, some, n, unwanted[start], chosen, index)
        else:
            found = _rank_all(tracks, some, n, unwanted[block], chosen)
        k = found[0].shape[1]
        rows[block, :k], scores[block, :k] = found
    return rows, scores


def _rank_all(tracks: BlendedTracks, queries: Queries, n: int, unwanted: list[Rows], chosen: Rows | None) -> Ranking:
    asked = EVERY_ROW if chosen is None else chosen
    scores = queries.components(tracks, asked).scores
    for query, (audio, behaviour) in enumerate(queries.kinds.tolist()):
        scores[query, ~tracks.comparable(audio=audio, behaviour=behaviour, rows=asked)] = UNRANKED
        scores[query, unwanted[query] if chosen is None else np.isin(chosen, unwanted[query])] = UNRANKED
    places, found = best(scores, n)
    return (places if chosen is None else chosen[places]).astype(np.int32), found


def _rank_nearby(
    tracks: BlendedTracks, query: Queries, n: int, unwanted: Rows, chosen: Rows | None, index: Nearby
) -> Ranking:
    audio, behaviour = query.kinds[0].tolist()
    wanted = None
    if chosen is not None or len(unwanted) > MANY_UNWANTED or not (audio and behaviour):
        wanted = tracks.comparable(audio=audio, behaviour=behaviour)
        wanted[unwanted] = False
        if chosen is not None:
            among_chosen = np.zeros(len(tracks), dtype=np.bool_)
            among_chosen[chosen] = True
            wanted &= among_chosen
        if np.count_nonzero(wanted) <= max(FEW_ROWS, n):
            return _rank_all(tracks, query, n, _NONE_UNWANTED, np.flatnonzero(wanted))
    near = index.rows(query, n, 0 if wanted is not None else len(unwanted), wanted)
    near = near[_still_wanted(tracks, query, near, unwanted) if wanted is None else wanted[near]]
    if len(near) < n:  # so many were deleted since the index was built
        return _rank_all(tracks, query, n, [unwanted], chosen)
    places, found = best(query.components(tracks, near).scores, n)
    return near[places].astype(np.int32), found


def _still_wanted(tracks: BlendedTracks, query: Queries, near: Rows, unwanted: Rows) -> NDArray[np.bool_]:
    """Which of the candidates, in order, may be returned."""
    audio, behaviour = query.kinds[0].tolist()
    wanted = tracks.comparable(audio=audio, behaviour=behaviour, rows=near)
    places = np.searchsorted(near, unwanted)
    inside = places < len(near)
    places, unwanted = places[inside], unwanted[inside]
    wanted[places[near[places] == unwanted]] = False
    return wanted


def _unwanted(exclude: Sequence[int] | Rows | None, liked: sp.csr_matrix | None, m: int) -> list[Rows]:
    """For each of m queries, the rows it may not return."""
    everywhere = np.asarray([] if exclude is None else exclude, dtype=np.int64)
    if liked is None:
        return [everywhere] * m
    rows = [liked.indices] if m == 1 else np.split(liked.indices, liked.indptr[1:-1])
    return [np.concatenate([everywhere, row]) for row in rows] if len(everywhere) else rows


def chosen_rows(items: Sequence[int] | Rows, n: int) -> Rows:
    """Rows to choose from, each once and in order.

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
