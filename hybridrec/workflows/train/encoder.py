"""Train ears on a folder of audio: learn from its spectrograms, keep what the held-out figure keeps."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from hybridrec.audio.augment import augment_chunks
from hybridrec.audio.melspec import keep_mel_bank, mel_bank
from hybridrec.config import AudioConfig, AugmentConfig, EncoderConfig, TrainingConfig
from hybridrec.encoder.checkpoint import Checkpoint
from hybridrec.encoder.model import ChunkEncoder, new_encoder
from hybridrec.encoder.spectrograms import SpectrogramPairs
from hybridrec.encoder.training import EpochReport, train
from hybridrec.storage.folder_locks import lock_folder
from hybridrec.workflows.train.music import Music, read_music, short_hash

if TYPE_CHECKING:
    from hybridrec.storage.library import Library

FINE_TUNING_RATE = 1e-4
"""Learning rate from a trained start; a faster one forgets what the start knows of other music."""


@dataclass(frozen=True)
class Recipe:
    """All settings of a training: how sound becomes chunks, the network, the learning, and what chunks survive."""

    audio: AudioConfig = field(default_factory=AudioConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    def state_name(self, files: Sequence[Path], seed: int, start_from: Checkpoint | None) -> str:
        """What the state of a training is called, so that only the same training takes it up."""
        settings = [
            part.to_dict() for part in (self.audio, self.encoder, self.training, self.augment)
        ]
        start = start_from.fingerprint if start_from else ""
        return f"training-{short_hash(settings, seed, start, [str(path) for path in files])}.safetensors"


@dataclass(frozen=True)
class TrainedEncoder:
    """What came of training.

    Attributes:
        checkpoint: the better of the trained encoder and the one it started from.
        tracks, held_out: how many tracks were trained on, and how many judged.
        skipped: files that could not be learnt from, and why.
        kept_start: whether that is the one it started from, because training did not improve the figure.
        before, after: the held-out figures of the start and of what training made of it.
        reports: how training went, one an epoch.
    """

    checkpoint: Checkpoint
    tracks: int
    held_out: int
    skipped: dict[str, str]
    kept_start: bool
    before: dict[str, float]
    after: dict[str, float]
    reports: list[EpochReport]

    def in_words(self) -> str:
        """Which ears are kept, and why."""
        before, after = self.before["recall_at_1"], self.after["recall_at_1"]
        kept = "kept as it was, for training did not improve it" if self.kept_start else "trained"
        return (
            f"encoder {self.checkpoint.fingerprint}: {kept}; of {self.held_out} tracks held out, {before:.1%} of the"
            f" halves found their other half first before, {after:.1%} after training on {self.tracks} others"
        )


def train_encoder(
    source: Path | Sequence[Path],
    work_directory: Path,
    recipe: Recipe | None = None,
    *,
    seed: int = 0,
    start_from: Checkpoint | None = None,
    groups: Mapping[Path, str] | None = None,
    families: Mapping[Path, str] | None = None,
    on_epoch: Callable[[EpochReport], None] | None = None,
    show_progress: bool = False,
    device: str = "cpu",
) -> TrainedEncoder:
    """Train an encoder contrastively: two chunks of a track belong together (SimCLR; Chen et al. 2020).

    Files are decoded once; an interrupted training goes on where it stopped.

    Args:
        source: a folder of audio, or the files.
        work_directory: for spectrograms and the state of the training; may be deleted between runs.
        recipe: all settings; with `start_from`, audio and network are those of the start.
        seed: same files, settings, seed and thread count: same ears.
        start_from: ears to go on from; they are kept where training does not improve the held-out recall.
        groups: names of what sounds alike for a reason, such as albums; None puts each track on its own.
        families: names of what must be trained on or held out as a whole; None takes the groups.
        on_epoch: called after each epoch.
        show_progress: a bar on standard error while files are decoded.
        device: as torch names it.

    Raises:
        InvalidInput: if there are too few tracks that are long enough.
    """
    recipe = recipe or Recipe()
    if start_from:
        keep_mel_bank(start_from.audio, start_from.mel_bank)
        recipe = replace(recipe, audio=start_from.audio, encoder=start_from.encoder)
    music = read_music(
        source,
        work_directory / "spectrograms",
        recipe.audio,
        recipe.training,
        groups,
        show_progress=show_progress,
    )
    embedded, held_out = music.split(recipe.training.held_out_share, seed, families or groups or {})
    model = (
        start_from.build() if start_from else new_encoder(recipe.encoder, recipe.audio.n_mels, seed)
    )
    before = held_out.figures(model)
    state_path = work_directory / recipe.state_name(embedded.files, seed, start_from)
    trained, reports = _learn(model, embedded, held_out, recipe, seed, on_epoch, state_path, device)
    after = held_out.figures(trained)
    figures = {
        **after,
        "tracks": len(embedded.files),
        "held_out": len(held_out.files),
        "seed": seed,
    }
    checkpoint = Checkpoint.of(trained, recipe.audio, mel_bank(recipe.audio), figures)
    kept_start = start_from is not None and after["recall_at_1"] <= before["recall_at_1"]
    if start_from is not None and kept_start:
        checkpoint = start_from
    counts = len(embedded.files), len(held_out.files)
    return TrainedEncoder(checkpoint, *counts, music.skipped, kept_start, before, after, reports)


def _learn(
    model: ChunkEncoder,
    embedded: Music,
    held_out: Music,
    recipe: Recipe,
    seed: int,
    on_epoch: Callable[[EpochReport], None] | None,
    state_path: Path,
    device: str,
) -> tuple[ChunkEncoder, list[EpochReport]]:
    def augment(chunks: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        return augment_chunks(chunks, rng, recipe.augment, recipe.audio)

    tempo_share = recipe.augment.tempo_share if recipe.augment.tempo else 0.0
    return train(
        model,
        SpectrogramPairs(
            embedded.spectrograms, recipe.audio.chunk_frames, embedded.groups, tempo_share, augment
        ),
        recipe.training,
        seed=seed,
        validate=held_out.figures,
        on_epoch=on_epoch,
        state_path=state_path,
        device=device,
    )


def train_library_encoder(
    library: Library,
    directory: Path,
    *,
    epochs: int | None = None,
    seed: int = 0,
    start_from: Checkpoint | None = None,
    progress: bool = False,
) -> TrainedEncoder:
    """Train ears on the audio below a directory and make them the library's.

    What is decoded is kept in a directory of the library's files until the training is through.

    Raises:
        InvalidInput: if there are too few tracks that are long enough.
    """
    training = TrainingConfig() if epochs is None else TrainingConfig(epochs=epochs)
    if start_from is not None:
        training = replace(training, learning_rate=FINE_TUNING_RATE)
    work_directory = library.files / "training"
    bar = tqdm(total=training.epochs, desc="training", unit="epoch", disable=not progress)
    with lock_folder(work_directory), bar:

        def show(report: EpochReport) -> None:
            bar.set_postfix(
                loss=f"{report.loss:.2f}", recall=f"{report.figures['recall_at_1']:.2f}"
            )
            bar.update(report.epoch - bar.n)

        encoder = train_encoder(
            directory,
            work_directory,
            Recipe(training=training),
            seed=seed,
            start_from=start_from,
            on_epoch=show,
            show_progress=progress,
        )
    checkpoint = encoder.checkpoint
    library.save_artefact(
        "encoder", checkpoint.to_bytes(), checkpoint.fingerprint, checkpoint.figures
    )
    shutil.rmtree(work_directory, ignore_errors=True)
    return encoder
