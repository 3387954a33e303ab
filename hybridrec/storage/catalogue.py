"""The catalogue: which tracks there are and what is known of each."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, insert, select

from hybridrec.data.tracks import Track
from hybridrec.errors import NotFound
from hybridrec.storage import changes, schema
from hybridrec.storage.database import Database, among, batches, upsert
from hybridrec.storage.paths import StoredPaths

_TEXTS = ("title", "artist", "album", "genre")
_COLUMNS = [schema.tracks.c[name] for name in ("id", *_TEXTS, "duration_seconds", "path", "content_hash")]


class Catalogue:
    """The part of a library that keeps tracks."""

    _database: Database
    _paths: StoredPaths

    def put_tracks(self, tracks: Iterable[Track]) -> None:
        """Add tracks, or update those whose id is known; fields left empty keep what is stored.

        Raises:
            InvalidInput: for an id that cannot be stored; nothing is then.
        """
        waiting = list(batches(tracks))
        with self._database.write() as connection:
            for batch in waiting:
                put_tracks(connection, batch, self._paths)

    def track(self, id_: str) -> Track:
        """One track by its id.

        Raises:
            NotFound: if the library has none of that id.
        """
        found = self._first(select(*_COLUMNS).where(schema.tracks.c.id == id_))
        if found is None:
            raise _unknown_track(id_)
        return found

    def tracks(self, ids: Collection[str]) -> dict[str, Track]:
        """Tracks by their ids; those that the library has not are left out."""
        with self._database.read() as connection:
            query = select(*_COLUMNS).where(among(connection, schema.tracks.c.id, ids))
            return {row.id: _track(row, self._paths) for row in connection.execute(query).all()}

    def track_by_hash(self, content_hash: str) -> Track | None:
        """The track whose file has this hex SHA-256, or None; of several, the one that came first."""
        query = select(*_COLUMNS).where(schema.tracks.c.content_hash == content_hash)
        return self._first(query.order_by(schema.tracks.c.key).limit(1))

    def find_tracks(self, query: str = "", after: str | None = None, limit: int = 50) -> list[Track]:
        """Tracks with all the words of `query` in their id, title, artist or album, ordered by id.

        Case and accents do not matter. An empty query finds every track.

        Args:
            query: words, or parts of words.
            after: the last id of the page before, or None for the first page.
            limit: how many at most.
        """
        statement = select(*_COLUMNS).order_by(schema.tracks.c.id).limit(limit)
        if after is not None:
            statement = statement.where(schema.tracks.c.id > after)
        for word in searchable(query).split():
            statement = statement.where(schema.tracks.c.searchable.contains(word, autoescape=True))
        with self._database.read() as connection:
            return [_track(row, self._paths) for row in connection.execute(statement)]

    def track_ids(self) -> list[str]:
        """The ids of all tracks, in order of arrival."""
        with self._database.read() as connection:
            return list(connection.scalars(select(schema.tracks.c.id).order_by(schema.tracks.c.key)))

    def kept_files(self) -> list[str]:
        """The files of tracks that the library keeps itself, relative to its folder `files`."""
        with self._database.read() as connection:
            paths = connection.scalars(select(schema.tracks.c.path).where(schema.tracks.c.path.is_not(None)))
            return [os.fsdecode(path) for path in paths if self._paths.is_kept(path)]

    def delete_track(self, id_: str) -> None:
        """Forget a track with its embeddings and plays, and its file if the library keeps it.

        Raises:
            NotFound: if the library has none of that id.
        """
        with self._database.write() as connection:
            gone = delete(schema.tracks).where(schema.tracks.c.id == id_).returning(schema.tracks.c.path)
            row = connection.execute(gone).first()
            if row is None:
                raise _unknown_track(id_)
            changes.record(connection, changes.TRACK, [id_])
        if row.path is not None and self._paths.is_kept(row.path):
            Path(self._paths.path(row.path)).unlink(missing_ok=True)

    def _first(self, query: Select[Any]) -> Track | None:
        with self._database.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else _track(row, self._paths)


def put_tracks(connection: Connection, tracks: Sequence[Track], paths: StoredPaths) -> None:
    """Add or update tracks within a transaction; unchanged ones are not written."""
    new: dict[str, dict[str, Any]] = {}
    for track in tracks:
        new[track.id] = _merge(new.get(track.id, {}), _row(track, paths))
    stored = select(*_COLUMNS).where(among(connection, schema.tracks.c.id, new))
    known = {row.id: row._asdict() for row in connection.execute(stored).all()}
    merged = [_merge(known.get(id_, {}), row) for id_, row in new.items()]
    fresh = [row for row in merged if row != known.get(row["id"])]
    rows = [row | {"searchable": searchable(row["id"], row["title"], row["artist"], row["album"])} for row in fresh]
    upsert(connection, schema.tracks, rows, by=("id",))
    changes.record(connection, changes.TRACK, [row["id"] for row in fresh])


def track_keys(connection: Connection, ids: Collection[str]) -> dict[str, int]:
    """Keys of tracks by id, within a transaction; unknown tracks are created bare."""
    columns = schema.tracks.c
    known = select(columns.id, columns.key).where(among(connection, columns.id, ids))
    keys = {id_: key for id_, key in connection.execute(known).all()}
    missing = [id_ for id_ in ids if id_ not in keys]
    if missing:
        bare = [dict.fromkeys(_TEXTS, "") | {"id": id_, "searchable": searchable(id_)} for id_ in missing]
        new = insert(schema.tracks).returning(columns.id, columns.key)
        keys.update({id_: key for id_, key in connection.execute(new, bare).all()})
        changes.record(connection, changes.TRACK, missing)
    return keys


def searchable(*texts: str) -> str:
    """Text as searches compare it: without case and accents, so that "beyonce" finds "Beyoncé"."""
    apart = unicodedata.normalize("NFKD", " ".join(texts).casefold())
    return _text("".join(character for character in apart if not unicodedata.combining(character)))


def _row(track: Track, paths: StoredPaths) -> dict[str, Any]:
    texts = {name: _text(getattr(track, name)) for name in _TEXTS}
    return {
        "id": track.id,
        **texts,
        "duration_seconds": track.duration_seconds,
        "path": None if track.path is None else paths.stored(track.path),
        "content_hash": track.content_hash,
    }


def _merge(known: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    return {name: known.get(name, value) if value in ("", None) else value for name, value in new.items()}


def _track(row: Row[Any], paths: StoredPaths) -> Track:
    values = row._asdict()
    values["path"] = None if row.path is None else paths.path(row.path)
    return Track(**values)


def _text(text: str) -> str:
    """Text without what databases refuse: zero bytes and lone surrogates."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8")


def _unknown_track(id_: str) -> NotFound:
    return NotFound("unknown track", got=id_, fix="search the catalogue for its id")
