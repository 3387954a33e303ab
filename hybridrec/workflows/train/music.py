"""The music of a training: read once into spectrograms, and parted into what is learnt and what is judged by."""

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
"""A track must hold this many chunks to be learnt from: two that need not be the same one."""


@dataclass(frozen=True)
class Music:
    """Tracks as training reads them.

    Attributes:
        audio: how sound became spectrograms.
        files: one a track.
        spectrograms: `(n_mels, n_frames)` float16 log-mel, memory-mapped, one a track.
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
        """Music to learn from, and music to judge by.

        Raises:
            InvalidInput: if there are too few tracks.
        """
        embedded, held_out = split_tracks(self.files, held_out_share, seed, families)
        return self._only(set(embedded)), self._only(set(held_out))

    def _only(self, files: set[Path]) -> Music:
        rows = [row for row, path in enumerate(self.files) if path in files]
        return replace(
            self,
            files=[self.files[row] for row in rows],
            spectrograms=[self.spectrograms[row] for row in rows],
            groups=None if self.groups is None else self.groups[rows],
        )

    def figures(self, model: ChunkEncoder) -> dict[str, float]:
        """How ears do on these tracks: `recall_at_1` of their halves; with groups `group_map` and more."""
        chunk_frames = self.audio.chunk_frames
        figures = {"recall_at_1": halves_found(model, self.spectrograms, chunk_frames)}
        if self.groups is not None:
            tracks = (
                spaced_chunks(each, chunk_frames, self.audio.chunks_per_track)
                for each in self.spectrograms
            )
            vectors = np.stack([model.embed(chunks) for chunks in tracks])
            found = group_retrieval(cosines(vectors), self.groups)
            figures |= {f"group_{name}": mean for name, mean in found.means().items()}
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
    """The middle of each file as a spectrogram, decoded only where that was not done before.

    Args:
        source: a folder of audio, or the files; those that are no audio are skipped.
        directory: where the spectrograms are kept, one npy file a track.
        audio: how sound becomes a spectrogram.
        training: says how much of a track is read.
        groups: names of what sounds alike for a reason, or None.
        show_progress: a bar on standard error.
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
        answers = tqdm(
            pool.map(read, files), "decoding", len(files), unit="file", disable=not show_progress
        )
        answer_of = dict(zip(files, answers, strict=True))
    skipped = {str(path): answer for path, answer in answer_of.items() if isinstance(answer, str)}
    spectrograms = {
        path: answer for path, answer in answer_of.items() if not isinstance(answer, str)
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
    facts = path.stat()
    kept = (
        directory
        / f"{short_hash([str(path.resolve()), facts.st_size, facts.st_mtime_ns, audio.to_dict(), seconds])}.npy"
    )
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
            f"training needs {FEWEST_TRACKS} tracks or more that are long enough",
            got=len(files),
            fix=fix,
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
    return [path for path in files if path not in held_out], [
        path for path in files if path in held_out
    ]


def short_hash(*values: object) -> str:
    """32 hex digits that stand for plain JSON values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:32]
