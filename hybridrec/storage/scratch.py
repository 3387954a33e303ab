"""Folders that something is made in before it is renamed, and what dead runs have left of them."""

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
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A new folder beside what is being made; it is gone at the end, or when the next one is made after a kill.

    A live run holds a lock in its folder, which the system takes back when the run dies.
    """
    remove_unfinished(parent)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    try:
        with _locked(folder / _LOCK) as held:
            assert held
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_unfinished(parent: Path) -> int:
    """Delete the scratch folders of runs that were killed, and return how many these were."""
    removed = 0
    for folder in parent.glob(f"{_PREFIX}*"):
        if folder.is_symlink() or not folder.is_dir():
            continue
        with _locked(folder / _LOCK) as held:
            if held:
                shutil.rmtree(folder, ignore_errors=True)
                removed += 1
    return removed


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Whether nobody else holds the lock of a folder; held until the end."""
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
