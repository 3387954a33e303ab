"""Track embeddings and the ears that made them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hybridrec.errors import InvalidInput


@dataclass(frozen=True)
class Embeddings:
    """Audio vectors of some tracks, all of one fingerprint.

    Attributes:
        fingerprint: names the ears: encoder weights plus audio settings.
        ids: track ids, in the order of the vectors.
        vectors: `(n, d)` float32, unit length.
    """

    fingerprint: str
    ids: tuple[str, ...]
    vectors: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.ids) != len(self.vectors):
            raise InvalidInput("one vector a track is needed", got=(len(self.ids), self.vectors.shape))


def unit_length(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Scale rows to unit length; `(n, d)` to `(n, d)` float32. Zero rows stay zero.

    Raises:
        InvalidInput: if a value is NaN or infinite.
    """
    if not np.isfinite(vectors).all():
        raise InvalidInput("vectors must be finite", got="NaN or infinity", fix="leave those tracks out")
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1.0), dtype=np.float32)
