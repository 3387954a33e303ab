"""Retrieval figures on tracks that training never hears."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hybridrec.encoder.model import ChunkEncoder
from hybridrec.encoder.spectrograms import spaced_chunks

HALF_CHUNKS = 5
"""Chunks that stand for half a track."""

FEWEST_IN_GROUP = 4


def halves_found(model: ChunkEncoder, spectrograms: Sequence[NDArray[np.float16]], chunk_frames: int) -> float:
    """Recall@1 of tracks by their other half: the share of halves whose nearest neighbour is the other half.

    Args:
        model: the ears to judge.
        spectrograms: `(n_mels, n_frames)` float16 log-mel each, two chunks or longer.
        chunk_frames: frames in a chunk.

    Returns:
        0 to 1, over both halves of all tracks, each sought among all other halves.
    """
    vectors = []
    for spectrogram in spectrograms:
        middle = spectrogram.shape[1] // 2
        for half in (spectrogram[:, :middle], spectrogram[:, middle:]):
            vectors.append(model.embed(spaced_chunks(half, chunk_frames, HALF_CHUNKS)))
    nearest = _cosines(np.array(vectors)).argmax(axis=1)
    return float((nearest == np.arange(len(vectors)) ^ 1).mean())


def group_retrieval(
    vectors: NDArray[np.float32], groups: NDArray[np.int64], fewest: int = FEWEST_IN_GROUP
) -> dict[str, float]:
    """How well tracks find the others of their group (an artist, an album) among all grouped tracks.

    Args:
        vectors: `(n, d)` float32 of unit length.
        groups: `(n,)` int64, equal for tracks of one group; below zero for tracks of none.
        fewest: smaller groups are left out, as queries and as answers.

    Returns:
        Means over queries, 0 to 1: `map`, average precision over the whole ranking; `p_at_1`; `p_at_10`, hits in
        ten over what ten could hold. Empty where no group is large enough.
    """
    names, sizes = np.unique(groups[groups >= 0], return_counts=True)
    kept = np.flatnonzero(np.isin(groups, names[sizes >= fewest]))
    if not len(kept):
        return {}
    ranked = groups[kept][np.argsort(-_cosines(vectors[kept]), axis=1, kind="stable")[:, :-1]]
    relevant = ranked == groups[kept][:, None]
    found, ranks = relevant.sum(axis=1), np.arange(1, relevant.shape[1] + 1)
    precision = np.where(relevant, relevant.cumsum(axis=1) / ranks, 0.0).sum(axis=1) / found
    top_ten = relevant[:, :10].sum(axis=1) / np.minimum(10, found)
    means = {"map": precision.mean(), "p_at_1": relevant[:, 0].mean(), "p_at_10": top_ten.mean()}
    return {name: float(mean) for name, mean in means.items()}


def _cosines(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosines of all pairs, `(n, n)`; a vector is farther from itself than from any other."""
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    return cosines
