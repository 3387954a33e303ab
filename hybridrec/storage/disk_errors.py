"""What a full disk looks like to the file system, SQLite and PostgreSQL, as one error."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from hybridrec.errors import StorageFull

# No space, quota reached, or a limit on the size of a file: for the caller all are one.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_POSTGRESQL_DISK_FULL = "53100"


@contextmanager
def full_disk_as_storage_full() -> Iterator[None]:
    """Raise `StorageFull` where the block meets a full disk.

    Raises:
        StorageFull: in place of the system's OSError; other errors pass.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise storage_full(str(error.strerror)) from error


def is_disk_full(error: BaseException | None) -> bool:
    """Whether a driver reports a full disk: SQLite by its code, PostgreSQL by its state."""
    return (
        getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        or getattr(error, "sqlstate", None) == _POSTGRESQL_DISK_FULL
    )


def storage_full(reason: str) -> StorageFull:
    """The error of a full disk, to be raised by the caller."""
    return StorageFull(
        "there is no room to store this; nothing of it was stored",
        got=reason,
        fix="make room on the library's disk, then send it again",
    )
