"""Listens: storing them as plays, and keeping those whose track is not in the library yet."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select

from hybridrec.data.listens import Listen
from hybridrec.storage import changes, schema
from hybridrec.storage.database import (
    Database,
    batches,
    id_in,
    insert_new,
    insert_returning,
    key_in,
    retry_once,
)
from hybridrec.storage.listen_matching import (
    Candidates,
    KnownTrack,
    first_of_each_key,
    known_tracks,
    match,
)
from hybridrec.storage.plays import store_plays

_FIELDS = ("user", "listened_at", "artist", "title", "album", "recording_mbid", "heard_seconds")
_TRIES = 5
_AT_ONCE = 10_000

MAX_SIMILAR = 1000
"""How many waiting listens of a similar name at most are compared with a new track."""


@dataclass(frozen=True)
class ListensAdded:
    """What became of listens.

    Attributes:
        added: new plays of tracks that the library has.
        waiting: new listens, kept until their track is added.
        repeated: listens that were known already.
    """

    added: int
    waiting: int
    repeated: int


class ListenStore:
    """The methods of a library for the listens of scrobblers."""

    _database: Database

    def add_listens(self, listens: Iterable[Listen]) -> ListensAdded:
        """Store listens, all or nothing: as plays of their tracks, or until such a track is added.

        A track is matched by MusicBrainz id (of its recording, or its own id), else by artist and
        title, which may differ in case, accents, punctuation, additions such as "(feat. ...)" and
        a few letters. Matching takes time, so it is done before the write transaction, and again
        if the catalogue changed meanwhile.

        Raises:
            InvalidInput: for text that cannot be stored; nothing is then.
        """
        given = list(listens)
        for listen in given:
            listen.check()
        return self._add_listens(given)

    @retry_once
    def _add_listens(self, listens: Sequence[Listen]) -> ListensAdded:
        for _ in range(_TRIES):
            with self._database.read() as connection:
                seq, found = changes.newest(connection), match(connection, listens)
            with self._database.write() as connection:
                if not changes.catalogue_changed(connection, seq):
                    return _store(connection, found, len(listens))
        with self._database.write() as connection:
            return _store(connection, match(connection, listens), len(listens))

    @retry_once
    def waiting_listens(self) -> int:
        """How many listens wait for their track."""
        with self._database.read() as connection:
            return connection.scalar(select(func.count()).select_from(schema.listens)) or 0


def join_listens(connection: Connection, ids: Collection[str]) -> None:
    """Turn listens that wait for one of these tracks into plays, within the tracks' transaction."""
    if not ids:
        return
    tracks = list(known_tracks(connection, id_in(connection, schema.tracks.c.id, ids)).values())
    candidates = Candidates.of(tracks)
    for keys in batches(_waiting_for(connection, tracks), _AT_ONCE):
        rows = connection.execute(
            select(schema.listens).where(key_in(connection, schema.listens.c.key, keys))
        )
        found = [
            (row.key, listen, track)
            for row in rows
            if (track := candidates.best(listen := _listen(row)))
        ]
        store_plays(
            connection,
            [listen.play_of(track.id, track.duration_seconds) for _, listen, track in found],
        )
        _delete(connection, [key for key, _, _ in found])


def put_listen_keys(connection: Connection) -> None:
    """Index the names of all waiting listens."""
    last = 0
    query = select(schema.listens).order_by(schema.listens.c.key).limit(_AT_ONCE)
    while rows := connection.execute(query.where(schema.listens.c.key > last)).all():
        _put_keys(connection, rows)
        last = rows[-1].key


def _waiting_for(connection: Connection, tracks: Sequence[KnownTrack]) -> Iterator[int]:
    """Keys of the waiting listens that may match one of these tracks."""
    table, listens = schema.listen_name_keys, schema.listens.c
    exact = {track.name.exact_key for track in tracks if track.name.title}
    similar = {key for track in tracks for key in track.name.keys}
    same = select(table.c.listen_key).where(key_in(connection, table.c.name_key, exact))
    found = set(connection.scalars(same))
    query = first_of_each_key(connection, table, table.c.listen_key, similar - exact, MAX_SIMILAR)
    found.update(key for _, key in connection.execute(query))
    mbids = {mbid for track in tracks for mbid in (track.id, track.recording_mbid) if mbid}
    found.update(
        connection.scalars(
            select(listens.key).where(id_in(connection, listens.recording_mbid, mbids))
        )
    )
    return iter(sorted(found))


def _store(
    connection: Connection, found: Mapping[Listen, KnownTrack | None], given: int
) -> ListensAdded:
    added = waiting = 0
    for batch in batches(found.items(), _AT_ONCE):
        known = [(listen, track) for listen, track in batch if track is not None]
        added += store_plays(
            connection, [listen.play_of(t.id, t.duration_seconds) for listen, t in known]
        )
        waiting += _keep(connection, [listen for listen, track in batch if track is None])
    return ListensAdded(added, waiting, given - added - waiting)


def _keep(connection: Connection, listens: Sequence[Listen]) -> int:
    rows = [{field: getattr(listen, field) for field in _FIELDS} for listen in listens]
    new = insert_returning(connection, schema.listens, rows)
    _put_keys(connection, new)
    return len(new)


def _put_keys(connection: Connection, rows: Sequence[Row[Any]]) -> None:
    keys = [
        {"name_key": name_key, "listen_key": row.key}
        for row in rows
        for name_key in _listen(row).name.keys
    ]
    insert_new(connection, schema.listen_name_keys, keys)


def _delete(connection: Connection, keys: Iterable[int]) -> None:
    connection.execute(delete(schema.listens).where(key_in(connection, schema.listens.c.key, keys)))


def _listen(row: Row[Any]) -> Listen:
    return Listen(**{field: getattr(row, field) for field in _FIELDS})
