"""Evening out the embedding space once training is through, at no cost when hearing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from hybridrec.encoder.model import ChunkEncoder
from hybridrec.encoder.spectrograms import spaced_chunks

CHUNKS_PER_TRACK = 8


def whiten(
    model: ChunkEncoder,
    spectrograms: Sequence[NDArray[np.float16]],
    chunk_frames: int,
    groups: NDArray[np.int64] | None,
    amount: float,
) -> None:
    """Centre the embeddings and scale down the directions in which alike tracks scatter, within the last layer.

    With groups, these are the directions in which tracks of one group differ
    (within-class covariance normalisation; Hatch, Kajarekar and Stolcke 2006);
    without, those in which all tracks differ most (whitening).

    Args:
        model: its head is changed in place.
        spectrograms: `(n_mels, n_frames)` float16 log-mel of the tracks to learn from.
        chunk_frames: frames in a chunk.
        groups: `(n_tracks,)` int64, equal for tracks of one group, or None.
        amount: 0 only centres, 1 takes the measured variances as they are; in between they are shrunk towards their
            mean, which is safer the fewer the tracks (Ledoit and Wolf 2004).
    """
    tracks = np.stack([_outputs(model, spaced_chunks(s, chunk_frames, CHUNKS_PER_TRACK)) for s in spectrograms])
    mean = tracks.mean(axis=0)
    scatter = tracks - mean
    if groups is not None:
        _, rows = np.unique(groups, return_inverse=True)
        sums = np.zeros((rows.max() + 1, tracks.shape[1]))
        np.add.at(sums, rows, tracks)
        scatter = tracks - sums[rows] / np.bincount(rows)[rows, None]
    covariance = scatter.T @ scatter / len(scatter)
    variances, directions = np.linalg.eigh(covariance)
    variances = amount * variances / variances.mean() + (1 - amount)
    evened = (directions / np.sqrt(np.maximum(variances, 1e-6))) @ directions.T
    with torch.no_grad():
        weight, bias = model.head.weight, model.head.bias
        transform = torch.from_numpy(evened).to(weight)
        weight.copy_(transform @ weight)
        bias.copy_(transform @ (bias - torch.from_numpy(mean).to(bias)))


def _outputs(model: ChunkEncoder, chunks: NDArray[np.float32]) -> NDArray[np.float64]:
    """What the head gives for a track before unit length, `(embedding_size,)` float64, mean of its chunks."""
    model.eval()
    with torch.inference_mode():
        outputs = model.head(model.features(torch.from_numpy(chunks).to(model.head.weight.device)))
    mean: NDArray[np.float64] = outputs.double().mean(dim=0).cpu().numpy()
    return mean
