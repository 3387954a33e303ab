"""How paths are written down: as bytes, and those of kept files relative to their folder.

A file name on Linux is any bytes, not always UTF-8, so text would lose some.
Kept files stay findable when the library is moved or restored elsewhere.
"""

from __future__ import annotations

import os
from pathlib import Path


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

    def path(self, stored: bytes) -> str:
        """The absolute path on this machine."""
        return str(self._files / os.fsdecode(stored))

    def is_kept(self, stored: bytes) -> bool:
        """Whether the file lies among the kept files and so belongs to the library."""
        return not os.path.isabs(os.fsdecode(stored))
