"""Where the texture head starts: the principal components of what it reads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from hybridrec.encoder.model import ChunkEncoder
from hybridrec.encoder.spectrograms import spaced_chunks

CHUNKS_PER_TRACK = 16

WHITENING = 0.5
"""Components are divided by this power of their deviation: 0 leaves the few large ones in charge, 1 brings up noise."""


def fit_texture_head(
    model: ChunkEncoder, spectrograms: Sequence[NDArray[np.float16]], chunk_frames: int
) -> None:
    """Standardise the texture and turn it onto the principal components of the tracks' means, half whitened.

    Args:
        model: its texture head is changed in place.
        spectrograms: `(n_mels, n_frames)` float16 log-mel of the tracks to learn from. With fewer tracks than
            components the rest of the head stays at nothing, for training to fill.
        chunk_frames: frames in a chunk.
    """
    chunks_of = (
        spaced_chunks(spectrogram, chunk_frames, CHUNKS_PER_TRACK) for spectrogram in spectrograms
    )
    textures = [model.textures(chunks).astype(np.float64) for chunks in chunks_of]
    mean = np.mean([chunks.mean(axis=0) for chunks in textures], axis=0)
    variance = np.mean([((chunks - mean) ** 2).mean(axis=0) for chunks in textures], axis=0)
    deviation = np.maximum(np.sqrt(variance), 1e-3)
    tracks = np.stack([(chunks.mean(axis=0) - mean) / deviation for chunks in textures])
    _, sizes, directions = np.linalg.svd(tracks, full_matrices=False)
    kept = min(model.config.texture_size, int((sizes > sizes[0] * 1e-6).sum()))
    components = directions[:kept] / sizes[:kept, None] ** WHITENING
    weight = np.zeros(model.texture_head.weight.shape)
    weight[:kept] = components / np.linalg.norm(tracks @ components.T, axis=1).mean()
    with torch.no_grad():
        model.texture_mean.copy_(torch.from_numpy(mean))
        model.texture_deviation.copy_(torch.from_numpy(deviation))
        model.texture_head.weight.copy_(torch.from_numpy(weight))
        model.texture_head.bias.zero_()
