"""Draws training chunks from whole spectrograms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hybridrec.encoder.training import Pairs

Augment = Callable[[NDArray[np.float32], np.random.Generator], NDArray[np.float32]]
"""Augments `(n, n_mels, n_frames)` chunks in ways that leave the music recognisable."""


@dataclass(frozen=True)
class SpectrogramPairs:
    """Draws two random chunks a track, the positive pairs of contrastive training.

    Attributes:
        spectrograms: `(n_mels, n_frames)` float16 log-mel each, memory-mapped or not, with at
            least `chunk_frames` frames.
        chunk_frames: frames in a chunk.
        groups: `(n_tracks,)` int64, equal for tracks of one group, or None.
        tempo_share: largest relative change of tempo: chunks are drawn longer or shorter by up
            to this share, then resampled to `chunk_frames`.
        augment: applied to both chunks of a pair, or None.
    """

    spectrograms: Sequence[NDArray[np.float16]]
    chunk_frames: int
    groups: NDArray[np.int64] | None = None
    tempo_share: float = 0.0
    augment: Augment | None = None

    def __call__(self, rng: np.random.Generator, n_tracks: int) -> Pairs:
        """Pairs of `n_tracks` different tracks, or of all tracks if there are fewer."""
        rows = rng.choice(
            len(self.spectrograms), min(n_tracks, len(self.spectrograms)), replace=False
        )
        first, second = self._chunks(rows, rng), self._chunks(rows, rng)
        return Pairs(first, second, None if self.groups is None else self.groups[rows])

    def _chunks(self, rows: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
        chunks = np.stack([self._chunk(self.spectrograms[row], rng) for row in rows])
        return chunks if self.augment is None else self.augment(chunks, rng)

    def _chunk(
        self, spectrogram: NDArray[np.float16], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        span = round(self.chunk_frames * rng.uniform(1 - self.tempo_share, 1 + self.tempo_share))
        chunk = random_chunk(spectrogram, min(span, spectrogram.shape[1]), rng)
        return chunk[
            :, np.linspace(0, chunk.shape[1] - 1, self.chunk_frames).round().astype(np.int64)
        ]


def random_chunk(
    spectrogram: NDArray[np.float16], chunk_frames: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """A chunk at a random position of a spectrogram, `(n_mels, chunk_frames)` float32."""
    start = rng.integers(spectrogram.shape[1] - chunk_frames + 1)
    return spectrogram[:, start : start + chunk_frames].astype(np.float32)


def spaced_chunks(
    spectrogram: NDArray[np.float16], chunk_frames: int, n_chunks: int
) -> NDArray[np.float32]:
    """Evenly spaced chunks from start to end; they may overlap.

    Returns:
        `(n_chunks, n_mels, chunk_frames)` float32.
    """
    starts = np.linspace(0, spectrogram.shape[1] - chunk_frames, n_chunks).round().astype(np.int64)
    return np.stack([spectrogram[:, start : start + chunk_frames] for start in starts]).astype(
        np.float32
    )
