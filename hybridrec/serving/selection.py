"""Choosing among ranked tracks: each recording once, and no more of an artist or album than is wished for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hybridrec.data.embeddings import unit_length
from hybridrec.data.tracks import Track
from hybridrec.serving.answers import Wishes
from hybridrec.serving.live_model import LiveModel
from hybridrec.storage.library import Library

SAME_SOUND = 0.98
"""Cosine of embeddings from which two tracks of one length are one recording.

With the ears that come with hybridrec, no two of 275 clips of game music are nearer
than .90, and a clip and its copy in another format are nearer than this.
"""

SAME_LENGTH_SECONDS = 2.0
MOST_RANKED = 20_000
_SPARE = 10

Rows = NDArray[np.int64]


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

    def __init__(self, library: Library, live: LiveModel, wishes: Wishes, known: Rows) -> None:
        self._library = library
        self._live = live
        self._wishes = wishes
        self._known = known

    def choose(self, ranked: Callable[[int], Rows], n: int) -> list[Chosen]:
        """The n best tracks that may come; more of the ranking is asked for until there are so many.

        Args:
            ranked: gives the rows of the k best tracks, best first, fewer where there are no more.
            n: how many at most.
        """
        asked = n + max(_SPARE, n // 2)
        while True:
            rows = ranked(asked)
            chosen = list(self._chosen(rows))
            if len(chosen) >= n or len(rows) < asked or asked >= MOST_RANKED:
                return chosen[:n]
            asked = min(MOST_RANKED, 4 * asked)

    def rows(self) -> Rows | None:
        """The rows that the wishes allow; None where they allow all."""
        wishes, ids = self._wishes, None
        if wishes.artist is not None or wishes.album is not None:
            ids = set(self._library.track_ids(artist=wishes.artist, album=wishes.album))
        if wishes.allow is not None:
            ids = set(wishes.allow) if ids is None else ids & set(wishes.allow)
        return None if ids is None else self._live.rows(ids)

    def _chosen(self, rows: Rows) -> Iterator[Chosen]:
        ids = [self._live.ids.id(row) for row in rows.tolist()]
        found = self._library.tracks(ids)
        candidates = [Chosen(row, found[id_]) for row, id_ in zip(rows.tolist(), ids, strict=True) if id_ in found]
        per_artist, per_album = Counter[str](), Counter[str]()
        for candidate in self._once_each(candidates):
            artist, album = candidate.track.artist, candidate.track.album
            per_artist[artist] += 1
            per_album[album] += 1
            if _fits(artist, per_artist, self._wishes.per_artist) and _fits(album, per_album, self._wishes.per_album):
                yield candidate

    def _once_each(self, candidates: list[Chosen]) -> list[Chosen]:
        """The candidates without those that are a recording that came before, which is told of them, or a known one."""
        rows = np.array([candidate.row for candidate in candidates], dtype=np.int64)
        sounds = self._sounds(rows)
        alike, like_known = sounds @ sounds.T >= SAME_SOUND, sounds @ self._sounds(self._known).T >= SAME_SOUND
        known_ids = [self._live.ids.id(row) for row in self._known[like_known.any(axis=0)].tolist()]
        known = self._library.tracks(known_ids) if known_ids else {}
        kept: dict[int, Chosen] = {}
        for place, candidate in enumerate(candidates):
            similar = (self._live.ids.id(row) for row in self._known[like_known[place]].tolist())
            if any(_is_same(candidate.track, known[id_]) for id_ in similar if id_ in known):
                continue
            double = next((first for first in kept if _is_double(candidate, kept[first], alike[place, first])), None)
            if double is None:
                kept[place] = candidate
            else:
                kept[double].others.append(candidate.track.id)
        return list(kept.values())

    def _sounds(self, rows: Rows) -> NDArray[np.float32]:
        return unit_length(self._live.model.tracks.embeddings[rows].astype(np.float32))


def _is_double(one: Chosen, other: Chosen, alike: bool) -> bool:
    mbid = one.track.recording_mbid
    return (mbid != "" and mbid == other.track.recording_mbid) or (alike and _is_same(one.track, other.track))


def _is_same(one: Track, other: Track) -> bool:
    """Whether two tracks that sound alike are one recording: nothing else tells them apart."""
    if one.recording_mbid and other.recording_mbid:
        return one.recording_mbid == other.recording_mbid
    if one.duration_seconds is None or other.duration_seconds is None:
        return False
    return abs(one.duration_seconds - other.duration_seconds) <= SAME_LENGTH_SECONDS


def _fits(name: str, counts: Counter[str], most: int | None) -> bool:
    return most is None or name == "" or counts[name] <= most
