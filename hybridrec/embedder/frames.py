"""Messages between a program and the processes that embed for it: JSON, and bytes beside it, over a socket."""

from __future__ import annotations

import base64
import dataclasses
import json
import socket
import struct
from pathlib import Path
from typing import Any

import numpy as np

from hybridrec.audio.tags import Tags
from hybridrec.embedder.result import AudioEmbedding, EmbeddedFile
from hybridrec.errors import AudioError

_LENGTH = struct.Struct("!Q")
_FLOATS = np.dtype("<f4")


def send(to: socket.socket, message: dict[str, Any]) -> None:
    """Send a message.

    Raises:
        OSError: if the other side is gone.
    """
    content = json.dumps(message).encode()
    to.sendall(_LENGTH.pack(len(content)) + content)


def receive(source: socket.socket) -> dict[str, Any] | None:
    """The next message, or None if the other side is gone.

    Raises:
        OSError: if the connection breaks.
    """
    length = _exactly(source, _LENGTH.size)
    content = None if length is None else _exactly(source, _LENGTH.unpack(length)[0])
    return None if content is None else dict(json.loads(content))


def _exactly(source: socket.socket, count: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < count:
        part = source.recv(min(count - len(parts), 1 << 20))
        if not part:
            return None
        parts += part
    return bytes(parts)


def pack_bytes(content: bytes) -> str:
    """Bytes as JSON can hold them."""
    return base64.b64encode(content).decode()


def unpack_bytes(text: str) -> bytes:
    """What `pack_bytes` made of bytes."""
    return base64.b64decode(text)


def pack_file(file: EmbeddedFile) -> dict[str, Any]:
    """What became of a file, as a message; whoever asked knows its path."""
    embedded, error = file.embedded, file.error
    embedding = (
        None if embedded is None else pack_bytes(embedded.embedding.astype(_FLOATS).tobytes())
    )
    return {
        "facts": [file.size_bytes, file.mtime_ns, file.content_hash],
        "tags": dataclasses.asdict(file.tags),
        "heard": None if embedded is None else [embedding, embedded.duration_seconds],
        "error": None if error is None else [error.what, _plain(error.got), error.fix],
        "stage_seconds": file.stage_seconds,
    }


def unpack_file(path: Path, message: dict[str, Any]) -> EmbeddedFile:
    """What `pack_file` told of a file."""
    embedded, error = message["heard"], None
    if embedded is not None:
        embedding = np.frombuffer(unpack_bytes(embedded[0]), dtype=_FLOATS).astype(np.float32)
        embedded = AudioEmbedding(embedding, embedded[1])
    if message["error"] is not None:
        what, got, fix = message["error"]
        error = AudioError(what, got=got, fix=fix)
    size_bytes, mtime_ns, content_hash = message["facts"]
    tags = Tags(**message["tags"])
    return EmbeddedFile(
        path, size_bytes, mtime_ns, content_hash, tags, embedded, error, message["stage_seconds"]
    )


def _plain(got: object) -> object:
    return got if got is None or isinstance(got, bool | int | float | str) else str(got)
