"""Uploads that a library keeps, by the hash of their content."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from pathlib import Path


def keep_file(path: Path, files: Path, content_hash: str) -> Path:
    """Copy a file among the kept ones; it is on the disk, whole, when its place is returned.

    Args:
        path: the file.
        files: the folder of the kept files.
        content_hash: hex SHA-256 of the file, which it is kept under.
    """
    kept = files / content_hash[:2] / content_hash
    kept.parent.mkdir(parents=True, exist_ok=True)
    partial = kept.with_name(f"{content_hash}.{os.getpid()}-{threading.get_ident()}.part")
    with path.open("rb") as source, partial.open("wb") as target:
        shutil.copyfileobj(source, target)
        target.flush()
        os.fsync(target.fileno())
    partial.replace(kept)
    return kept


def sha256_of(path: Path) -> str:
    """The hex SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
