"""Listens: finding the tracks that they name, and keeping those whose track is not there yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Row, delete, exists, func, or_, select

from hybridrec.data.listens import Listen
from hybridrec.data.names import Name
from hybridrec.storage import schema
from hybridrec.storage.database import Database, among, batches, insert_new
from hybridrec.storage.plays import store_plays

_FIELDS = ("user", "listened_at", "artist", "title", "album", "recording_mbid", "heard_seconds")


@dataclass(frozen=True)
class ListensAdded:
    """What became of listens.

    Attributes:
        added: new plays of tracks that the library has.
        waiting: new ones that are kept until their track comes.
        repeated: those that had been told before.
    """

    added: int
    waiting: int
    repeated: int


class ListenStore:
    """The part of a library that takes in what scrobblers tell."""

    _database: Database

    def add_listens(self, listens: Iterable[Listen]) -> ListensAdded:
        """Store listens, all or nothing: as plays of the tracks they name, or until such a track comes.

        A track is found by MusicBrainz id (its recording's, or its own id), else by artist and title, which may
        differ in case, accents, punctuation, additions such as "(feat. ...)" and a few letters.

        Raises:
            InvalidInput: for text that cannot be stored; nothing is then.
        """
        batched = list(batches(listens, 10_000))
        totals = [0, 0, 0]
        with self._database.write() as connection:
            for batch in batched:
                for at, count in enumerate(_add(connection, batch)):
                    totals[at] += count
        return ListensAdded(*totals)

    def waiting_listens(self) -> int:
        """How many listens wait for their track."""
        with self._database.read() as connection:
            return connection.scalar(select(func.count()).select_from(schema.listens)) or 0


@dataclass(frozen=True)
class _Known:
    """A track that a listen may be of."""

    id: str
    name: Name
    album: str
    duration_seconds: float | None
    recording_mbid: str


def join_listens(connection: Connection, ids: Collection[str]) -> None:
    """Turn the listens that waited for these tracks into plays, within the transaction that stored the tracks."""
    if not ids or not connection.scalar(select(exists(select(schema.listens.c.key)))):
        return
    tracks = _tracks(connection, among(connection, schema.tracks.c.id, ids))
    waiting = schema.listens.c
    names = [track.name for track in tracks if track.name.title]
    mbids = {mbid for track in tracks for mbid in (track.recording_mbid, track.id) if mbid}
    called = _called(connection, waiting.plain_artist, waiting.plain_title, waiting.start, names)
    rows = connection.execute(
        select(schema.listens).where(or_(*called, among(connection, waiting.recording_mbid, mbids)))
    ).all()
    candidates = _Candidates(tracks)
    found = [(row, track) for row in rows if (track := candidates.best(_listen(row))) is not None]
    store_plays(connection, [_listen(row).play_of(track.id, track.duration_seconds) for row, track in found])
    for batch in batches((row.key for row, _ in found), 500):
        connection.execute(delete(schema.listens).where(waiting.key.in_(batch)))


def _add(connection: Connection, listens: Sequence[Listen]) -> tuple[int, int, int]:
    """How many were new plays, how many wait anew, and how many were known."""
    tracks = _candidates(connection, listens)
    found = {listen: tracks.best(listen) for listen in dict.fromkeys(listens)}
    plays = [listen.play_of(track.id, track.duration_seconds) for listen, track in found.items() if track is not None]
    added = store_plays(connection, plays)
    unknown = [_row(listen) for listen, track in found.items() if track is None]
    waiting = insert_new(connection, schema.listens, unknown)
    return added, waiting, len(listens) - added - waiting


class _Candidates:
    """Tracks, and which of them a listen is most likely of."""

    def __init__(self, tracks: Sequence[_Known]) -> None:
        self._by_mbid: dict[str, _Known] = {}
        self._by_artist: dict[str, list[_Known]] = defaultdict(list)
        self._by_title: dict[str, list[_Known]] = defaultdict(list)
        self._by_start: dict[str, list[_Known]] = defaultdict(list)
        for track in tracks:
            for mbid in filter(None, (track.id, track.recording_mbid)):
                self._by_mbid.setdefault(mbid, track)
            self._by_artist[track.name.artist].append(track)
            self._by_title[track.name.title].append(track)
            self._by_start[track.name.start].append(track)

    def best(self, listen: Listen) -> _Known | None:
        """The track a listen is of, or None; of several the likeliest, then the one of its album, then the first."""
        if listen.recording_mbid and (known := self._by_mbid.get(listen.recording_mbid)) is not None:
            return known
        name, album = listen.name, listen.album.casefold()
        alike = [*self._by_artist[name.artist], *self._by_title[name.title], *self._by_start[name.start]]
        scored = {track.id: (name.likeness(track.name), track.album.casefold() == album, track) for track in alike}
        ranked = sorted(scored.items(), key=lambda item: (-item[1][0], not item[1][1], item[0]))
        return ranked[0][1][2] if ranked and ranked[0][1][0] > 0 else None


def _candidates(connection: Connection, listens: Sequence[Listen]) -> _Candidates:
    names = list({listen.name for listen in listens})
    mbids = {listen.recording_mbid for listen in listens if listen.recording_mbid}
    tracks, named = schema.tracks.c, schema.track_names.c
    found = _tracks(connection, or_(*_called(connection, named.artist, named.title, named.start, names)))
    if mbids:
        found += _tracks(connection, or_(*(among(connection, c, mbids) for c in (tracks.id, tracks.recording_mbid))))
    return _Candidates(found)


def _called(connection: Connection, artist: Any, title: Any, start: Any, names: Iterable[Name]) -> list[Any]:
    """The conditions that names share the artist, the title or the beginnings of both with one of these."""
    names = list(names)
    wanted: Mapping[Column[str], set[str]] = {
        artist: {name.artist for name in names if name.artist},
        title: {name.title for name in names},
        start: {name.start for name in names},
    }
    return [among(connection, column, values) for column, values in wanted.items()]


def _tracks(connection: Connection, condition: Any) -> list[_Known]:
    tracks, named = schema.tracks.c, schema.track_names.c
    query = select(tracks.id, tracks.album, tracks.duration_seconds, tracks.recording_mbid, named.artist, named.title)
    rows = connection.execute(query.join_from(schema.tracks, schema.track_names, isouter=True).where(condition)).all()
    return [
        _Known(id_, Name(artist or "", title or ""), album, duration, mbid)
        for id_, album, duration, mbid, artist, title in rows
    ]


def _row(listen: Listen) -> dict[str, Any]:
    name = listen.name
    plain = {"plain_artist": name.artist, "plain_title": name.title, "start": name.start}
    return {field: getattr(listen, field) for field in _FIELDS} | plain


def _listen(row: Row[Any]) -> Listen:
    return Listen(**{field: getattr(row, field) for field in _FIELDS})
