"""Train the ears that the package ships, on music that a manifest lists with its collections and artists."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from hybridrec.encoder.checkpoint import Checkpoint
from hybridrec.encoder.training import EpochReport
from hybridrec.errors import InvalidInput
from hybridrec.workflows.train.encoder import Recipe, TrainedEncoder, train_encoder

TRAINED_SPLITS = ("train", "train-aux")


@dataclass(frozen=True)
class LabelledTrack:
    """A line of a manifest: a file with its collection (a soundtrack, an album) and its artist, where known."""

    file: Path
    collection: str
    artist: str


def read_manifest(path: Path) -> list[LabelledTrack]:
    """The tracks of a manifest that may be trained on; those of the evaluation split are left out.

    Args:
        path: tab-separated, with the columns `file` (below the manifest's folder), `collection`, `artist`, `split`.

    Raises:
        InvalidInput: if a column is missing, or no track is left.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    missing = {"file", "collection", "artist", "split"} - set(rows[0] if rows else ())
    if missing:
        raise InvalidInput(
            f"a manifest needs the column {min(missing)}",
            got=str(path),
            fix="see datasets/free_music.md",
        )
    tracks = [
        LabelledTrack(path.parent / row["file"], row["collection"], row["artist"])
        for row in rows
        if row["split"] in TRAINED_SPLITS
    ]
    if not tracks:
        raise InvalidInput(
            "the manifest lists no track to train on", got=str(path), fix="fetch the split train"
        )
    return tracks


def families(tracks: Sequence[LabelledTrack]) -> dict[Path, str]:
    """A name for each track's family: tracks that share a collection or an artist, directly or through others."""
    names = sorted(
        {f"collection {t.collection}" for t in tracks}
        | {f"artist {t.artist}" for t in tracks if t.artist}
    )
    row_of = {name: row for row, name in enumerate(names)}
    joined = [
        (row_of[f"collection {t.collection}"], row_of[f"artist {t.artist}"])
        for t in tracks
        if t.artist
    ]
    rows, columns = np.array(joined, dtype=np.int64).reshape(-1, 2).T
    links = coo_matrix((np.ones(len(joined)), (rows, columns)), shape=(len(names), len(names)))
    labels = connected_components(links, directed=False)[1]
    return {t.file: f"family {labels[row_of[f'collection {t.collection}']]}" for t in tracks}


def pretrain_encoder(
    manifest: Path,
    work_directory: Path,
    recipe: Recipe | None = None,
    *,
    seed: int = 0,
    start_from: Checkpoint | None = None,
    on_epoch: Callable[[EpochReport], None] | None = None,
    show_progress: bool = False,
    device: str = "cpu",
) -> TrainedEncoder:
    """Train on a manifest as `train_encoder` does; collections are the groups, and whole families are held out.

    Raises:
        InvalidInput: if the manifest cannot be read or lists too little music.
    """
    tracks = read_manifest(manifest)
    return train_encoder(
        [track.file for track in tracks],
        work_directory,
        recipe,
        seed=seed,
        start_from=start_from,
        groups={track.file: track.collection for track in tracks},
        families=families(tracks),
        on_epoch=on_epoch,
        show_progress=show_progress,
        device=device,
    )
