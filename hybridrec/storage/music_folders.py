"""Where audio may be read from: uploads, and folders of music that the operator named."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from sqlalchemy import Connection, select

from hybridrec.errors import InvalidInput, NotFound
from hybridrec.storage import schema
from hybridrec.storage.database import Database, insert_new, retry_once
from hybridrec.storage.stored_paths import MAX_PATH_BYTES, StoredPaths, is_plain_name


class MusicFolderStore:
    """The methods of a library for the location of audio."""

    _database: Database
    _paths: StoredPaths

    @retry_once
    def add_music_folder(self, folder: Path) -> None:
        """Allow the audio of tracks below a folder to be read, as when the operator ingests it.

        Raises:
            InvalidInput: if its path is longer than a library stores.
        """
        with self._database.write() as connection:
            put_music_folders(connection, [folder])

    @retry_once
    def music_folders(self) -> list[Path]:
        """The folders of music, in order of their names."""
        with self._database.read() as connection:
            paths = connection.scalars(select(schema.music_folders.c.path))
            return sorted(Path(os.fsdecode(path)) for path in paths)

    @retry_once
    def audio_file(self, id_: str) -> Path:
        """The audio file of a track: an upload, or a file below a folder of music.

        A path in the database is not enough to read a file, so that a library from elsewhere can
        be served safely.

        Raises:
            NotFound: if there is no such track, or no such file, or it is elsewhere.
        """
        with self._database.read() as connection:
            stored = connection.scalar(
                select(schema.tracks.c.path).where(schema.tracks.c.id == id_)
            )
        if stored is not None:
            path = self._paths.kept_file(stored) or self._music_file(os.fsdecode(stored))
            if path is not None:
                return path
        raise NotFound(
            "the track has no audio on this machine", got=id_, fix="ingest its folder again"
        )

    def _music_file(self, name: str) -> Path | None:
        """A file below a folder of music; links inside it are the operator's, and are followed."""
        path = Path(name)
        if not (path.is_absolute() and is_plain_name(name) and path.is_file()):
            return None
        return path if any(path.is_relative_to(folder) for folder in self.music_folders()) else None


def put_music_folders(connection: Connection, folders: Iterable[Path]) -> None:
    """Add folders of music, within a transaction.

    Raises:
        InvalidInput: if a path is longer than a library stores.
    """
    paths = [os.fsencode(os.path.abspath(folder)) for folder in folders]
    for path in paths:
        if len(path) > MAX_PATH_BYTES:
            fix = "move it, or give a shorter path"
            raise InvalidInput(
                f"a path may have at most {MAX_PATH_BYTES} bytes", got=len(path), fix=fix
            )
    insert_new(connection, schema.music_folders, [{"path": path} for path in dict.fromkeys(paths)])


def record_existing_files(connection: Connection) -> None:
    """Fill the tables of folders and uploads of a library that was made without them."""
    stamped = connection.scalars(select(schema.file_stamps.c.path))
    parents = {
        PurePosixPath(os.fsdecode(path)).parent
        for path in stamped
        if os.path.isabs(os.fsdecode(path))
    }
    outermost = [folder for folder in parents if not parents.intersection(folder.parents)]
    rows = [{"path": os.fsencode(folder)} for folder in outermost]
    insert_new(
        connection,
        schema.music_folders,
        [row for row in rows if len(row["path"]) <= MAX_PATH_BYTES],
    )
    tracks = schema.tracks.c
    query = select(tracks.content_hash, tracks.key, tracks.path).order_by(tracks.key)
    query = query.where(tracks.content_hash.is_not(None), tracks.path.is_not(None))
    kept = [
        (hash_, key)
        for hash_, key, path in connection.execute(query)
        if not os.path.isabs(os.fsdecode(path))
    ]
    insert_new(
        connection,
        schema.kept_files,
        [{"content_hash": hash_, "track_key": key} for hash_, key in kept],
    )
