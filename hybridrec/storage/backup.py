"""Backing a library up and restoring it, both while it serves."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from hybridrec.errors import Conflict, InvalidInput, LibraryError
from hybridrec.storage import changes
from hybridrec.storage.library import DATABASE_NAME, FILES_NAME, Library

_AHEAD = 1000
"""By how much the feed of a restored library is ahead of what its readers know, so that none can miss it."""


@dataclass(frozen=True)
class Copied:
    """What a backup or a restored library holds.

    Attributes:
        tracks, users, plays: how many of each.
        files: kept uploads that came along.
        missing: kept uploads that tracks name but that are not there.
    """

    tracks: int
    users: int
    plays: int
    files: int
    missing: int


def back_up(library: Library, destination: Path) -> Copied:
    """Copy a library as it is at one moment, while others read and write it.

    Uses SQLite's online backup. Kept uploads never change, so those that the
    copied database names are copied after it.

    Args:
        library: on SQLite; one on PostgreSQL has better tools of its own.
        destination: a directory that does not exist yet. It appears when the backup is complete, and is a
            library that can be opened where it is.

    Raises:
        InvalidInput: for a library on PostgreSQL.
        Conflict: if the destination exists.
    """
    _require_sqlite(library)
    if destination.exists():
        raise Conflict("there is something at the backup's place", got=str(destination), fix="name a new directory")
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{destination.name}.", dir=destination.parent) as scratch:
        copy = Path(scratch) / "library"
        copy.mkdir()
        _copy_database(Path(library.location), copy / DATABASE_NAME)
        with Library.open(copy) as copied:
            report = _copy_files(copied, library.files)
        copy.rename(destination)
    return report


def restore(backup: Path, location: Path, *, replace: bool = False) -> Copied:
    """Bring a backup back, where need be into a library that is being served: its servers go on with what it holds.

    Args:
        backup: a directory that `back_up` made.
        location: the directory of the library.
        replace: whether a library that is there already may be lost.

    Raises:
        LibraryError: if the backup is missing or damaged.
        Conflict: if there is a library already and it may not be replaced.
    """
    live = location / DATABASE_NAME
    if live.exists() and not replace:
        raise Conflict(
            "there is a library already", got=str(location), fix="name another place, or allow to replace it"
        )
    location.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".restore.", dir=location) as scratch:
        staged = Path(scratch) / DATABASE_NAME
        _copy_database(_sound(backup / DATABASE_NAME), staged)
        with Library.open(scratch, files=location / FILES_NAME) as library:
            report = _copy_files(library, backup / FILES_NAME)
            if live.exists():
                _run_ahead(library, location)
        _copy_database(staged, live)
    return report


def _require_sqlite(library: Library) -> None:
    if library.engine.dialect.name != "sqlite":
        fix = f"use pg_dump, and then copy the kept uploads in {library.files}; restore with pg_restore and the copy"
        raise InvalidInput("a library in PostgreSQL is backed up by PostgreSQL", got=library.location, fix=fix)


def _copy_database(source: Path, target: Path) -> None:
    """One snapshot in one step: the write-ahead log lets no writer wait, and none make it start over."""
    try:
        with closing(sqlite3.connect(source, timeout=60)) as one, closing(sqlite3.connect(target, timeout=60)) as other:
            one.backup(other)
    except sqlite3.Error as error:
        fix = "check the disk and the rights"
        raise LibraryError("the database cannot be copied", got=f"{source}: {error}", fix=fix) from error


def _sound(path: Path) -> Path:
    """The database of a backup, if it is there and whole."""
    if not path.is_file():
        fix = "name a directory that `hybridrec backup` made"
        raise LibraryError("there is no backup here", got=str(path.parent), fix=fix)
    with closing(sqlite3.connect(path)) as connection:
        try:
            found = connection.execute("PRAGMA integrity_check").fetchone()[0]
        except sqlite3.DatabaseError as error:
            found = str(error)
    if found != "ok":
        raise LibraryError("the backup is damaged", got=found, fix="use another one")
    return path


def _copy_files(library: Library, source: Path) -> Copied:
    """Bring the kept uploads that a library names into its folder, from another."""
    named = library.kept_files()
    wanted = [name for name in named if not (library.files / name).exists()]
    there = [name for name in wanted if _copied(source / name, library.files / name)]
    status = library.status()
    counts = {name: status[name] for name in ("tracks", "users", "plays")}
    return Copied(**counts, files=len(named) - len(wanted) + len(there), missing=len(wanted) - len(there))


def _copied(source: Path, target: Path) -> bool:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.part")
    try:
        shutil.copyfile(source, partial)
    except FileNotFoundError:  # its track was deleted a moment ago
        partial.unlink(missing_ok=True)
        return False
    partial.replace(target)
    return True


def _run_ahead(restored: Library, location: Path) -> None:
    """Number the restored state beyond all that readers of the one it replaces have seen, as a change of everything."""
    with Library.open(location) as replaced:
        seq = replaced.seq()
    with restored._database.write() as connection:
        changes.record(connection, changes.SWITCH, ["model", "ears"], beyond=seq + _AHEAD)
