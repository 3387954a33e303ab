"""Choosing among ranked tracks: each recording once, and no more of an artist or album than is wished for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hybridrec.data.arrays import Rows
from hybridrec.data.embeddings import unit_length
from hybridrec.data.tracks import Track
from hybridrec.serving.answers import Filters
from hybridrec.serving.live_model import LiveModel
from hybridrec.storage.library import Library

SAME_AUDIO = 0.98
"""Cosine of embeddings from which two tracks of one length are one recording.

With the ears that come with hybridrec, no two of 275 clips of game music are nearer
than .90, and a clip and its copy in another format are nearer than this.
"""

SAME_LENGTH_SECONDS = 2.0
MOST_RANKED = 1000
"""So many of the best tracks are looked at for one answer, or ten times as many as are asked for where that is more;
where wishes leave fewer of them than are asked for, fewer come."""

_SPARE = 10
_KNOWN_AT_ONCE = 4096


@dataclass
class Chosen:
    """A track that was chosen.

    Attributes:
        row: of the model.
        track: what is known of it.
        others: ids of ranked tracks that are the same recording.
    """

    row: int
    track: Track
    others: list[str] = field(default_factory=list)


class Selection:
    """Chooses tracks from a ranking.

    Args:
        library: tells of the tracks.
        live: whose rows are ranked.
        wishes: limits for artists and albums.
        known: rows whose recordings must not come: what the user played, or the seed.
    """

    def __init__(self, library: Library, live: LiveModel, filters: Filters, known: Rows) -> None:
        self._library = library
        self._live = live
        self._filters = filters
        self._known = known
        self._tracks: dict[str, Track] = {}

    def choose(self, ranked: Callable[[int], Rows], n: int) -> list[Chosen]:
        """The n best tracks that may come; more of the ranking is asked for until there are so many.

        Args:
            ranked: gives the rows of the k best tracks, best first, fewer where there are no more.
            n: how many at most.
        """
        asked, most = n + max(_SPARE, n // 2), max(MOST_RANKED, 10 * n)
        while True:
            rows = ranked(asked)
            chosen = list(self._chosen(rows))
            if len(chosen) >= n or len(rows) < asked or asked >= most:
                return chosen[:n]
            asked = min(most, 4 * asked)

    def rows(self) -> Rows | None:
        """The rows that the wishes allow; None where they allow all."""
        filters, ids = self._filters, None
        if filters.artist is not None or filters.album is not None:
            ids = set(self._library.track_ids(artist=filters.artist, album=filters.album))
        if filters.allow is not None:
            ids = set(filters.allow) if ids is None else ids & set(filters.allow)
        return None if ids is None else self._live.rows(ids)

    def _chosen(self, rows: Rows) -> Iterator[Chosen]:
        ids = [self._live.ids.id(row) for row in rows.tolist()]
        found = self._found(ids)
        candidates = [
            Chosen(row, found[id_])
            for row, id_ in zip(rows.tolist(), ids, strict=True)
            if id_ in found
        ]
        per_artist, per_album = Counter[str](), Counter[str]()
        for candidate in self._once_each(candidates):
            artist, album = candidate.track.artist, candidate.track.album
            per_artist[artist] += 1
            per_album[album] += 1
            if _fits(artist, per_artist, self._filters.per_artist) and _fits(
                album, per_album, self._filters.per_album
            ):
                yield candidate

    def _found(self, ids: list[str]) -> dict[str, Track]:
        """Tracks by their ids; each is looked up once, however often more of the ranking is asked for."""
        if missing := [id_ for id_ in ids if id_ not in self._tracks]:
            self._tracks |= self._library.tracks(missing)
        return self._tracks

    def _once_each(self, candidates: list[Chosen]) -> list[Chosen]:
        """The candidates without those that are a recording that came before, which is told of them, or a known one."""
        rows = np.array([candidate.row for candidate in candidates], dtype=np.int64)
        sounds, tracks = (
            self._audio_vectors(rows),
            _Recordings.of([candidate.track for candidate in candidates]),
        )
        alike = sounds @ sounds.T >= SAME_AUDIO
        doubles = tracks.share_an_id(tracks)
        if np.count_nonzero(alike) > len(rows):  # each is like itself
            doubles |= alike & tracks.may_be(tracks)
        has_earlier = np.asarray(np.tril(doubles, -1).any(axis=1))
        unwanted = self._like_known(sounds, tracks)
        kept = np.zeros(len(candidates), dtype=np.bool_)
        for place, candidate in enumerate(candidates):
            if unwanted[place]:
                continue
            if has_earlier[place]:
                earlier = np.flatnonzero(doubles[place, :place] & kept[:place])
                if len(earlier):
                    candidates[earlier[0]].others.append(candidate.track.id)
                    continue
            kept[place] = True
        return [candidates[place] for place in np.flatnonzero(kept).tolist()]

    def _like_known(self, sounds: NDArray[np.float32], tracks: _Recordings) -> NDArray[np.bool_]:
        """Which of the candidates are recordings of which a file is known, `(n,)` bool."""
        found = np.zeros(len(sounds), dtype=np.bool_)
        for start in range(0, len(self._known), _KNOWN_AT_ONCE):
            known = self._known[start : start + _KNOWN_AT_ONCE]
            alike = sounds @ self._audio_vectors(known).T >= SAME_AUDIO
            near = np.flatnonzero(alike.any(axis=0))
            if len(near) == 0:
                continue
            ids = [self._live.ids.id(row) for row in known[near].tolist()]
            here = self._found(ids)
            there = [
                (place, here[id_])
                for place, id_ in zip(near.tolist(), ids, strict=True)
                if id_ in here
            ]
            same = tracks.may_be(_Recordings.of([track for _, track in there]))
            found |= (alike[:, [place for place, _ in there]] & same).any(axis=1)
        return found

    def _audio_vectors(self, rows: Rows) -> NDArray[np.float32]:
        return unit_length(self._live.model.tracks.embeddings[rows].astype(np.float32))


@dataclass(frozen=True)
class _Recordings:
    """What tells the recordings of n tracks apart beside their sound.

    Attributes:
        ids: `(n,)` int64 hashes of recording ids, 0 where a track has none: numbers compare faster than text.
        seconds: `(n,)` float64, NaN where the length is unknown.
    """

    ids: NDArray[np.int64]
    seconds: NDArray[np.float64]

    @classmethod
    def of(cls, tracks: list[Track]) -> _Recordings:
        seconds = [
            np.nan if track.duration_seconds is None else track.duration_seconds for track in tracks
        ]
        ids = [hash(track.recording_mbid) if track.recording_mbid else 0 for track in tracks]
        return cls(np.array(ids, dtype=np.int64), np.array(seconds, dtype=np.float64))

    def share_an_id(self, others: _Recordings) -> NDArray[np.bool_]:
        """Which have one recording id with which, `(n, m)` bool."""
        return np.asarray((self.ids[:, None] == others.ids) & (self.ids != 0)[:, None])

    def may_be(self, others: _Recordings) -> NDArray[np.bool_]:
        """Which are one recording if they sound alike, `(n, m)` bool: nothing else tells them apart."""
        close = np.abs(self.seconds[:, None] - others.seconds) <= SAME_LENGTH_SECONDS
        both_told = (self.ids != 0)[:, None] & (others.ids != 0)
        return np.where(both_told, self.ids[:, None] == others.ids, close)


def _fits(name: str, counts: Counter[str], most: int | None) -> bool:
    return most is None or name == "" or counts[name] <= most
