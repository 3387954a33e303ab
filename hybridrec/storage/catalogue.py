"""The catalogue: which tracks there are and what is known of each."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import Row, Select, delete, select

from hybridrec.data.tracks import Track
from hybridrec.errors import NotFound
from hybridrec.storage import changes, schema
from hybridrec.storage.database import Database, among, batches
from hybridrec.storage.listens import join_listens
from hybridrec.storage.paths import StoredPaths
from hybridrec.storage.text_index import forget_texts, has_words, words_of
from hybridrec.storage.track_rows import COLUMNS, put_tracks


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
                join_listens(connection, put_tracks(connection, batch, self._paths))

    def track(self, id_: str) -> Track:
        """One track by its id.

        Raises:
            NotFound: if the library has none of that id.
        """
        found = self._first(select(*COLUMNS).where(schema.tracks.c.id == id_))
        if found is None:
            raise _unknown_track(id_)
        return found

    def tracks(self, ids: Collection[str]) -> dict[str, Track]:
        """Tracks by their ids; those that the library has not are left out."""
        with self._database.read() as connection:
            query = select(*COLUMNS).where(among(connection, schema.tracks.c.id, ids))
            return {row.id: _track(row, self._paths) for row in connection.execute(query).all()}

    def track_by_hash(self, content_hash: str) -> Track | None:
        """The track whose file has this hex SHA-256, or None; of several, the one that came first."""
        query = select(*COLUMNS).where(schema.tracks.c.content_hash == content_hash)
        return self._first(query.order_by(schema.tracks.c.key).limit(1))

    def find_tracks(self, query: str = "", after: str | None = None, limit: int = 50) -> list[Track]:
        """Tracks with all the words of `query` in their id, title, artist or album, ordered by id.

        Case and accents do not matter. An empty query finds every track.

        Args:
            query: words, or parts of words; the first eight count, each by its first 64 characters.
            after: the last id of the page before, or None for the first page.
            limit: how many at most.
        """
        statement = select(*COLUMNS).order_by(schema.tracks.c.id).limit(limit)
        if after is not None:
            statement = statement.where(schema.tracks.c.id > after)
        with self._database.read() as connection:
            statement = statement.where(*has_words(connection, words_of(query)))
            return [_track(row, self._paths) for row in connection.execute(statement)]

    def track_ids(self, artist: str | None = None, album: str | None = None) -> list[str]:
        """The ids of all tracks, or of those of an artist or album by their exact names, in order of arrival."""
        query = select(schema.tracks.c.id).order_by(schema.tracks.c.key)
        for column, name in {schema.tracks.c.artist: artist, schema.tracks.c.album: album}.items():
            query = query if name is None else query.where(column == name)
        with self._database.read() as connection:
            return list(connection.scalars(query))

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
            forget_texts(connection, [id_])
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


def _track(row: Row[Any], paths: StoredPaths) -> Track:
    values = row._asdict()
    values["path"] = None if row.path is None else paths.path(row.path)
    return Track(**values)


def _unknown_track(id_: str) -> NotFound:
    return NotFound("unknown track", got=id_, fix="search the catalogue for its id")
