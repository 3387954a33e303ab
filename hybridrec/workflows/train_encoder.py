"""Train ears on a folder of audio: decode once, learn from the spectrograms, keep what the held-out figure keeps."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from hybridrec.audio.augment import augment_chunks
from hybridrec.audio.decode import read_middle
from hybridrec.audio.melspec import log_mel
from hybridrec.config import AudioConfig, AugmentConfig, EncoderConfig, TrainingConfig
from hybridrec.encoder.checkpoint import Checkpoint, write_atomically
from hybridrec.encoder.held_out import group_retrieval, halves_found
from hybridrec.encoder.model import ChunkEncoder, new_encoder
from hybridrec.encoder.spectrograms import SpectrogramPairs, spaced_chunks
from hybridrec.encoder.training import EpochReport, train
from hybridrec.encoder.whitening import whiten
from hybridrec.errors import AudioError, InvalidInput

if TYPE_CHECKING:
    from hybridrec.storage.library import Library

FEWEST_TRACKS = 4
FEWEST_CHUNKS = 2
"""A track must hold this many chunks to be learnt from: two that need not be the same one."""

Spectrograms = dict[Path, NDArray[np.float16]]


@dataclass(frozen=True)
class TrainedEars:
    """What came of training.

    Attributes:
        checkpoint: the better of the trained encoder and the one it started from.
        tracks, held_out: how many tracks were trained on, and how many judged.
        skipped: files that could not be learnt from, and why.
        before, after: the held-out figures of the start and of what training made of it.
        reports: how training went, one an epoch.
    """

    checkpoint: Checkpoint
    tracks: int
    held_out: int
    skipped: dict[str, str]
    before: dict[str, float]
    after: dict[str, float]
    reports: list[EpochReport]

    def in_words(self) -> str:
        """One sentence for people."""
        return (
            f"encoder {self.checkpoint.fingerprint}: trained on {self.tracks} tracks; of {self.held_out} others,"
            f" {self.after['recall_at_1']:.0%} of the halves find their other half first"
            f" (before: {self.before['recall_at_1']:.0%})"
        )


def train_encoder(
    source: Path | Sequence[Path],
    work_directory: Path,
    *,
    audio: AudioConfig | None = None,
    encoder: EncoderConfig | None = None,
    training: TrainingConfig | None = None,
    augment: AugmentConfig | None = None,
    seed: int = 0,
    start_from: Checkpoint | None = None,
    groups: Mapping[Path, str] | None = None,
    families: Mapping[Path, str] | None = None,
    on_epoch: Callable[[EpochReport], None] | None = None,
    show_progress: bool = False,
    device: str = "cpu",
) -> TrainedEars:
    """Train an encoder contrastively: two chunks of a track belong together (SimCLR; Chen et al. 2020).

    Each file is decoded once, into spectrograms below `work_directory` that
    later trainings use again. Training goes on where an interrupted one with
    the same files and settings stopped.

    Args:
        source: a folder of audio, or the files.
        work_directory: for spectrograms and the state of the training; may be deleted at any time between runs.
        audio, encoder: settings of new ears; those of `start_from` where that is given.
        training, augment: the recipe.
        seed: same files, settings, seed and thread count: same ears.
        start_from: ears to go on from; they are kept where training does not improve the held-out figure.
        groups: names of what sounds alike for a reason, such as albums; None puts each track on its own.
        families: names of what must be trained on or held out as a whole; None takes the groups.
        on_epoch: called after each epoch.
        show_progress: bars on standard error.
        device: as torch names it.

    Raises:
        InvalidInput: if there are too few tracks that are long enough.
    """
    training, augment = training or TrainingConfig(), augment or AugmentConfig()
    audio = start_from.audio if start_from else audio or AudioConfig()
    files = sorted(path for path in source.rglob("*") if path.is_file()) if isinstance(source, Path) else list(source)
    spectrograms, skipped = read_spectrograms(
        files, work_directory / "spectrograms", audio, training.seconds_per_track, show_progress=show_progress
    )
    heard, held_out = split_tracks(list(spectrograms), training.held_out_share, seed, families or groups or {})
    learnt, judged = [spectrograms[path] for path in heard], [spectrograms[path] for path in held_out]
    learnt_groups, judged_groups = _group_rows(heard, groups), _group_rows(held_out, groups)
    model = start_from.build() if start_from else new_encoder(encoder or EncoderConfig(), audio.n_mels, seed)

    def validate(model: ChunkEncoder) -> dict[str, float]:
        return held_out_figures(model, judged, judged_groups, audio)

    before = validate(model)
    settings = [part.to_dict() for part in (audio, model.config, training, augment)]
    start = start_from.fingerprint if start_from else ""
    name = f"training-{_key(settings, seed, start, [str(path) for path in heard])}.safetensors"
    trained, reports = train(
        model,
        SpectrogramPairs(
            learnt, audio.chunk_frames, learnt_groups, lambda chunks, rng: augment_chunks(chunks, rng, augment, audio)
        ),
        training,
        seed=seed,
        validate=validate,
        on_epoch=on_epoch,
        state_path=work_directory / name,
        device=device,
    )
    whiten(trained, learnt, audio.chunk_frames, learnt_groups, training.whitening)
    after = validate(trained)
    checkpoint = Checkpoint.of(trained, audio, {**after, "tracks": len(heard), "held_out": len(held_out), "seed": seed})
    if start_from and after["recall_at_1"] <= before["recall_at_1"]:
        checkpoint = start_from
    return TrainedEars(checkpoint, len(heard), len(held_out), skipped, before, after, reports)


def held_out_figures(
    model: ChunkEncoder,
    spectrograms: Sequence[NDArray[np.float16]],
    groups: NDArray[np.int64] | None,
    audio: AudioConfig,
) -> dict[str, float]:
    """How ears do on tracks they were not trained on: `recall_at_1` of halves; with groups `group_map` and more."""
    figures = {"recall_at_1": halves_found(model, spectrograms, audio.chunk_frames)}
    if groups is not None:
        chunks = (spaced_chunks(s, audio.chunk_frames, audio.chunks_per_track) for s in spectrograms)
        vectors = np.stack([model.embed(of_track) for of_track in chunks])
        figures |= {f"group_{name}": value for name, value in group_retrieval(vectors, groups).items()}
    return figures


def train_library_encoder(
    library: Library,
    directory: Path,
    *,
    epochs: int | None = None,
    seed: int = 0,
    start_from: Checkpoint | None = None,
    progress: bool = False,
) -> TrainedEars:
    """Train ears on the audio below a directory and make them the library's.

    What is decoded is kept in a directory of the library's files until the training is through.

    Raises:
        InvalidInput: if there are too few tracks that are long enough.
    """
    training = TrainingConfig() if epochs is None else TrainingConfig(epochs=epochs)
    work_directory = library.files / "training"
    with tqdm(total=training.epochs, desc="training", unit="epoch", disable=not progress) as bar:

        def show(report: EpochReport) -> None:
            bar.set_postfix(loss=f"{report.loss:.2f}", recall=f"{report.figures['recall_at_1']:.2f}")
            bar.update(report.epoch - bar.n)

        ears = train_encoder(
            directory,
            work_directory,
            training=training,
            seed=seed,
            start_from=start_from,
            on_epoch=show,
            show_progress=progress,
        )
    checkpoint = ears.checkpoint
    library.save_artefact("encoder", checkpoint.to_bytes(), checkpoint.fingerprint, checkpoint.figures)
    shutil.rmtree(work_directory, ignore_errors=True)
    return ears


def read_spectrograms(
    files: Sequence[Path], directory: Path, audio: AudioConfig, seconds: float, *, show_progress: bool = False
) -> tuple[Spectrograms, dict[str, str]]:
    """The middle of each file as a memory-mapped spectrogram, decoded only where that was not done before.

    Args:
        files: any files; those that are no audio are skipped.
        directory: where the spectrograms are kept, one npy file a track.
        audio: how sound becomes a spectrogram.
        seconds: how much of a track, around its middle.

    Returns:
        `(n_mels, n_frames)` float16 log-mel by path, and the reason by path for each file that was skipped.
    """

    def read(path: Path) -> NDArray[np.float16] | str:
        try:
            return _spectrogram(path, directory, audio, seconds)
        except AudioError as error:
            return str(error)

    with ThreadPoolExecutor() as pool:
        answers = tqdm(pool.map(read, files), "decoding", len(files), unit="file", disable=not show_progress)
        read_files = dict(zip(files, answers, strict=True))
    skipped = {str(path): answer for path, answer in read_files.items() if isinstance(answer, str)}
    return {path: answer for path, answer in read_files.items() if not isinstance(answer, str)}, skipped


def _spectrogram(path: Path, directory: Path, audio: AudioConfig, seconds: float) -> NDArray[np.float16]:
    facts = path.stat()
    kept = directory / f"{_key([str(path.resolve()), facts.st_size, facts.st_mtime_ns, audio.to_dict(), seconds])}.npy"
    if not kept.exists():
        levels = log_mel(read_middle(path, audio, seconds)[None], audio)[0]
        packed = io.BytesIO()
        np.save(packed, levels.astype(np.float16), allow_pickle=False)
        write_atomically(kept, packed.getvalue())
    spectrogram: NDArray[np.float16] = np.load(kept, mmap_mode="r", allow_pickle=False)
    if spectrogram.shape[1] < FEWEST_CHUNKS * audio.chunk_frames:
        least = FEWEST_CHUNKS * audio.chunk_seconds
        raise AudioError(f"{path.name}: too short to learn from", fix=f"give {least:g} s or more")
    return spectrogram


def split_tracks(
    files: list[Path], held_out_share: float, seed: int, groups: Mapping[Path, str]
) -> tuple[list[Path], list[Path]]:
    """Files to learn from and files to judge by; groups stay whole and none larger than the share is held out."""
    if len(files) < FEWEST_TRACKS:
        fix = "give more audio, or use the ears that come with hybridrec"
        raise InvalidInput(
            f"training needs {FEWEST_TRACKS} tracks or more that are long enough", got=len(files), fix=fix
        )
    members: dict[str, list[Path]] = {}
    for path in files:
        members.setdefault(groups.get(path, str(path)), []).append(path)
    room = max(2, round(held_out_share * len(files)))
    held_out: set[Path] = set()
    for row in np.random.default_rng(seed).permutation(len(members)):
        group = list(members.values())[row]
        if len(held_out) + len(group) <= room:
            held_out.update(group)
    return [path for path in files if path not in held_out], [path for path in files if path in held_out]


def _group_rows(files: Sequence[Path], groups: Mapping[Path, str] | None) -> NDArray[np.int64] | None:
    return None if groups is None else np.unique([groups[path] for path in files], return_inverse=True)[1]


def _key(*values: object) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:32]
