"""Retrieval metrics on held-out tracks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hybridrec.encoder.model import ChunkEncoder
from hybridrec.encoder.spectrograms import spaced_chunks

HALF_CHUNKS = 5
"""Chunks that are averaged into the embedding of half a track."""


def halves_found(
    model: ChunkEncoder, spectrograms: Sequence[NDArray[np.float16]], chunk_frames: int
) -> float:
    """Recall@1 of track halves: the share whose nearest neighbour is the track's other half.

    Args:
        model: the encoder to evaluate.
        spectrograms: `(n_mels, n_frames)` float16 log-mel each, two chunks or longer.
        chunk_frames: frames in a chunk.

    Returns:
        0 to 1, over both halves of all tracks; candidates are all other halves.
    """
    vectors = []
    for spectrogram in spectrograms:
        middle = spectrogram.shape[1] // 2
        for half in (spectrogram[:, :middle], spectrogram[:, middle:]):
            vectors.append(model.embed(spaced_chunks(half, chunk_frames, HALF_CHUNKS)))
    cosines = np.array(vectors) @ np.array(vectors).T
    np.fill_diagonal(cosines, -np.inf)
    nearest = cosines.argmax(axis=1)
    return float((nearest == np.arange(len(vectors)) ^ 1).mean())
