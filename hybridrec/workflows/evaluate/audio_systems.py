"""Encoders and the systems they are compared with, each as similarities of the same tracks."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler
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
from hybridrec.workflows.evaluate.vector_cache import Extractor, Vector, VectorCache, stamp_of
from hybridrec.workflows.train.encoder import Recipe, train_encoder
from hybridrec.workflows.train.music import short_hash

Similarities = NDArray[np.float32]
"""Similarities of all pairs of tracks, `(n, n)` float32, higher is nearer."""

ALL_CHUNKS = 120
"""Chunks that stand for a whole track: ten minutes of it at five seconds each."""


def embeddings(
    cache: VectorCache, files: Sequence[Path], checkpoint: Checkpoint
) -> dict[Path, Vector]:
    """Embeddings by an encoder, of the files that can be decoded."""
    encoder = Embedder(checkpoint)
    name = f"embeddings-{encoder.fingerprint}"
    return cache.vectors(name, files, lambda path: encoder.embed(path).embedding)


def whole_tracks(checkpoint: Checkpoint) -> Checkpoint:
    """The same encoder applied to every chunk of a track instead of a few."""
    return replace(checkpoint, audio=replace(checkpoint.audio, chunks_per_track=ALL_CHUNKS))


def untrained(checkpoint: Checkpoint, seed: int) -> Checkpoint:
    """An encoder of the same shape with random weights."""
    model = new_encoder(checkpoint.encoder, checkpoint.audio.n_mels, seed)
    return Checkpoint.of(model, checkpoint.audio, checkpoint.mel_bank)


def from_scratch(
    cache: VectorCache, files: Sequence[Path], training: TrainingConfig, seed: int
) -> Checkpoint:
    """An encoder trained on these files alone, without their labels.

    It is trained once for the same files and settings, and kept in the cache's directory.

    Raises:
        InvalidInput: if too few tracks are long enough.
    """
    recipe = Recipe(training=training)
    state = recipe.state_name(files, seed, None)
    # The name changes with the files and the settings, so a stale encoder is never used.
    music = short_hash(state, [stamp_of(path) for path in files])
    place = cache.directory / f"encoder-from-scratch-{music}.safetensors"
    if not place.exists():
        _train(cache, files, recipe, seed).save(place)
    return Checkpoint.load(place)


def _train(cache: VectorCache, files: Sequence[Path], recipe: Recipe, seed: int) -> Checkpoint:
    epochs = recipe.training.epochs
    quiet = not cache.show_progress
    with tqdm(total=epochs, desc="training from scratch", unit="epoch", disable=quiet) as bar:
        trained = train_encoder(
            files,
            cache.directory / "training",
            recipe,
            seed=seed,
            # Epochs are absolute: a resumed training starts beyond the first.
            on_epoch=lambda report: bar.update(report.epoch - bar.n),
            show_progress=cache.show_progress,
        )
    return trained.checkpoint


def statistics_similarities(
    cache: VectorCache, files: Sequence[Path], audio: AudioConfig
) -> dict[str, Similarities]:
    """Similarities by plain statistics of the same chunks, standardised over these files."""

    def levels(path: Path) -> NDArray[np.float32]:
        return log_mel(decode_chunks(path, audio).samples, audio)

    extractors: dict[str, Extractor] = {
        "MFCC mean and deviation": lambda path: mfcc_statistics(levels(path)),
        "mel mean and deviation": lambda path: mel_statistics(levels(path)),
    }
    settings = short_hash(audio.to_dict())
    found = {}
    for name, extract in extractors.items():
        vectors = cache.vectors(f"{name.split()[0]}-{settings}", files, extract)
        # Statistics have unlike scales; unscaled, the largest would decide every cosine.
        found[name] = cosines(StandardScaler().fit_transform(np.stack(list(vectors.values()))))
    return found


def baseline_similarities(place: Path, names: Sequence[str]) -> dict[str, Similarities]:
    """Similarities by vectors that other systems made.

    Args:
        place: an npz file with `clip`, the names of its n tracks, and arrays in that order:
            `(n, d)` are vectors, compared by cosine, and `(n, n)` are similarities.
        names: the tracks of the report, named as in the label table.

    Raises:
        NotFound: if there is no such file, or a track is missing in it.
        InvalidInput: if it is no such file, or an array has another number of rows.
    """
    arrays = _read_arrays(place)
    row_of = {name: row for row, name in enumerate(arrays.pop("clip").tolist())}
    missing = next((name for name in names if name not in row_of), None)
    if missing is not None:
        fix = f"add it to {place.name}"
        raise NotFound("a track is not among the baselines", got=missing, fix=fix)
    rows = np.array([row_of[name] for name in names])
    return {name: _among(name, array, rows, len(row_of)) for name, array in arrays.items()}


def _among(name: str, array: NDArray[np.float32], rows: NDArray[np.int64], n: int) -> Similarities:
    """Similarities of some of the n tracks of a file."""
    if array.ndim != 2 or len(array) != n:
        raise InvalidInput(
            f"baseline {name} needs a row for each of {n} tracks",
            got=array.shape,
            fix="give an array of shape (n, d) or (n, n)",
        )
    # As many dimensions as tracks are taken for similarities, as the format says.
    is_square = array.shape[0] == array.shape[1]
    return array[np.ix_(rows, rows)] if is_square else cosines(array[rows])


def _read_arrays(place: Path) -> dict[str, NDArray[np.float32]]:
    fix = "write them with numpy.savez(path, clip=names, system=vectors)"
    try:
        with np.load(place, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise NotFound("there are no baselines here", got=str(place), fix=fix) from None
    except (OSError, ValueError, TypeError, zipfile.BadZipFile) as error:
        problem = f"the baselines cannot be read ({error})"
        raise InvalidInput(problem, got=str(place), fix=fix) from None
    # allow_pickle=False refuses objects; text and complex numbers are refused here.
    numbers = all(array.dtype.kind in "fiu" for name, array in arrays.items() if name != "clip")
    if "clip" not in arrays or not numbers:
        raise InvalidInput(
            "the baselines need the array clip, and arrays of numbers",
            got=", ".join(arrays),
            fix=fix,
        )
    return arrays
