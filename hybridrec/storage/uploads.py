"""Uploads: each audio file is kept once, for one track, and is deleted with it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from sqlalchemy import Connection, insert, select

from hybridrec.data.tracks import Track
from hybridrec.errors import Conflict
from hybridrec.files import partial_file, put_in_place, sync_to_disk
from hybridrec.storage import schema
from hybridrec.storage.database import Database, batches, retry_once
from hybridrec.storage.disk_errors import full_disk_as_storage_full
from hybridrec.storage.embeddings import EmbeddedTrack, put_embedded_rows
from hybridrec.storage.stored_paths import StoredPaths
from hybridrec.storage.track_rows import read_track, read_track_by_hash


class UploadStore:
    """The methods of a library for uploaded files.

    Attributes:
        files: the folder of uploads.
    """

    _database: Database
    _paths: StoredPaths
    files: Path

    @retry_once
    def add_upload(self, path: Path, embedded: EmbeddedTrack) -> tuple[Track, bool]:
        """Keep a copy of a file and store its track, both or neither.

        Of uploads at the same time the database decides: the same audio becomes one track, and an
        id belongs to one audio file.

        Args:
            path: the file; it is copied, not moved.
            embedded: its track, with the hex SHA-256 of the file; the path of the copy is added.

        Returns:
            The track, and whether it is new.

        Raises:
            Conflict: if the id is taken by other audio.
            StorageFull: if there is no room; nothing is stored then.
        """
        track = embedded.track
        assert track.content_hash is not None
        target = upload_path(self.files, track.content_hash)
        # Copied and flushed before the transaction begins: a large file must not hold up writers.
        with full_disk_as_storage_full(), partial_file(target) as copy:
            shutil.copyfile(path, copy)
            sync_to_disk(copy)
            with self._database.write() as connection:
                known = read_track_by_hash(connection, track.content_hash, self._paths)
                if known is not None:
                    return known, False
                _refuse_taken(connection, track.id, self._paths)
                put_embedded_rows(connection, [embedded.with_path(str(target))], self._paths)
                _record_owner(connection, track)
                # Before the commit: a file without a track is cleaned up, the reverse is a loss.
                put_in_place(copy, target)
                stored = read_track(connection, track.id, self._paths)
        assert stored is not None
        return stored, True

    def remove_unused(self, stored: Iterable[bytes]) -> Iterator[tuple[Path, int]]:
        """Delete those uploaded files that no track refers to; yields each with its size in bytes.

        The files are deleted within write transactions, so that no track can come to refer to one
        of them meanwhile.

        Args:
            stored: paths as the library stores them; see `StoredPaths`.
        """
        for batch in batches(stored, 100):
            with self._database.write() as connection:
                query = select(schema.tracks.c.path).where(schema.tracks.c.path.in_(batch))
                referenced = set(connection.scalars(query))
                for name in dict.fromkeys(batch):
                    file = None if name in referenced else self._paths.kept_file(name)
                    if file is not None:
                        size = file.stat().st_size
                        file.unlink()
                        yield file, size

    @retry_once
    def kept_files(self) -> list[str]:
        """The uploaded files that tracks refer to, relative to the library's folder `files`."""
        query = select(schema.tracks.c.path).where(schema.tracks.c.path.is_not(None))
        with self._database.read() as connection:
            paths = map(os.fsdecode, connection.scalars(query))
            return [path for path in paths if not os.path.isabs(path)]


def upload_path(files: Path, content_hash: str) -> Path:
    """Where an upload of this hex SHA-256 is kept, whether it is there or not."""
    return files / content_hash[:2] / content_hash


def _refuse_taken(connection: Connection, id_: str, paths: StoredPaths) -> None:
    known = read_track(connection, id_, paths)
    if known is not None and known.content_hash is not None:
        raise Conflict(
            "the id belongs to a track with other audio", got=id_, fix="choose another id"
        )


def _record_owner(connection: Connection, track: Track) -> None:
    """Record which track an upload belongs to; a second owner violates a constraint."""
    query = select(schema.tracks.c.key).where(schema.tracks.c.id == track.id)
    key = connection.execute(query).scalar_one()
    row = {"content_hash": track.content_hash, "track_key": key}
    connection.execute(insert(schema.kept_files), row)
