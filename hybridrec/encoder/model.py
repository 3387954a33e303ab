"""The chunk encoder: log-mel chunks in, vectors of unit length out."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hybridrec.config import EncoderConfig
from hybridrec.data.embeddings import unit_length


class ChunkEncoder(nn.Module):
    """A convolutional network from small filters to broad ones.

    Strided stages of small filters hear local detail (onsets, partials) and
    thin out mels and frames; the last, broad layer spans all mels, because where in the
    spectrum something sounds is timbre; the frames are then averaged and a
    linear layer gives the embedding. The loudness of a chunk is taken out
    first, so that the same music at half volume is the same music.

    Args:
        config: the shape of the network.
        n_mels: mel bands of the chunks it will hear.
    """

    def __init__(self, config: EncoderConfig, n_mels: int) -> None:
        super().__init__()
        self.config = config
        self.n_mels = n_mels
        self.mels = nn.BatchNorm1d(n_mels, affine=False)
        stages = [_stage(1, config.channels[0], size=5, stride=4)]
        stages += [_stage(inputs, outputs, size=3, stride=2) for inputs, outputs in pairwise(config.channels)]
        self.stages = nn.Sequential(*stages)
        height = math.ceil(n_mels / (2 * 2 ** len(config.channels)))
        self.broad = nn.Sequential(
            nn.Conv2d(config.channels[-1], config.broad_channels, (height, 3), padding=(0, 1), bias=False),
            nn.BatchNorm2d(config.broad_channels),
            nn.ReLU(inplace=True),
        )
        self.head = nn.Linear(config.broad_channels, config.embedding_size)

    def features(self, chunks: Tensor) -> Tensor:
        """What the head reads: `(n, n_mels, n_frames)` float32 log-mel to `(n, broad_channels)`, 0 or more."""
        levelled = self.mels(chunks - chunks.mean(dim=(1, 2), keepdim=True))
        maps = self.stages(levelled.unsqueeze(1).contiguous(memory_format=torch.channels_last))
        return cast(Tensor, self.broad(maps).mean(dim=(2, 3)))

    def forward(self, chunks: Tensor) -> Tensor:
        """Vectors of chunks, `(n, n_mels, n_frames)` float32 to `(n, embedding_size)` float32 of unit length."""
        return nn.functional.normalize(self.head(self.features(chunks)), dim=1)

    def embed(self, chunks: NDArray[np.float32]) -> NDArray[np.float32]:
        """A track's embedding: the mean of its chunks' vectors, renormalised.

        Args:
            chunks: `(n_chunks, n_mels, n_frames)` float32 log-mel, one chunk or more.

        Returns:
            `(embedding_size,)` float32 of unit length.
        """
        training = self.training
        self.eval()
        device = self.head.weight.device
        with torch.inference_mode():
            vectors = self(torch.from_numpy(chunks).to(device)).cpu().numpy()
        self.train(training)
        return unit_length(vectors.mean(axis=0))


def _stage(inputs: int, outputs: int, *, size: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def new_encoder(config: EncoderConfig, n_mels: int, seed: int) -> ChunkEncoder:
    """An untrained encoder; the same seed gives the same weights and leaves torch's own random state alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ChunkEncoder(config, n_mels)
