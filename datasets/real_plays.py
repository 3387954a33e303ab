"""Real plays joined to what is known of the tracks' sound, and the checks of the files that they come from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hybridrec.data.ids import IdMap
from hybridrec.errors import InvalidInput, NotFound


@dataclass(frozen=True)
class RealPlays:
    """Who played what how much, and what it sounds like.

    Attributes:
        user_ids, track_ids: outside ids, in the order of the rows.
        interactions: CSR `(n_users, n_tracks)` float32 confidences.
        item_embeddings: `(n_tracks, d)` float32, a row of NaN for a track without audio;
            None where no track has any.
    """

    user_ids: IdMap
    track_ids: IdMap
    interactions: sp.csr_matrix
    item_embeddings: NDArray[np.float32] | None

    def __post_init__(self) -> None:
        if self.interactions.shape != (len(self.user_ids), len(self.track_ids)):
            raise InvalidInput("interactions must have a row a user and a column a track", got=self.interactions.shape)
        if self.item_embeddings is not None and len(self.item_embeddings) != len(self.track_ids):
            raise InvalidInput("item_embeddings must have a row a track", got=self.item_embeddings.shape)


def checked_file(path: Path, sha256: str) -> Path:
    """The path of a file that is exactly the one that the data card describes.

    Raises:
        NotFound: if there is no such file.
        InvalidInput: if its bytes are others.
    """
    if not path.is_file():
        raise NotFound("a file of the data set is missing", got=str(path), fix="give the folder that holds it")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise InvalidInput(
            f"{path.name} is not the file that the data card describes",
            got=f"sha256 {found[:12]}",
            fix=f"put the one of sha256 {sha256[:12]} there",
        )
    return path


def standardised(vectors: NDArray[np.floating], limit: float = 4.0) -> NDArray[np.float32]:
    """Columns of `(n, d)` brought to mean 0 and deviation 1, and cut off at +-`limit`; NaN rows stay NaN."""
    deviation = np.maximum(np.nanstd(vectors, axis=0), 1e-9)
    return np.asarray(np.clip((vectors - np.nanmean(vectors, axis=0)) / deviation, -limit, limit), dtype=np.float32)
