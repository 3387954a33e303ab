"""Train the shipped encoder by distillation from larger networks on listed audio files."""

from __future__ import annotations

import csv
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from tqdm import tqdm

from hybridrec.audio.copies import opus_bytes
from hybridrec.audio.decode import read_middle
from hybridrec.audio.melspec import mel_bank
from hybridrec.config import AudioConfig, EncoderConfig, TrainingConfig
from hybridrec.encoder.checkpoint import Checkpoint, write_atomically
from hybridrec.encoder.distillation.sound import MUSIC, Excerpt, Sound, coded_copies
from hybridrec.encoder.distillation.targets import Teachers
from hybridrec.encoder.distillation.training import Distillation, DistillationConfig
from hybridrec.encoder.model import ChunkEncoder, new_encoder
from hybridrec.errors import InvalidInput
from hybridrec.workflows.train.music import read_music, short_hash, split_tracks

TRAINED_SPLITS = ("train", "train-aux")
EXCERPT_SECONDS = 80.0
EXCERPT_RATE_HZ = 48_000
EXCERPT_BITS_PER_SECOND = 32_000
STEPS_PER_STATE = 100


@dataclass(frozen=True)
class LabelledTrack:
    """A row of a manifest: a file with its collection (a soundtrack, an album) and artist.

    The artist is empty if unknown. `kind` is MUSIC, or `speech` or `sung` for voices that are
    mixed into music.
    """

    file: Path
    collection: str
    artist: str
    kind: str = MUSIC


@dataclass(frozen=True)
class Pretraining:
    """Settings of a distillation run.

    Attributes:
        mn04: weights of EfficientAT mn04 as npz.
        musicnn: folder of MusiCNN's model `MSD_musicnn`.
        audio, encoder, training: settings.
        held_out_share: share of the tracks, in whole families, that is used for evaluation.
        device: torch device name.
        workers: processes that decode audio and make lossy copies.
    """

    mn04: Path
    musicnn: Path
    audio: AudioConfig = field(default_factory=AudioConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    training: DistillationConfig = field(default_factory=DistillationConfig)
    held_out_share: float = 0.2
    device: str = "cpu"
    workers: int = 2


def read_manifest(path: Path) -> list[LabelledTrack]:
    """The training tracks of a manifest; rows of the evaluation split are left out.

    Args:
        path: tab-separated, with the columns `file` (below the manifest's folder),
            `collection`, `artist`, `split`, and optionally `kind`.

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
        LabelledTrack(
            path.parent / row["file"], row["collection"], row["artist"], row.get("kind") or MUSIC
        )
        for row in rows
        if row["split"] in TRAINED_SPLITS
    ]
    if not tracks:
        raise InvalidInput(
            "the manifest lists no track to train on", got=str(path), fix="fetch the split train"
        )
    return tracks


def families(tracks: Sequence[LabelledTrack]) -> dict[Path, str]:
    """The family of each track: a connected component of shared collections and artists."""
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
    tracks: Sequence[LabelledTrack],
    work_directory: Path,
    settings: Pretraining,
    on_step: Callable[[int, Mapping[str, float]], None] | None = None,
) -> Checkpoint:
    """Distil an encoder on tracks and evaluate it on held-out families of music.

    An interrupted training resumes from its last saved state if the settings are equal.

    Args:
        tracks: of all manifests.
        work_directory: for excerpts and the training state; may be deleted between runs.
        settings: teachers, network and hyperparameters.
        on_step: called with the number of each step and the terms of its loss.

    Returns:
        The encoder at half precision, with its metrics on the held-out tracks.

    Raises:
        InvalidInput: if there are too few tracks, or the teachers' files are damaged.
        Conflict: if the state in the work directory belongs to other settings.
    """
    music = [track for track in tracks if track.kind == MUSIC]
    family = families(music)
    train_files, held_out = split_tracks(
        [track.file for track in music],
        settings.held_out_share,
        settings.training.seed,
        family,
    )
    music_files = set(train_files)
    train_tracks = [track for track in tracks if track.kind != MUSIC or track.file in music_files]
    excerpts = [
        Excerpt(_excerpt(track.file, work_directory / "excerpts"), track.kind)
        for track in tqdm(train_tracks, "excerpts", unit="file")
    ]
    sound = Sound(excerpts, settings.device, settings.workers)
    threading.Thread(
        target=_add_copies, args=(sound, excerpts, settings.workers), daemon=True
    ).start()
    student = _distil(sound, settings, work_directory / "distillation.safetensors", on_step)
    checkpoint = Checkpoint.of(student, settings.audio, mel_bank(settings.audio)).halved()
    figures = _evaluate(held_out, checkpoint, {t.file: t.collection for t in music}, work_directory)
    return replace(
        checkpoint, figures={**figures, "tracks": len(train_tracks), "held_out": len(held_out)}
    )


def _distil(
    sound: Sound,
    settings: Pretraining,
    state: Path,
    on_step: Callable[[int, Mapping[str, float]], None] | None,
) -> ChunkEncoder:
    config = settings.training
    student = new_encoder(settings.encoder, settings.audio.n_mels, config.seed)
    bank = torch.from_numpy(mel_bank(settings.audio))
    teachers = Teachers(settings.mn04, settings.musicnn)
    distillation = Distillation(student, teachers, sound, bank, settings.audio, config)
    if state.exists():
        distillation.restore(state)
    while distillation.step < config.steps:
        parts = distillation.learn()
        if distillation.step % STEPS_PER_STATE == 0:
            distillation.keep(state)
        if on_step is not None:
            on_step(distillation.step, {name: float(part) for name, part in parts.items()})
    return distillation.averaged.cpu().eval()


def _add_copies(sound: Sound, excerpts: list[Excerpt], workers: int) -> None:
    for row, copies in coded_copies(excerpts, max(1, workers - 1)):
        for version, wave in enumerate(copies, start=1):
            sound.put(version, row, wave)


def _excerpt(path: Path, directory: Path) -> Path:
    """The middle of a track as mono Opus, encoded once and then read from the cache."""
    stat = path.stat()
    cached = directory / f"{short_hash([str(path.resolve()), stat.st_size, stat.st_mtime_ns])}.opus"
    if not cached.exists():
        wide = AudioConfig(sample_rate_hz=EXCERPT_RATE_HZ)
        samples = read_middle(path, wide, EXCERPT_SECONDS)
        write_atomically(cached, opus_bytes(samples, EXCERPT_RATE_HZ, EXCERPT_BITS_PER_SECOND))
    return cached


def _evaluate(
    held_out: list[Path],
    checkpoint: Checkpoint,
    collections: Mapping[Path, str],
    work_directory: Path,
) -> dict[str, float]:
    music = read_music(
        held_out, work_directory / "spectrograms", checkpoint.audio, TrainingConfig(), collections
    )
    return music.figures(checkpoint.build())
