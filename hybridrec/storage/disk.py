"""What a disk does to us: it is full, or loses what was not synced."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hybridrec.errors import StorageFull

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_POSTGRESQL_DISK_FULL = "53100"


@contextmanager
def full_disk_is_said() -> Iterator[None]:
    """Turn the system's word for a full disk into ours.

    Raises:
        StorageFull: where it was said.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise storage_full(str(error.strerror)) from error


def is_full(error: BaseException | None) -> bool:
    """Whether a database says that its disk is full: SQLite by its code, PostgreSQL by its state."""
    return (
        getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        or getattr(error, "sqlstate", None) == _POSTGRESQL_DISK_FULL
    )


def storage_full(reason: str) -> StorageFull:
    """The error of a disk that has no room."""
    return StorageFull(
        "there is no room to store this; nothing of it was stored",
        got=reason,
        fix="make room on the library's disk, then send it again",
    )


def sync_directory(directory: Path) -> None:
    """See that the names in a directory are on the disk."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
