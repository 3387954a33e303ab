"""How paths are stored: as bytes, and those of uploads relative to their folder.

A file name on Linux is any bytes, not always UTF-8, so text would lose some. Uploads are found
again after the library was moved or restored elsewhere.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

MAX_PATH_BYTES = 2000
"""The longest path that is stored: a row of a PostgreSQL index is limited to 2.7 KB."""


class StoredPaths:
    """Translates between paths of this machine and what the library stores.

    Args:
        files: the folder of uploads.
    """

    def __init__(self, files: Path) -> None:
        self._files = Path(os.path.abspath(files))

    def stored(self, path: str) -> bytes:
        """The stored form of a path: relative if it is in the folder of uploads, else absolute."""
        absolute = Path(os.path.abspath(path))
        kept = absolute.is_relative_to(self._files)
        return os.fsencode(absolute.relative_to(self._files) if kept else absolute)

    def path(self, stored: bytes) -> str | None:
        """The absolute path on this machine; None if it is relative and leads out of the folder."""
        name = os.fsdecode(stored)
        if os.path.isabs(name):
            return name
        return str(self._files / name) if self.is_kept(stored) else None

    def is_kept(self, stored: bytes) -> bool:
        """Whether it is the path of an upload, which belongs to the library."""
        name = os.fsdecode(stored)
        return is_plain_name(name) and not os.path.isabs(name)

    def kept_file(self, stored: bytes) -> Path | None:
        """The file of an upload; None if it is no plain file, or a link leads out of the folder."""
        path = self._files / os.fsdecode(stored)
        return path if self.is_kept(stored) and is_plain_file(path, below=self._files) else None


def reason_not_storable(path: str) -> str:
    """Why a path cannot be stored; empty if it can."""
    length = len(os.fsencode(path))
    return (
        f"its path has {length} bytes, {MAX_PATH_BYTES} may be stored"
        if length > MAX_PATH_BYTES
        else ""
    )


def is_plain_name(name: str) -> bool:
    """Whether a path is normalised and not empty, without `.`, `..` and zero bytes."""
    return (
        bool(name)
        and "\0" not in name
        and os.path.normpath(name) == name
        and ".." not in Path(name).parts
    )


def is_plain_file(path: Path, below: Path) -> bool:
    """Whether there is a file, no link or device, with no link between it and a folder above it."""
    try:
        plain = stat.S_ISREG(path.lstat().st_mode)
        return plain and path.resolve() == below.resolve() / path.relative_to(below)
    except OSError:
        return False


def make_private(path: Path) -> None:
    """Create an empty file that its owner alone may read, unless it exists or cannot be made."""
    with suppress(OSError):  # opening it will raise the error
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
