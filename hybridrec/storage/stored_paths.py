"""How paths are written down: as bytes, and those of kept files relative to their folder.

A file name on Linux is any bytes, not always UTF-8, so text would lose some.
Kept files stay findable when the library is moved or restored elsewhere.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

MAX_PATH_BYTES = 2000
"""The longest path that is stored: an index of PostgreSQL takes no row above 2.7 KB."""


class StoredPaths:
    """Translates between paths of this machine and what the library stores.

    Args:
        files: the folder of the kept files.
    """

    def __init__(self, files: Path) -> None:
        self._files = Path(os.path.abspath(files))

    def stored(self, path: str) -> bytes:
        """Relative to the kept files if it lies among them, else absolute."""
        absolute = Path(os.path.abspath(path))
        kept = absolute.is_relative_to(self._files)
        return os.fsencode(absolute.relative_to(self._files) if kept else absolute)

    def path(self, stored: bytes) -> str | None:
        """The absolute path on this machine; None for one that a library does not write: it leads out of its folder."""
        name = os.fsdecode(stored)
        if os.path.isabs(name):
            return name
        return str(self._files / name) if self.is_kept(stored) else None

    def is_kept(self, stored: bytes) -> bool:
        """Whether it names a file among the kept ones, which belongs to the library."""
        name = os.fsdecode(stored)
        return is_plain_name(name) and not os.path.isabs(name)

    def kept_file(self, stored: bytes) -> Path | None:
        """Where a kept file lies; None if it is no plain file there, or a link leads out of the folder."""
        path = self._files / os.fsdecode(stored)
        return path if self.is_kept(stored) and is_plain_file(path, below=self._files) else None


def reason_not_storable(path: str) -> str:
    """Why a path cannot be stored, or nothing."""
    length = len(os.fsencode(path))
    return (
        f"its path has {length} bytes, {MAX_PATH_BYTES} may be stored"
        if length > MAX_PATH_BYTES
        else ""
    )


def is_plain_name(name: str) -> bool:
    """Whether a path is written without detours: no `..`, no `.`, and it is not empty."""
    return (
        bool(name)
        and "\0" not in name
        and os.path.normpath(name) == name
        and ".." not in Path(name).parts
    )


def is_plain_file(path: Path, below: Path) -> bool:
    """Whether there is a file that is no link and no device, and no link lies between it and a folder above it."""
    try:
        plain = stat.S_ISREG(path.lstat().st_mode)
        return plain and path.resolve() == below.resolve() / path.relative_to(below)
    except OSError:
        return False


def make_private(path: Path) -> None:
    """Make an empty file that its owner alone may read, if there is none; where it cannot be made, nothing happens."""
    with suppress(OSError):  # whoever opens it says so
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
