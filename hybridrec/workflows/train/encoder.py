"""Train an encoder on a folder of audio and evaluate it on held-out tracks.

A training that starts from an encoder returns that encoder unless held-out recall improves.
"""

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
"""Learning rate for fine-tuning; higher rates lose quality on music outside the training set."""


@dataclass(frozen=True)
class Recipe:
    """All settings of a training: audio, network, hyperparameters and augmentation."""

    audio: AudioConfig = field(default_factory=AudioConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    def state_name(self, files: Sequence[Path], seed: int, start_from: Checkpoint | None) -> str:
        """File name of the training state; only a run with equal inputs resumes from it."""
        settings = [
            part.to_dict() for part in (self.audio, self.encoder, self.training, self.augment)
        ]
        start = start_from.fingerprint if start_from else ""
        digest = short_hash(settings, seed, start, [str(path) for path in files])
        return f"training-{digest}.safetensors"


@dataclass(frozen=True)
class TrainedEncoder:
    """Result of training.

    Attributes:
        checkpoint: the better of the trained encoder and the one it started from.
        tracks, held_out: numbers of training tracks and of held-out tracks.
        skipped: the reason for each file that could not be used.
        kept_start: whether `checkpoint` is the start, because held-out recall did not improve.
        before, after: held-out metrics before and after training.
        reports: one per epoch.
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
        """One sentence: which encoder results, and held-out recall before and after."""
        before, after = self.before["recall_at_1"], self.after["recall_at_1"]
        outcome = "unchanged, as training did not improve it" if self.kept_start else "trained"
        return (
            f"encoder {self.checkpoint.fingerprint}: {outcome}; recall@1 of track halves on"
            f" {self.held_out} held-out tracks was {before:.1%} before and {after:.1%} after"
            f" training on {self.tracks} tracks"
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
    """Train an encoder contrastively on pairs of chunks of a track (SimCLR; Chen et al. 2020).

    Files are decoded once; an interrupted training resumes after its last whole epoch.

    Args:
        source: a folder of audio, or the files.
        work_directory: for spectrograms and the training state; may be deleted between runs.
        recipe: all settings; with `start_from`, audio and network settings are those of the start.
        seed: equal files, settings, seed and thread count give an equal encoder.
        start_from: encoder to fine-tune; returned unchanged if held-out recall does not improve.
        groups: name of each file's group of similar tracks, such as its album; tracks of a group
            are not negatives of each other. None makes each track its own group.
        families: name of each file's family, which is split as a whole; None uses the groups.
        on_epoch: called after each epoch.
        show_progress: whether to show a bar on standard error while files are decoded.
        device: torch device name.

    Raises:
        InvalidInput: if too few tracks are long enough.
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
    train_music, held_out = music.split(
        recipe.training.held_out_share, seed, families or groups or {}
    )
    model = (
        start_from.build() if start_from else new_encoder(recipe.encoder, recipe.audio.n_mels, seed)
    )
    before = held_out.figures(model)
    state_path = work_directory / recipe.state_name(train_music.files, seed, start_from)
    trained, reports = _fit(
        model, train_music, held_out, recipe, seed, on_epoch, state_path, device
    )
    after = held_out.figures(trained)
    figures = {
        **after,
        "tracks": len(train_music.files),
        "held_out": len(held_out.files),
        "seed": seed,
    }
    checkpoint = Checkpoint.of(trained, recipe.audio, mel_bank(recipe.audio), figures)
    kept_start = start_from is not None and after["recall_at_1"] <= before["recall_at_1"]
    if start_from is not None and kept_start:
        checkpoint = start_from
    counts = len(train_music.files), len(held_out.files)
    return TrainedEncoder(checkpoint, *counts, music.skipped, kept_start, before, after, reports)


def _fit(
    model: ChunkEncoder,
    train_music: Music,
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
            train_music.spectrograms,
            recipe.audio.chunk_frames,
            train_music.groups,
            tempo_share,
            augment,
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
    """Train an encoder on the audio below a directory and store it as the library's.

    Spectrograms and the training state lie in the library's `training` folder until the end.

    Raises:
        InvalidInput: if too few tracks are long enough.
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
