"""Messages between a caller and the processes that embed for it: JSON over a socket.

Each message is preceded by its length. Bytes, such as embeddings, are in base64.
"""

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
from hybridrec.embedder.results import AudioEmbedding, EmbeddedFile
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
    """Bytes as text, for JSON."""
    return base64.b64encode(content).decode()


def unpack_bytes(text: str) -> bytes:
    """The bytes that `pack_bytes` packed."""
    return base64.b64decode(text)


def pack_file(file: EmbeddedFile) -> dict[str, Any]:
    """A result as a message, without the path, which the caller knows."""
    embedding, duration_seconds, error = None, None, file.error
    if file.embedded is not None:
        embedding = pack_bytes(file.embedded.embedding.astype(_FLOATS).tobytes())
        duration_seconds = file.embedded.duration_seconds
    return {
        "facts": [file.size_bytes, file.mtime_ns, file.content_hash],
        "tags": dataclasses.asdict(file.tags),
        "embedding": embedding,
        "duration_seconds": duration_seconds,
        "error": None if error is None else [error.what, _plain(error.got), error.fix],
        "stage_seconds": file.stage_seconds,
    }


def unpack_file(path: Path, message: dict[str, Any]) -> EmbeddedFile:
    """The result that `pack_file` packed."""
    embedded, error = None, None
    if message["embedding"] is not None:
        content = unpack_bytes(message["embedding"])
        embedding = np.frombuffer(content, dtype=_FLOATS).astype(np.float32)
        embedded = AudioEmbedding(embedding, message["duration_seconds"])
    if message["error"] is not None:
        what, got, fix = message["error"]
        error = AudioError(what, got=got, fix=fix)
    size_bytes, mtime_ns, content_hash = message["facts"]
    tags = Tags(**message["tags"])
    seconds = message["stage_seconds"]
    return EmbeddedFile(path, size_bytes, mtime_ns, content_hash, tags, embedded, error, seconds)


def _plain(got: object) -> object:
    """A value as JSON can hold it."""
    return got if got is None or isinstance(got, bool | int | float | str) else str(got)
