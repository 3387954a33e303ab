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


def aligned_embeddings(
    embeddings: NDArray[np.floating] | None, n: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Check embeddings that came as one row a track, a row of NaN standing for missing audio.

    Returns:
        Embeddings `(n, d)` float32, zero where missing, and which rows have audio,
        `(n,)` bool. None gives d = 0 and no audio.

    Raises:
        InvalidInput: if the number of rows is not n, or a value is infinite.
    """
    if embeddings is None:
        return np.zeros((n, 0), dtype=np.float32), np.zeros(n, dtype=np.bool_)
    if embeddings.ndim != 2 or len(embeddings) != n:
        raise InvalidInput(
            "item_embeddings must have one row an item", got=embeddings.shape, fix=f"give an array of shape ({n}, d)"
        )
    has_audio = ~np.isnan(embeddings).any(axis=1) & (embeddings.shape[1] > 0)
    known = np.where(has_audio[:, None], embeddings, 0.0).astype(np.float32)
    if not np.isfinite(known).all():
        raise InvalidInput("embeddings must be finite", got="infinity", fix="put NaN for a track without audio")
    return known, has_audio
