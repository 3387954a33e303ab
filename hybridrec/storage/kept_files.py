"""Uploads that a library keeps, by the hash of their content."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hybridrec.storage.disk import full_disk_is_said, sync_directory


def kept_place(files: Path, content_hash: str) -> Path:
    """Where a file of this hex SHA-256 is kept, whether it is there or not."""
    return files / content_hash[:2] / content_hash


@contextmanager
def waiting_copy(path: Path, place: Path) -> Iterator[Path]:
    """A copy of a file beside its place, whole and on the disk; gone at the end unless it was renamed.

    Raises:
        StorageFull: if there is no room for it.
    """
    partial = place.with_name(f"{place.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        with full_disk_is_said():
            place.parent.mkdir(parents=True, exist_ok=True)
            with path.open("rb") as source, partial.open("wb") as target:
                shutil.copyfileobj(source, target)
                target.flush()
                os.fsync(target.fileno())
        yield partial
    finally:
        partial.unlink(missing_ok=True)


def put_in_place(copy: Path, place: Path) -> None:
    """Rename a waiting copy to its place; it is there after a power cut."""
    copy.replace(place)
    sync_directory(place.parent)
