"""Locks on folders that a process works in, so that cleaning up leaves them alone.

A lock is `flock` on a file in the folder: the system releases it when the process ends, however it
ends, so a killed run blocks nothing.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOCK = ".in-use"


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Make a folder and lock it for the block; several processes may share the lock."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def locked_folders(files: Path) -> set[Path]:
    """The folders below `files` that a live process has locked."""
    return {lock.parent for lock in files.rglob(_LOCK) if _is_locked(lock)}


def _is_locked(lock: Path) -> bool:
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:  # its run has just removed it
        return False
    return False
