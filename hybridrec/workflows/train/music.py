"""Training data: spectrograms of audio files, decoded once and split into training and held-out."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from hybridrec.audio.decode import read_middle
from hybridrec.audio.melspec import log_mel
from hybridrec.config import AudioConfig, TrainingConfig
from hybridrec.encoder.checkpoint import write_atomically
from hybridrec.encoder.held_out import halves_found
from hybridrec.encoder.model import ChunkEncoder
from hybridrec.encoder.spectrograms import spaced_chunks
from hybridrec.errors import AudioError, InvalidInput
from hybridrec.evaluation.retrieval import cosines, group_retrieval

FEWEST_TRACKS = 4
FEWEST_CHUNKS = 2
"""Minimum length of a track in chunks, so that the two chunks of a pair can differ."""


@dataclass(frozen=True)
class Music:
    """Tracks with their spectrograms.

    Attributes:
        audio: settings of the spectrograms.
        files: one per track.
        spectrograms: `(n_mels, n_frames)` float16 log-mel, memory-mapped, one per track.
        groups: `(n_tracks,)` int64, equal for tracks of one group, or None.
        skipped: the reason for each file that could not be read.
    """

    audio: AudioConfig
    files: list[Path]
    spectrograms: list[NDArray[np.float16]]
    groups: NDArray[np.int64] | None
    skipped: dict[str, str]

    def split(
        self, held_out_share: float, seed: int, families: Mapping[Path, str]
    ) -> tuple[Music, Music]:
        """Training tracks and held-out tracks.

        Raises:
            InvalidInput: if there are too few tracks.
        """
        train, held_out = split_tracks(self.files, held_out_share, seed, families)
        return self._only(set(train)), self._only(set(held_out))

    def _only(self, files: set[Path]) -> Music:
        rows = [row for row, path in enumerate(self.files) if path in files]
        return replace(
            self,
            files=[self.files[row] for row in rows],
            spectrograms=[self.spectrograms[row] for row in rows],
            groups=None if self.groups is None else self.groups[rows],
        )

    def figures(self, model: ChunkEncoder) -> dict[str, float]:
        """Metrics of an encoder on these tracks.

        Returns:
            `recall_at_1` of track halves; with groups also `group_map` and other group metrics.
        """
        chunk_frames = self.audio.chunk_frames
        figures = {"recall_at_1": halves_found(model, self.spectrograms, chunk_frames)}
        if self.groups is not None:
            tracks = (
                spaced_chunks(each, chunk_frames, self.audio.chunks_per_track)
                for each in self.spectrograms
            )
            vectors = np.stack([model.embed(chunks) for chunks in tracks])
            retrieval = group_retrieval(cosines(vectors), self.groups)
            figures |= {f"group_{name}": mean for name, mean in retrieval.means().items()}
        return figures


def read_music(
    source: Path | Sequence[Path],
    directory: Path,
    audio: AudioConfig,
    training: TrainingConfig,
    groups: Mapping[Path, str] | None = None,
    *,
    show_progress: bool = False,
) -> Music:
    """Spectrograms of the middle of each file; files decoded before are read from the cache.

    Args:
        source: a folder of audio, or the files; unreadable ones are listed in `skipped`.
        directory: the cache of spectrograms, one npy file per track.
        audio: settings of the spectrograms.
        training: gives the seconds to read of each track.
        groups: name of each file's group of similar tracks, or None.
        show_progress: whether to show a bar on standard error.
    """
    files = (
        sorted(path for path in source.rglob("*") if path.is_file())
        if isinstance(source, Path)
        else source
    )

    def read(path: Path) -> NDArray[np.float16] | str:
        try:
            return _spectrogram(path, directory, audio, training.seconds_per_track)
        except AudioError as error:
            return str(error)

    with ThreadPoolExecutor() as pool:
        results = tqdm(
            pool.map(read, files), "decoding", len(files), unit="file", disable=not show_progress
        )
        result_of = dict(zip(files, results, strict=True))
    skipped = {str(path): result for path, result in result_of.items() if isinstance(result, str)}
    spectrograms = {
        path: result for path, result in result_of.items() if not isinstance(result, str)
    }
    rows = (
        None
        if groups is None
        else np.unique([groups[path] for path in spectrograms], return_inverse=True)[1]
    )
    return Music(audio, list(spectrograms), list(spectrograms.values()), rows, skipped)


def _spectrogram(
    path: Path, directory: Path, audio: AudioConfig, seconds: float
) -> NDArray[np.float16]:
    stat = path.stat()
    digest = short_hash(
        [str(path.resolve()), stat.st_size, stat.st_mtime_ns, audio.to_dict(), seconds]
    )
    cached = directory / f"{digest}.npy"
    if not cached.exists():
        levels = log_mel(read_middle(path, audio, seconds)[None], audio)[0]
        packed = io.BytesIO()
        np.save(packed, levels.astype(np.float16), allow_pickle=False)
        write_atomically(cached, packed.getvalue())
    spectrogram: NDArray[np.float16] = np.load(cached, mmap_mode="r", allow_pickle=False)
    if spectrogram.shape[1] < FEWEST_CHUNKS * audio.chunk_frames:
        least = FEWEST_CHUNKS * audio.chunk_seconds
        raise AudioError(f"{path.name}: too short to train on", fix=f"give {least:g} s or more")
    return spectrogram


def split_tracks(
    files: list[Path], held_out_share: float, seed: int, groups: Mapping[Path, str]
) -> tuple[list[Path], list[Path]]:
    """Training files and held-out files, split by whole groups in random order.

    A group larger than what remains of the held-out share goes to training.

    Raises:
        InvalidInput: if there are fewer than `FEWEST_TRACKS` files.
    """
    if len(files) < FEWEST_TRACKS:
        fix = "give more audio, or use the encoder shipped with hybridrec"
        raise InvalidInput(
            f"training needs {FEWEST_TRACKS} tracks or more that are long enough",
            got=len(files),
            fix=fix,
        )
    members: dict[str, list[Path]] = {}
    for path in files:
        members.setdefault(groups.get(path, str(path)), []).append(path)
    capacity = max(2, round(held_out_share * len(files)))
    held_out: set[Path] = set()
    for row in np.random.default_rng(seed).permutation(len(members)):
        group = list(members.values())[row]
        if len(held_out) + len(group) <= capacity:
            held_out.update(group)
    return [path for path in files if path not in held_out], [
        path for path in files if path in held_out
    ]


def short_hash(*values: object) -> str:
    """32 hex digits: a hash of plain JSON values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:32]
