"""Results of embedding, as one process sends them to another; imports nothing slow."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from hybridrec.audio.tags import Tags
from hybridrec.data.arrays import Array
from hybridrec.errors import AudioError


@dataclass(frozen=True)
class AudioEmbedding:
    """The embedding of an audio file.

    Attributes:
        embedding: `(d,)` float32 of unit length; d is the encoder's `embedding_size`.
        duration_seconds: length of the whole track.
    """

    embedding: Array
    duration_seconds: float


@dataclass(frozen=True)
class EmbeddedFile:
    """What became of a file.

    Attributes:
        path: the file.
        size_bytes, mtime_ns, content_hash: of the file that was embedded; the hash is hex SHA-256.
        tags: of the file.
        embedded: its embedding; None if it was not needed or not possible.
        error: why it could not be embedded.
        stage_seconds: processor time by stage.
    """

    path: Path
    size_bytes: int = 0
    mtime_ns: int = 0
    content_hash: str = ""
    tags: Tags = field(default_factory=lambda: Tags(""))
    embedded: AudioEmbedding | None = None
    error: AudioError | None = None
    stage_seconds: dict[str, float] = field(default_factory=dict)

    @property
    def why(self) -> str:
        """Why the file could not be embedded, or empty."""
        return "" if self.error is None else str(self.error)
