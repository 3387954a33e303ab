"""Uploads: each audio is kept once, for one track, and goes with the last track that points to it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from sqlalchemy import Connection, insert, select

from hybridrec.data.tracks import Track
from hybridrec.errors import Conflict
from hybridrec.storage import schema
from hybridrec.storage.database import Database, batches, once_more
from hybridrec.storage.embeddings import EmbeddedTrack, put_heard_rows
from hybridrec.storage.kept_files import kept_place, put_in_place, waiting_copy
from hybridrec.storage.paths import StoredPaths
from hybridrec.storage.track_rows import read_track, read_track_by_hash


class UploadStore:
    """The part of a library that keeps the files of uploads."""

    _database: Database
    _paths: StoredPaths
    files: Path

    @once_more
    def add_upload(self, path: Path, embedded: EmbeddedTrack) -> tuple[Track, bool]:
        """Keep a copy of a file and store its track, both or neither.

        The database decides between uploads at the same time: the same audio becomes one track,
        and an id belongs to one audio.

        Args:
            path: the file; it is copied, not moved.
            heard: its track, with the hex SHA-256 of the file; where the copy lies is filled in.

        Returns:
            the track, and whether it is new.

        Raises:
            Conflict: if the id is taken by other audio.
            StorageFull: if there is no room; nothing is stored then.
        """
        track = embedded.track
        assert track.content_hash is not None
        place = kept_place(self.files, track.content_hash)
        kept = embedded.with_path(str(place))
        with waiting_copy(path, place) as copy, self._database.write() as connection:
            known = read_track_by_hash(connection, track.content_hash, self._paths)
            if known is not None:
                return known, False
            _refuse_taken(connection, track.id, self._paths)
            put_heard_rows(connection, [kept], self._paths)
            _own(connection, track)
            put_in_place(copy, place)
            stored = read_track(connection, track.id, self._paths)
        assert stored is not None
        return stored, True

    def remove_unused(self, stored: Iterable[bytes]) -> Iterator[tuple[Path, int]]:
        """Delete those kept files that no track points to, each with its size in bytes.

        Nobody stores a track meanwhile, so none can come to point to a file that is being deleted.

        Args:
            stored: the files as the library writes them down.
        """
        for batch in batches(stored, 100):
            with self._database.write() as connection:
                used = select(schema.tracks.c.path).where(schema.tracks.c.path.in_(batch))
                pointed = set(connection.scalars(used))
                for name in dict.fromkeys(batch):
                    file = None if name in pointed else self._paths.kept_file(name)
                    if file is not None:
                        size = file.stat().st_size
                        file.unlink()
                        yield file, size

    @once_more
    def kept_files(self) -> list[str]:
        """The files of tracks that the library keeps itself, relative to its folder `files`."""
        with self._database.read() as connection:
            paths = connection.scalars(
                select(schema.tracks.c.path).where(schema.tracks.c.path.is_not(None))
            )
            return [os.fsdecode(path) for path in paths if not os.path.isabs(os.fsdecode(path))]


def _refuse_taken(connection: Connection, id_: str, paths: StoredPaths) -> None:
    known = read_track(connection, id_, paths)
    if known is not None and known.content_hash is not None:
        raise Conflict(
            "the id belongs to a track with other audio", got=id_, fix="choose another id"
        )


def _own(connection: Connection, track: Track) -> None:
    """Write down whose the audio is; a second owner breaks a constraint."""
    key = connection.execute(
        select(schema.tracks.c.key).where(schema.tracks.c.id == track.id)
    ).scalar_one()
    row = {"content_hash": track.content_hash, "track_key": key}
    connection.execute(insert(schema.kept_files), row)
