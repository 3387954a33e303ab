"""The catalogue: the tracks of a library and their metadata."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import delete, select

from hybridrec.data.tracks import Track
from hybridrec.errors import NotFound
from hybridrec.storage import changes, schema
from hybridrec.storage.database import Database, batches, id_in, retry_once
from hybridrec.storage.listens import join_listens
from hybridrec.storage.stored_paths import StoredPaths
from hybridrec.storage.text_index import forget_texts, has_words, words_of
from hybridrec.storage.track_rows import (
    COLUMNS,
    as_track,
    put_tracks,
    read_track,
    read_track_by_hash,
)
from hybridrec.storage.uploads import UploadStore


class Catalogue(UploadStore):
    """The methods of a library for tracks."""

    _database: Database
    _paths: StoredPaths

    def put_tracks(self, tracks: Iterable[Track]) -> None:
        """Add tracks, or update those whose id is known; fields left empty keep what is stored.

        Raises:
            InvalidInput: for an id that cannot be stored; nothing is then.
        """
        self._put_tracks(list(batches(tracks)))

    @retry_once
    def _put_tracks(self, waiting: Sequence[Sequence[Track]]) -> None:
        with self._database.write() as connection:
            for batch in waiting:
                join_listens(connection, put_tracks(connection, batch, self._paths))

    @retry_once
    def track(self, id_: str) -> Track:
        """One track by its id.

        Raises:
            NotFound: if the library has none of that id.
        """
        with self._database.read() as connection:
            found = read_track(connection, id_, self._paths)
        if found is None:
            raise _unknown_track(id_)
        return found

    @retry_once
    def tracks(self, ids: Collection[str]) -> dict[str, Track]:
        """Tracks by their ids; unknown ids are left out."""
        with self._database.read() as connection:
            query = select(*COLUMNS).where(id_in(connection, schema.tracks.c.id, ids))
            return {row.id: as_track(row, self._paths) for row in connection.execute(query).all()}

    @retry_once
    def track_by_hash(self, content_hash: str) -> Track | None:
        """The track whose file has this hex SHA-256, or None; of several, the one added first."""
        with self._database.read() as connection:
            return read_track_by_hash(connection, content_hash, self._paths)

    @retry_once
    def find_tracks(
        self, query: str = "", after: str | None = None, limit: int = 50
    ) -> list[Track]:
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
            return [as_track(row, self._paths) for row in connection.execute(statement)]

    @retry_once
    def track_ids(self, artist: str | None = None, album: str | None = None) -> list[str]:
        """Ids of all tracks, or of an artist's or album's by exact name, in order of arrival."""
        query = select(schema.tracks.c.id).order_by(schema.tracks.c.key)
        for column, name in {schema.tracks.c.artist: artist, schema.tracks.c.album: album}.items():
            query = query if name is None else query.where(column == name)
        with self._database.read() as connection:
            return list(connection.scalars(query))

    @retry_once
    def delete_track(self, id_: str) -> None:
        """Delete a track with its embeddings and plays, and its file if it was uploaded.

        Raises:
            NotFound: if the library has none of that id.
        """
        with self._database.write() as connection:
            forget_texts(connection, [id_])
            gone = (
                delete(schema.tracks)
                .where(schema.tracks.c.id == id_)
                .returning(schema.tracks.c.path)
            )
            row = connection.execute(gone).first()
            if row is None:
                raise _unknown_track(id_)
            changes.record(connection, changes.TRACK, [id_])
        if row.path is not None:
            list(self.remove_unused([row.path]))


def _unknown_track(id_: str) -> NotFound:
    return NotFound("unknown track", got=id_, fix="search the catalogue for its id")
