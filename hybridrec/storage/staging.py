"""Folders in which something is made before it is renamed, and those that killed runs have left."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = ".hybridrec-unfinished-"
_LOCK = "in-use"


@contextmanager
def staging_folder(parent: Path) -> Iterator[Path]:
    """A new folder below `parent`, on the same disk as what is made there; removed at the end.

    Its owner locks it with `flock`, which the system releases when the process dies. What a killed
    run has left is therefore known by its lock being free, and removed when the next run starts.
    """
    remove_abandoned(parent)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    try:
        with _try_lock(folder / _LOCK) as locked:
            assert locked
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned(parent: Path) -> int:
    """Delete the staging folders of killed runs, and return how many there were."""
    removed = 0
    for folder in parent.glob(f"{_PREFIX}*"):
        if folder.is_symlink() or not folder.is_dir():
            continue
        with _try_lock(folder / _LOCK) as locked:
            if locked:
                shutil.rmtree(folder, ignore_errors=True)
                removed += 1
    return removed


@contextmanager
def _try_lock(path: Path) -> Iterator[bool]:
    """Lock a file for the block, and yield whether that succeeded."""
    try:
        handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
    except OSError:  # the folder is just being made or deleted
        yield False
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(handle)
