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
        The path to write to; it is removed if the block fails. See `partial_file`.

    Raises:
        OSError: if it cannot be written.
    """
    with partial_file(path) as partial:
        yield partial
        put_in_place(partial, path)


@contextmanager
def partial_file(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to, for a caller who decides later whether the file is kept.

    Yields:
        The path to write to; it starts with a dot and ends in `.partial`, and is removed at the
        end of the block unless `put_in_place` has renamed it.

    Raises:
        OSError: if the folder cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)


def put_in_place(partial: Path, path: Path) -> None:
    """Rename a finished file, or folder, to its path; both are on the disk at the return.

    Raises:
        OSError: if it cannot be renamed.
    """
    # Before the rename: after a power cut, the new name could stand without its content.
    sync_to_disk(partial)
    partial.replace(path)
    sync_to_disk(path.parent)


def sync_to_disk(path: Path) -> None:
    """Flush a file's content, or the names in a folder, to the disk.

    Raises:
        OSError: if there is no such file or folder.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


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
