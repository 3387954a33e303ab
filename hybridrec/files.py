"""Files that appear whole or not at all, and hashes of what is in them."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file beside `path` and rename it at the end of the block.

    A reader, or a process killed midway, finds the old file or the new one, never a part.
    The content is on the disk before the rename. Several writers of one path may run at once;
    the last one wins.

    Yields:
        The path to write to; it starts with a dot and ends in `.partial`, and is removed if
        the block fails.

    Raises:
        OSError: if it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
    try:
        yield partial
        # Before the rename: after a power cut, the new name could stand without its content.
        _flush_to_disk(partial)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, payload: bytes) -> None:
    """Replace the content of a file, whole or not at all; see `replacing`.

    Raises:
        OSError: if it cannot be written.
    """
    with replacing(path) as partial:
        partial.write_bytes(payload)


def sha256_of(content: bytes | Path) -> str:
    """The hex SHA-256 of bytes, or of a file, which is read in blocks.

    Raises:
        OSError: if the file cannot be read.
    """
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush_to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
