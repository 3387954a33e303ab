"""Real plays joined to audio vectors, and checks of the files that they come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import scipy.sparse as sp

from hybridrec.data.arrays import Array
from hybridrec.data.ids import IdMap
from hybridrec.errors import InvalidInput, NotFound
from hybridrec.files import sha256_of


@dataclass(frozen=True)
class RealPlays:
    """Plays with the audio vectors of their tracks.

    Attributes:
        user_ids, track_ids: external ids, in the order of the rows.
        interactions: CSR `(n_users, n_tracks)` float32 confidences.
        item_embeddings: `(n_tracks, d)` float32, a row of NaN for a track without audio;
            None where no track has any.
    """

    user_ids: IdMap
    track_ids: IdMap
    interactions: sp.csr_matrix
    item_embeddings: Array | None

    def __post_init__(self) -> None:
        if self.interactions.shape != (len(self.user_ids), len(self.track_ids)):
            what = "interactions must have one row a user and one column a track"
            raise InvalidInput(what, got=self.interactions.shape)
        embeddings = self.item_embeddings
        if embeddings is not None and len(embeddings) != len(self.track_ids):
            raise InvalidInput("item_embeddings must have one row a track", got=embeddings.shape)


def checked_file(path: Path, sha256: str) -> Path:
    """The path of a file, after a check that it is the one that the data card describes.

    Raises:
        NotFound: if there is no such file.
        InvalidInput: if its content differs.
    """
    if not path.is_file():
        fix = "give the folder that holds it"
        raise NotFound("a file of the data set is missing", got=str(path), fix=fix)
    found = sha256_of(path)
    if found != sha256:
        raise InvalidInput(
            f"{path.name} is not the file that the data card describes",
            got=f"sha256 {found[:12]}",
            fix=f"put the one of sha256 {sha256[:12]} there",
        )
    return path
