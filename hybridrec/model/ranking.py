"""Ranking of the tracks that can be scored: "cannot score" is not the same as "scores zero"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp

from hybridrec.blend.tracks import EVERY_ROW, BlendedTracks
from hybridrec.data.arrays import Array, Mask, Rows
from hybridrec.data.embeddings import unit_length
from hybridrec.data.top_k import top_k
from hybridrec.index.ann import AnnIndex
from hybridrec.index.exact import UNRANKED, itself_first
from hybridrec.model.arguments import (
    Ids,
    Ranking,
    chosen_rows,
    may_be_returned,
    one_by_one,
    refuse_both,
)
from hybridrec.model.queries import Queries

INDEXED_FOR = (0.0, 0.2, 0.5, 1.0)
"""Audio weights that an index is built for; a weight in between uses the next greater one's
search parameters."""

FEW_ROWS = 20_000
"""At or below this many rows, exact scoring is faster than the index."""

MANY_UNWANTED = 1000
"""More excluded rows than this are excluded inside the index; fewer are dropped from its result,
which is cheaper than making a bitmap of the catalogue."""

_BLOCK_SCORES = 4_000_000  # scores of one block of a batch, 16 MB in single precision
_NONE_UNWANTED = [np.zeros(0, dtype=np.int64)]


@dataclass(frozen=True)
class Nearby:
    """An index, and the rows that changed since it was built.

    Attributes:
        index: of the tracks as they were when it was built.
        fresh: `(k,)` int64 rows that were added or changed since; always scored.
    """

    index: AnnIndex
    fresh: Rows

    def rows(self, query: Queries, n: int, spare: int, wanted: Mask | None) -> Rows:
        """Candidates for the n best rows of one query, ascending, each once.

        Args:
            query: a single one.
            n: how many rows the answer will have.
            spare: how many of the candidates may be dropped afterwards.
            wanted: `(rows,)` bool, the only rows that may be returned; None: all.

        Returns:
            `(k,)` int64: what the index finds, and the fresh rows.
        """
        weight = query.audio_weights[0]
        kind = min(int(np.searchsorted(INDEXED_FOR, weight)), len(INDEXED_FOR) - 1)
        search = self.index.search_parameters[kind]
        # Exact scores reorder candidates: five for each result keep the recall.
        more = max(0, 5 * n - search.n_candidates)
        near = self.index.near(query.vectors()[0], search, more + spare, wanted)
        rows = np.sort(np.concatenate([near, self.fresh]))
        return rows[np.diff(rows, prepend=-1) > 0]


@dataclass
class Indexes:
    """The indexes of a catalogue, and the rows that are scored beside them.

    Attributes:
        users, seeds: answer users and seed songs.
        fresh: `(k,)` int64, rows that were added or changed since both were built.
    """

    users: AnnIndex
    seeds: AnnIndex
    fresh: Rows = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def outdate(self, rows: Rows) -> None:
        """Score changed rows one by one from now on."""
        # A union: a row that changes twice is still scored once.
        self.fresh = np.union1d(self.fresh, rows)

    def take_in(self, tracks: BlendedTracks) -> None:
        """Add the fresh rows to both indexes.

        The vectors that a changed row had before stay in the index: it may be found by either,
        and is scored as it is now.
        """
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
    """The n best tracks for each query, among those that have audio or behaviour in common with it.

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
        IndexError: if one of `items` is not a row.
        ValueError: if both `items` and `exclude` are given.
    """
    refuse_both(items, exclude)
    chosen = None if items is None else chosen_rows(items, len(tracks))
    m, count = len(queries.kinds), len(tracks) if chosen is None else len(chosen)
    k = min(n, count)
    rows, scores = np.zeros((m, k), np.int32), np.full((m, k), UNRANKED, np.float32)
    if k == 0:
        return rows, scores
    unwanted = _unwanted(exclude, liked, m)
    # The index takes one query at a time; exact scoring takes blocks, for one matrix product.
    by_index = index is not None and (chosen is None or count > FEW_ROWS)
    step = 1 if by_index else max(1, _BLOCK_SCORES // count)
    for start in range(0, m, step):
        block = slice(start, min(m, start + step))
        some = queries if m <= step else queries.take(block)
        if index is not None and by_index:
            found = _rank_nearby(tracks, some, n, unwanted[start], chosen, index)
        else:
            found = _rank_all(tracks, some, n, unwanted[block], chosen)
        found_k = found[0].shape[1]
        rows[block, :found_k], scores[block, :found_k] = found
    return rows, scores


def _rank_all(
    tracks: BlendedTracks, queries: Queries, n: int, unwanted: list[Rows], chosen: Rows | None
) -> Ranking:
    """Rank by exact scores of all rows, or of the chosen ones."""
    rows = EVERY_ROW if chosen is None else chosen
    scores = queries.components(tracks, rows).scores
    for query, (audio, behaviour) in enumerate(queries.kinds.tolist()):
        scores[query, ~tracks.comparable(audio=audio, behaviour=behaviour, rows=rows)] = UNRANKED
        excluded = unwanted[query] if chosen is None else np.isin(chosen, unwanted[query])
        scores[query, excluded] = UNRANKED
    places, found = top_k(scores, n)
    return (places if chosen is None else chosen[places]).astype(np.int32), found


def _rank_nearby(
    tracks: BlendedTracks,
    query: Queries,
    n: int,
    unwanted: Rows,
    chosen: Rows | None,
    index: Nearby,
) -> Ranking:
    """Rank the index's candidates for one query by their exact scores."""
    wanted = _wanted(tracks, query, unwanted, chosen)
    if wanted is not None and np.count_nonzero(wanted) <= max(FEW_ROWS, n):
        return _rank_all(tracks, query, n, _NONE_UNWANTED, np.flatnonzero(wanted))
    # Where unwanted rows are dropped afterwards, as many more candidates are needed.
    near = index.rows(query, n, 0 if wanted is not None else len(unwanted), wanted)
    keep = _still_wanted(tracks, query, near, unwanted) if wanted is None else wanted[near]
    near = near[keep]
    if len(near) < n:  # most candidates were deleted since the index was built
        return _rank_all(tracks, query, n, [unwanted], chosen)
    places, found = top_k(query.components(tracks, near).scores, n)
    return near[places].astype(np.int32), found


