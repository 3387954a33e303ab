"""Folders among a library's files that a live process works in, so that cleaning up leaves them alone."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOCK = ".in-use"


@contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """Make a folder, and hold it until the block is left or the process ends, however it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def folders_in_use(files: Path) -> set[Path]:
    """The folders below `files` that a process holds."""
    return {lock.parent for lock in files.rglob(_LOCK) if _is_held(lock)}


def _is_held(lock: Path) -> bool:
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:  # it was given up just now
        return False
    return False
