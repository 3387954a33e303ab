"""Ears and what they are measured against, each as nearnesses of the same tracks."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from hybridrec.audio.decode import decode_chunks
from hybridrec.audio.melspec import log_mel
from hybridrec.audio.statistics import mel_statistics, mfcc_statistics
from hybridrec.config import AudioConfig, TrainingConfig
from hybridrec.embedder.embedder import Embedder
from hybridrec.encoder.checkpoint import Checkpoint
from hybridrec.encoder.model import new_encoder
from hybridrec.errors import InvalidInput, NotFound
from hybridrec.evaluation.retrieval import cosines
from hybridrec.workflows.evaluate.vector_cache import Listen, VectorCache, stamp_of
from hybridrec.workflows.train.encoder import Recipe, train_encoder
from hybridrec.workflows.train.music import short_hash

Near = NDArray[np.float32]
"""Nearnesses of all pairs of tracks, `(n, n)` float32, higher is nearer."""

ALL_CHUNKS = 200
"""As many chunks as stand for a whole track: ten minutes of it at three seconds each."""


def embeddings(cache: VectorCache, files: Sequence[Path], checkpoint: Checkpoint) -> dict[Path, NDArray[np.float32]]:
    """What ears make of each file that they can hear."""
    encoder = Embedder(checkpoint)
    return cache.vectors(f"ears-{encoder.fingerprint}", files, lambda path: encoder.embed(path).embedding)


def whole_tracks(checkpoint: Checkpoint) -> Checkpoint:
    """The same ears hearing every chunk of a track instead of some."""
    return replace(checkpoint, audio=replace(checkpoint.audio, chunks_per_track=ALL_CHUNKS))


def untrained(checkpoint: Checkpoint, seed: int) -> Checkpoint:
    """Ears of the same shape that have learnt nothing."""
    model = new_encoder(checkpoint.encoder, checkpoint.audio.n_mels, seed)
    return Checkpoint.of(model, checkpoint.audio, checkpoint.mel_bank)


def from_scratch(cache: VectorCache, files: Sequence[Path], training: TrainingConfig, seed: int) -> Checkpoint:
    """Ears trained on these files alone, without their labels; trained once for the same files and settings.

    Raises:
        InvalidInput: if there are too few tracks that are long enough.
    """
    recipe = Recipe(training=training)
    music = short_hash(recipe.state_name(files, seed, None), [stamp_of(path) for path in files])
    kept = cache.directory / f"ears-from-scratch-{music}.safetensors"
    if not kept.exists():
        with tqdm(
            total=training.epochs, desc="training from scratch", unit="epoch", disable=not cache.show_progress
        ) as bar:
            trained = train_encoder(
                files,
                cache.directory / "training",
                recipe,
                seed=seed,
                on_epoch=lambda report: bar.update(report.epoch - bar.n),
                show_progress=cache.show_progress,
            )
        trained.checkpoint.save(kept)
    return Checkpoint.load(kept)


def statistics_near(cache: VectorCache, files: Sequence[Path], audio: AudioConfig) -> dict[str, Near]:
    """Nearnesses by plain statistics of the same chunks, each standardised over these files."""

    def levels(path: Path) -> NDArray[np.float32]:
        return log_mel(decode_chunks(path, audio).samples, audio)

    listeners: dict[str, Listen] = {
        "MFCC mean and deviation": lambda path: mfcc_statistics(levels(path)),
        "mel mean and deviation": lambda path: mel_statistics(levels(path)),
    }
    settings = short_hash(audio.to_dict())
    return {
        name: cosines(_standardised(list(cache.vectors(f"{name.split()[0]}-{settings}", files, listen).values())))
        for name, listen in listeners.items()
    }


def _standardised(each: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    vectors = np.stack(each)
    deviation = vectors.std(axis=0)
    return np.asarray((vectors - vectors.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0), dtype=np.float32)


def baselines_near(place: Path, names: Sequence[str]) -> dict[str, Near]:
    """Nearnesses by vectors that other systems made.

    Args:
        place: an npz file: `clip`, the names of its tracks, and arrays in that order; `(n, d)` is vectors, compared by
            cosine, and `(n, n)` is nearnesses.
        names: the tracks that are wanted, as the label table has them.

    Raises:
        NotFound: if there is no such file, or a track is not in it.
        InvalidInput: if it is no such file, or an array has another number of rows.
    """
    arrays = _arrays(place)
    row_of = {name: row for row, name in enumerate(arrays.pop("clip").tolist())}
    unknown = next((name for name in names if name not in row_of), None)
    if unknown is not None:
        raise NotFound("a track is not among the baselines", got=unknown, fix=f"add it to {place.name}")
    rows = np.array([row_of[name] for name in names])
    near = {}
    for name, array in arrays.items():
        if array.ndim != 2 or len(array) != len(row_of):
            raise InvalidInput(f"baseline {name} needs a row for each of {len(row_of)} tracks", got=array.shape)
        square = array.shape[0] == array.shape[1]
        near[name] = array[np.ix_(rows, rows)] if square else cosines(array[rows])
    return near


def _arrays(place: Path) -> dict[str, NDArray[np.float32]]:
    fix = "give an npz file with the array clip and arrays of numbers"
    try:
        with np.load(place, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise NotFound("there are no baselines here", got=str(place), fix=fix) from None
    except (OSError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise InvalidInput(f"the baselines cannot be read ({error})", got=str(place), fix=fix) from None
    numbers = all(array.dtype.kind in "fiu" for name, array in arrays.items() if name != "clip")
    if "clip" not in arrays or not numbers:
        raise InvalidInput("the baselines are not as they must be", got=", ".join(arrays), fix=fix)
    return arrays
