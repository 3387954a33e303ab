"""Backup and restore of a library, both while a server uses it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import delete

from hybridrec.errors import Conflict, InvalidInput, LibraryError
from hybridrec.files import put_in_place, replacing
from hybridrec.storage import changes, schema
from hybridrec.storage.backup_schema import check_database
from hybridrec.storage.disk_errors import full_disk_as_storage_full, is_disk_full, storage_full
from hybridrec.storage.library import DATABASE_NAME, FILES_NAME, Library
from hybridrec.storage.music_folders import put_music_folders
from hybridrec.storage.staging import staging_folder
from hybridrec.storage.stored_paths import is_plain_file, is_plain_name, make_private

_AHEAD = 1000
"""By how much the change feed of a restored library is ahead of what its readers have seen."""


@dataclass(frozen=True)
class CopyReport:
    """What a backup or a restored library holds.

    Attributes:
        tracks, users, plays: how many of each.
        files: uploads that were copied with it.
        missing: uploads that tracks refer to but that are not there.
    """

    tracks: int
    users: int
    plays: int
    files: int
    missing: int


def back_up(library: Library, destination: Path) -> CopyReport:
    """Copy a library as it is at one moment, while others read and write it.

    Uses SQLite's online backup. Uploads never change, so those that the copied database refers to
    are copied after it.

    Args:
        library: on SQLite; PostgreSQL has backup tools of its own.
        destination: a directory that does not exist yet. It appears when the backup is complete,
            and is itself a library that can be opened.

    Raises:
        InvalidInput: for a library on PostgreSQL.
        Conflict: if the destination exists.
    """
    _require_sqlite(library)
    if destination.exists():
        raise Conflict(
            "there is something at the backup's place",
            got=str(destination),
            fix="name a new directory",
        )
    destination.parent.mkdir(parents=True, exist_ok=True)
    with staging_folder(destination.parent) as scratch, full_disk_as_storage_full():
        copy = scratch / "library"
        copy.mkdir()
        _copy_database(Path(library.location), copy / DATABASE_NAME)
        with Library.open(copy) as copied:
            report = _copy_files(copied, library.files)
        put_in_place(copy, destination)
    return report


def restore(
    backup: Path, location: Path, *, replace: bool = False, music: Sequence[Path] = ()
) -> CopyReport:
    """Restore a backup, also over a library in use: its servers continue with the new content.

    All or nothing: the library is made in a staging folder, checked, and put in place in one step.
    A backup is untrusted data: one with triggers, views, links, or paths that leave the library is
    refused, and the folders it lists as readable are ignored.

    Args:
        backup: a directory that `back_up` made.
        location: the directory of the library.
        replace: whether an existing library may be overwritten.
        music: folders whose audio may be served, in addition to those of the library that is
            replaced.

    Raises:
        LibraryError: if the backup is missing, damaged, or holds what no backup holds.
        Conflict: if there is a library already and it may not be replaced.
        StorageFull: if there is no room; nothing has changed then.
    """
    live = location / DATABASE_NAME
    there = _is_library(live)
    if there and not replace:
        raise Conflict(
            "there is a library already",
            got=str(location),
            fix="name another place, or allow to replace it",
        )
    whole = not location.exists()
    location.parent.mkdir(parents=True, exist_ok=True)
    with (
        staging_folder(location.parent if whole else location) as scratch,
        full_disk_as_storage_full(),
    ):
        staged = scratch / "library"
        staged.mkdir()
        _copy_database(_present(backup), staged / DATABASE_NAME, "the backup is damaged")
        check_database(staged / DATABASE_NAME)
        with Library.open(staged, files=None if whole else location / FILES_NAME) as library:
            _name_music(library, music, location if there else None)
            report = _copy_files(library, backup / FILES_NAME)
            if there:
                _run_ahead(library, location)
        if there:
            _copy_database(staged / DATABASE_NAME, live)
        else:
            _put(staged if whole else staged / DATABASE_NAME, location if whole else live)
    return report


def _require_sqlite(library: Library) -> None:
    if library.engine.dialect.name != "sqlite":
        fix = (
            f"use pg_dump, and then copy the uploads in {library.files};"
            " restore with pg_restore and the copy"
        )
        raise InvalidInput(
            "a library in PostgreSQL is backed up by PostgreSQL", got=library.location, fix=fix
        )


def _copy_database(source: Path, target: Path, what: str = "the database cannot be copied") -> None:
    """Copy one snapshot in one step.

    With a write-ahead log, writers neither wait for it nor make it start again.
    """
    make_private(target)
    try:
        with (
            closing(sqlite3.connect(source, timeout=60)) as one,
            closing(sqlite3.connect(target, timeout=60)) as other,
        ):
            one.backup(other)
    except sqlite3.Error as error:
        if is_disk_full(error):
            raise storage_full(str(error)) from error
        raise LibraryError(
            what, got=f"{source}: {error}", fix="check the disk and the rights"
        ) from error


def _is_library(database: Path) -> bool:
    """Whether a file is a database with tables, not an empty one that a killed run has left."""
    if not database.exists():
        return False
    try:
        with closing(sqlite3.connect(database)) as connection:
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return bool(tables[0])
    except sqlite3.Error:
        return True  # damaged: to be overwritten only when asked to


def _present(backup: Path) -> Path:
    """The database of a backup: a plain file, with nothing beside it that SQLite would follow.

    Raises:
        LibraryError: if it is missing, or there are links or a journal.
    """
    path = backup / DATABASE_NAME
    if not path.is_file():
        fix = "name a directory that `hybridrec backup` made"
        raise LibraryError("there is no backup here", got=str(backup), fix=fix)
    links = [
        path,
        backup / FILES_NAME,
        *(path.with_name(path.name + end) for end in ("-wal", "-shm")),
    ]
    odd = [link for link in links if link.is_symlink()]
    journal = path.with_name(f"{path.name}-journal")
    if odd or journal.exists() or journal.is_symlink():
        got = str([*odd, journal][0])
        raise LibraryError("the backup holds a link or a journal", got=got, fix="use another one")
    return path


def _put(staged: Path, target: Path) -> None:
    """Rename what was staged, a database or a whole library, to its path."""
    for suffix in ("-wal", "-shm"):  # of a database that a killed run has left
        target.with_name(target.name + suffix).unlink(missing_ok=True)
    put_in_place(staged, target)


def _copy_files(library: Library, source: Path) -> CopyReport:
    """Copy the uploads that a library refers to from another folder into its own."""
    named = library.kept_files()
    for name in named:
        if not is_plain_name(name):
            got = f"{name!r} in the database"
            raise LibraryError(
                "the backup names a file outside the library", got=got, fix="use another one"
            )
    wanted = [name for name in named if not (library.files / name).exists()]
    there = [name for name in wanted if _copied(source, name, library.files / name)]
    status = library.status()
    counts = {name: status[name] for name in ("tracks", "users", "plays")}
    return CopyReport(
        **counts, files=len(named) - len(wanted) + len(there), missing=len(wanted) - len(there)
    )


def _copied(folder: Path, name: str, target: Path) -> bool:
    """Copy a plain file if it is there, and return whether it was.

    Raises:
        LibraryError: for a link or a device.
    """
    source = folder / name
    if not source.exists() and not source.is_symlink():  # its track was deleted a moment ago
        return False
    if not is_plain_file(source, below=folder):
        raise LibraryError(
            "the backup holds a link or no plain file", got=str(source), fix="use another one"
        )
    with replacing(target) as copy:
        shutil.copyfile(source, copy)
    return True


def _name_music(restored: Library, music: Sequence[Path], replaced: Path | None) -> None:
    """Set the folders of music: those given and those of the replaced library, not the backup's."""
    folders = list(music)
    if replaced is not None:
        with Library.open(replaced) as library:
            folders += library.music_folders()
    with restored._database.write() as connection:
        connection.execute(delete(schema.music_folders))
        put_music_folders(connection, folders)


def _run_ahead(restored: Library, location: Path) -> None:
    """Let the change feed continue beyond what readers of the replaced library have seen."""
    with Library.open(location) as replaced:
        seq = replaced.seq()
    with restored._database.write() as connection:
        changes.record_replaced(connection, beyond=seq + _AHEAD)
