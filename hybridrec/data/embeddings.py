"""Audio embeddings of tracks, and how they are brought into the order of a model's rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hybridrec.data.arrays import Array, Mask
from hybridrec.data.ids import IdMap
from hybridrec.errors import InvalidInput


@dataclass(frozen=True)
class Embeddings:
    """Audio embeddings of some tracks, all of one fingerprint.

    Attributes:
        fingerprint: identifies the encoder: its weights plus the audio settings.
        ids: track ids, in the order of the vectors.
        vectors: `(n, d)` float32, unit length.
    """

    fingerprint: str
    ids: tuple[str, ...]
    vectors: Array

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.ids) != len(self.vectors):
            got = (len(self.ids), self.vectors.shape)
            raise InvalidInput("each track needs one vector", got=got)


def unit_length(vectors: NDArray[np.floating]) -> Array:
    """Scale rows to unit length; `(n, d)` to `(n, d)` float32. Zero rows stay zero.

    Raises:
        InvalidInput: if a value is NaN or infinite.
    """
    if not np.isfinite(vectors).all():
        fix = "leave those tracks out"
        raise InvalidInput("vectors must be finite", got="NaN or infinity", fix=fix)
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1.0), dtype=np.float32)


def align(embeddings: Embeddings, track_ids: IdMap) -> Array:
    """Embeddings in the order of a model's rows; those of unknown tracks are left out.

    Returns:
        `(n_tracks, d)` float32; a row of NaN is a track without audio.
    """
    aligned = np.full((len(track_ids), embeddings.vectors.shape[1]), np.nan, dtype=np.float32)
    rows_of_ids = [track_ids.get(id_) for id_ in embeddings.ids]
    known = [(row, source) for source, row in enumerate(rows_of_ids) if row is not None]
    if known:
        rows, sources = np.array(known).T
        aligned[rows] = embeddings.vectors[sources]
    return aligned


def aligned_embeddings(embeddings: NDArray[np.floating] | None, n: int) -> tuple[Array, Mask]:
    """Check embeddings of n tracks given as an array in which NaN rows have no audio.

    Args:
        embeddings: `(n, d)` floats, or None where no track has audio.
        n: the number of tracks.

    Returns:
        Embeddings `(n, d)` float32, zero where missing, and which rows have audio,
        `(n,)` bool. None gives d = 0 and no audio.

    Raises:
        InvalidInput: if the number of rows is not n, or a value is infinite.
    """
    if embeddings is None:
        return np.zeros((n, 0), dtype=np.float32), np.zeros(n, dtype=np.bool_)
    if embeddings.ndim != 2 or len(embeddings) != n:
        what, fix = "item_embeddings must have one row an item", f"give an array of shape ({n}, d)"
        raise InvalidInput(what, got=embeddings.shape, fix=fix)
    has_audio = ~np.isnan(embeddings).any(axis=1) & (embeddings.shape[1] > 0)
    known = np.where(has_audio[:, None], embeddings, 0.0).astype(np.float32)
    if not np.isfinite(known).all():
        fix = "use NaN for a track without audio"
        raise InvalidInput("embeddings must be finite", got="infinity", fix=fix)
    return known, has_audio
