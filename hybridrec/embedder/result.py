"""What was heard, as one process tells another; light to import."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hybridrec.audio.tags import Tags
from hybridrec.errors import AudioError


@dataclass(frozen=True)
class AudioEmbedding:
    """What was heard of a file.

    Attributes:
        embedding: `(128,)` float32 of unit length (the length is the encoder's `embedding_size`).
        duration_seconds: length of the track.
    """

    embedding: NDArray[np.float32]
    duration_seconds: float


@dataclass(frozen=True)
class EmbeddedFile:
    """What became of a file.

    Attributes:
        path: the file.
        size_bytes, mtime_ns, content_hash: how it looked; the hash is hex SHA-256.
        tags: what it says of itself.
        heard: what was heard; None if that was not needed or not possible.
        error: why it could not be heard.
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
        """The reason in words if it could not be heard, or empty."""
        return "" if self.error is None else str(self.error)
