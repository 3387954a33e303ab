"""Selects the tracks of an answer from a ranking: filters, limits, and each recording once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from hybridrec.data.arrays import Array, Mask, Rows
from hybridrec.data.embeddings import unit_length
from hybridrec.data.tracks import Track
from hybridrec.serving.answers import Filters
from hybridrec.serving.live_model import LiveModel
from hybridrec.serving.recordings import Recordings, similar_audio
from hybridrec.storage.library import Library

MAX_RANKED = 1000
"""Candidates of one answer, or ten times the tracks asked for where that is more. Where filters
leave fewer tracks of these than asked for, the answer is shorter."""

_MIN_SPARE = 10
_EXCLUDED_BLOCK = 4096  # rows compared with the candidates at a time, which bounds memory


@dataclass
class Selected:
    """A track of an answer.

    Attributes:
        row: of the model.
        track: what is known of it.
        same_recording: ids of lower ranked tracks that are the same recording.
    """

    row: int
    track: Track
    same_recording: list[str] = field(default_factory=list)


class Selection:
    """Selects tracks from a ranking.

    Args:
        library: holds the tracks.
        live: whose rows are ranked.
        filters: which tracks may be selected.
        excluded: rows whose recordings must not be selected: what the user played, or the seed.
    """

    def __init__(self, library: Library, live: LiveModel, filters: Filters, excluded: Rows) -> None:
        self._library = library
        self._live = live
        self._filters = filters
        self._excluded = excluded
        self._tracks: dict[str, Track] = {}

    def select(self, ranked: Callable[[int], Rows], n: int) -> list[Selected]:
        """The n best tracks that pass the filters; the ranking is extended until there are n.

        Args:
            ranked: returns the rows of the k best tracks, best first; fewer if there are no more.
            n: how many at most.
        """
        k, limit = n + max(_MIN_SPARE, n // 2), max(MAX_RANKED, 10 * n)
        while True:
            rows = ranked(k)
            selected = list(self._pass_filters(rows))
            if len(selected) >= n or len(rows) < k or k >= limit:
                return selected[:n]
            k = min(limit, 4 * k)

    def allowed_rows(self) -> Rows | None:
        """The rows of the only tracks that may be selected; None if all may."""
        filters, ids = self._filters, None
        if filters.artist is not None or filters.album is not None:
            ids = set(self._library.track_ids(artist=filters.artist, album=filters.album))
        if filters.allow is not None:
            ids = set(filters.allow) if ids is None else ids & set(filters.allow)
        return None if ids is None else self._live.rows(ids)

    def _pass_filters(self, rows: Rows) -> Iterator[Selected]:
        """Each recording once, and no more of an artist or album than the limits allow."""
        limits, per_artist, per_album = self._filters, Counter[str](), Counter[str]()
        for candidate in self._deduplicated(self._candidates(rows)):
            artist, album = candidate.track.artist, candidate.track.album
            per_artist[artist] += 1
            per_album[album] += 1
            if _within(limits.per_artist, per_artist, artist) and _within(
                limits.per_album, per_album, album
            ):
                yield candidate

    def _candidates(self, rows: Rows) -> list[Selected]:
        """The tracks of rows; what was deleted since the ranking is left out."""
        ids = [self._live.ids.id(row) for row in rows.tolist()]
        tracks = self._look_up(ids)
        pairs = zip(rows.tolist(), ids, strict=True)
        return [Selected(row, tracks[id_]) for row, id_ in pairs if id_ in tracks]

    def _look_up(self, ids: list[str]) -> dict[str, Track]:
        """Tracks by id; each is read once, however often the ranking is extended."""
        if missing := [id_ for id_ in ids if id_ not in self._tracks]:
            self._tracks |= self._library.tracks(missing)
        return self._tracks

    def _deduplicated(self, candidates: list[Selected]) -> list[Selected]:
        """Candidates whose recording is neither excluded nor ranked before.

        A duplicate is listed in `same_recording` of the candidate that is kept.
        """
        rows = np.array([candidate.row for candidate in candidates], dtype=np.int64)
        tracks = [candidate.track for candidate in candidates]
        recordings = Recordings.of(tracks, self._vectors(rows))
        # Below the diagonal: duplicates of a candidate that is ranked before.
        duplicates: Mask = np.tril(recordings.duplicates(), -1)
        has_duplicate = np.asarray(duplicates.any(axis=1))
        excluded = self._is_excluded(recordings)
        kept = np.zeros(len(candidates), dtype=np.bool_)
        for position, candidate in enumerate(candidates):
            if excluded[position]:
                continue
            if has_duplicate[position]:
                before = np.flatnonzero(duplicates[position] & kept)
                if len(before):
                    candidates[before[0]].same_recording.append(candidate.track.id)
                    continue
            kept[position] = True
        return [candidates[position] for position in np.flatnonzero(kept).tolist()]

    def _is_excluded(self, recordings: Recordings) -> Mask:
        """Which candidates are recordings of which another file is excluded, `(n,)` bool."""
        found = np.zeros(len(recordings.ids), dtype=np.bool_)
        for start in range(0, len(self._excluded), _EXCLUDED_BLOCK):
            rows = self._excluded[start : start + _EXCLUDED_BLOCK]
            similar = similar_audio(recordings.vectors, self._vectors(rows)).any(axis=0)
            # Only tracks that sound like a candidate are looked up, which are few.
            others = self._candidates(rows[similar])
            if others:
                found |= self._is_one_of(recordings, others)
        return found

    def _is_one_of(self, recordings: Recordings, others: list[Selected]) -> Mask:
        """Which candidates are the same recording as one of other tracks, `(n,)` bool."""
        rows = np.array([other.row for other in others], dtype=np.int64)
        known = Recordings.of([other.track for other in others], self._vectors(rows))
        similar = similar_audio(recordings.vectors, known.vectors)
        return np.asarray((similar & recordings.compatible(known)).any(axis=1))

    def _vectors(self, rows: Rows) -> Array:
        """Embeddings of rows in single precision and of unit length, `(n, d)`."""
        return unit_length(self._live.model.tracks.embeddings[rows].astype(np.float32))


def _within(limit: int | None, counts: Counter[str], name: str) -> bool:
    return limit is None or name == "" or counts[name] <= limit