def _wanted(
    tracks: BlendedTracks, query: Queries, unwanted: Rows, chosen: Rows | None
) -> Mask | None:
    """Rows that may be returned, `(rows,)`; None where the few unwanted are dropped later."""
    audio, behaviour = query.kinds[0].tolist()
    if chosen is None and len(unwanted) <= MANY_UNWANTED and audio and behaviour:
        return None
    wanted = tracks.comparable(audio=audio, behaviour=behaviour)
    wanted[unwanted] = False
    if chosen is not None:
        among_chosen = np.zeros(len(tracks), dtype=np.bool_)
        among_chosen[chosen] = True
        wanted &= among_chosen
    return wanted


def _still_wanted(tracks: BlendedTracks, query: Queries, near: Rows, unwanted: Rows) -> Mask:
    """Which of the ascending candidates may be returned, `(k,)`."""
    audio, behaviour = query.kinds[0].tolist()
    wanted = tracks.comparable(audio=audio, behaviour=behaviour, rows=near)
    places = np.searchsorted(near, unwanted)  # `near` is ascending
    inside = places < len(near)
    places, unwanted = places[inside], unwanted[inside]
    wanted[places[near[places] == unwanted]] = False
    return wanted


def _unwanted(
    exclude: Sequence[int] | Rows | None, liked: sp.csr_matrix | None, m: int
) -> list[Rows]:
    """For each of m queries, the rows it may not return."""
    for_all = np.asarray([] if exclude is None else exclude, dtype=np.int64)
    if liked is None:
        return [for_all] * m
    rows = [liked.indices] if m == 1 else np.split(liked.indices, liked.indptr[1:-1])
    return [np.concatenate([for_all, row]) for row in rows] if len(for_all) else rows


def similar_rows(
    factors: Array,
    asked: Ids,
    n: int,
    *,
    exclude: Sequence[int] | Rows | None = None,
    items: Sequence[int] | Rows | None = None,
) -> Ranking:
    """The n rows of `factors` most similar to each row asked for, by cosine, itself first.

    Args:
        factors: `(rows, f)` float32.
        asked: a row, or several.
        n: how many.
        exclude: rows that must not be returned.
        items: the only rows to rank; not together with `exclude`.

    Raises:
        ValueError: if both `items` and `exclude` are given.
    """
    refuse_both(items, exclude)
    directions = unit_length(factors)
    chosen = np.arange(len(directions)) if items is None else chosen_rows(items, len(directions))
    among = directions[chosen].T

    def similar(_place: int, row: int) -> Ranking:
        cosines = directions[row] @ among
        if exclude is not None:
            cosines[np.isin(chosen, exclude)] = UNRANKED
        places, scores = top_k(cosines[None, :], n)
        own = float(directions[row] @ directions[row])
        allowed = may_be_returned(row, items, exclude)
        return itself_first(chosen[places[0]].astype(np.int32), scores[0], row, own, allowed)

    return one_by_one(similar, asked)
