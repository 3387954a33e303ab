"""The chunk encoder: log-mel chunks in, vectors of unit length out."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hybridrec.config import EncoderConfig
from hybridrec.data.embeddings import unit_length
from hybridrec.encoder.texture import texture, texture_size

ROOT_FLOOR = 1e-4
"""Keeps the slope of a root finite at nothing."""


class ChunkEncoder(nn.Module):
    """A convolutional network beside second-order statistics of the same chunk, half of the embedding each.

    Strided convolutions hear patterns (onsets, partials, figures), wherever in time and pitch
    they are, and which of them come together; `texture` hears the balance and the movement of
    the bands. Each gives a vector of unit length, and the cosine of two embeddings is the mean
    of the two cosines, weighted by `config.convolution_share`. The loudness of a chunk is taken
    out first, so that the same music at half volume is the same music.

    Args:
        config: the shape of the network.
        n_mels: mel bands of the chunks it will hear.
    """

    def __init__(self, config: EncoderConfig, n_mels: int) -> None:
        super().__init__()
        self.config = config
        self.n_mels = n_mels
        self.mels = nn.BatchNorm1d(n_mels, affine=False)
        self.stages = nn.Sequential(*(_stage(*sizes) for sizes in pairwise((1, *config.channels))))
        paired = config.channels[: config.paired_stage][-1]
        self.pairs = nn.Conv2d(paired, config.pairs, 1)
        self.pairs_scale = nn.BatchNorm1d(config.pairs * (config.pairs + 1) // 2, affine=False)
        patterns = config.channels[-1] + self.pairs_scale.num_features
        self.convolution_head = nn.Linear(patterns, config.embedding_size - config.texture_size)
        size = texture_size(n_mels, config.bands)
        self.texture_head = nn.Linear(size, config.texture_size)
        self.texture_mean = nn.Buffer(torch.zeros(size))
        self.texture_deviation = nn.Buffer(torch.ones(size))

    def halves(self, chunks: Tensor) -> tuple[Tensor, Tensor]:
        """Both halves of the vectors of chunks, each of unit length.

        Args:
            chunks: `(n, n_mels, n_frames)` float32 log-mel, of two frames or more.

        Returns:
            `(n, texture_size)` and `(n, embedding_size - texture_size)` float32.
        """
        levelled = _levelled(chunks)
        with torch.no_grad():
            standardised = (
                texture(levelled, self.config.bands) - self.texture_mean
            ) / self.texture_deviation
        heads = self.texture_head(standardised), self.convolution_head(self._patterns(levelled))
        return nn.functional.normalize(heads[0], dim=1), nn.functional.normalize(heads[1], dim=1)

    def _patterns(self, levelled: Tensor) -> Tensor:
        """What the convolutions find: how much of each pattern, and which patterns come together, `(n, k)`.

        The second is bilinear pooling (Lin, RoyChowdhury and Maji 2015), as covariances with signed roots.
        """
        early = self.config.paired_stage
        maps = self.mels(levelled).unsqueeze(1).contiguous(memory_format=torch.channels_last)
        maps = self.stages[:early](maps)
        pairs = self.pairs(maps).flatten(2)
        pairs = pairs - pairs.mean(dim=2, keepdim=True)
        rows, columns = torch.triu_indices(self.config.pairs, self.config.pairs)
        together = (pairs @ pairs.transpose(1, 2) / pairs.shape[2])[:, rows, columns]
        roots = together.sign() * (together.abs() + ROOT_FLOOR).sqrt()
        return torch.cat(
            [self.stages[early:](maps).mean(dim=(2, 3)), self.pairs_scale(roots)], dim=1
        )

    def forward(self, chunks: Tensor) -> Tensor:
        """Vectors of chunks, `(n, n_mels, n_frames)` float32 to `(n, embedding_size)` float32 of unit length."""
        textures, patterns = self.halves(chunks)
        share = self.config.convolution_share
        return torch.cat([math.sqrt(1 - share) * textures, math.sqrt(share) * patterns], dim=1)

    def textures(self, chunks: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the texture head reads of chunks, before it is standardised: see `texture`."""
        with torch.inference_mode():
            read: NDArray[np.float32] = texture(
                _levelled(torch.from_numpy(chunks)), self.config.bands
            ).numpy()
        return read

    def embed(self, chunks: NDArray[np.float32]) -> NDArray[np.float32]:
        """A track's embedding: the mean of its chunks' vectors, renormalised.

        Args:
            chunks: `(n_chunks, n_mels, n_frames)` float32 log-mel, one chunk or more.

        Returns:
            `(embedding_size,)` float32 of unit length.
        """
        training = self.training
        self.eval()
        device = self.texture_head.weight.device
        with torch.inference_mode():
            vectors = self(torch.from_numpy(chunks).to(device)).cpu().numpy()
        self.train(training)
        return unit_length(vectors.mean(axis=0))


def _levelled(chunks: Tensor) -> Tensor:
    return chunks - chunks.mean(dim=(1, 2), keepdim=True)


def _stage(inputs: int, outputs: int) -> nn.Sequential:
    """Halves mels and frames."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def new_encoder(config: EncoderConfig, n_mels: int, seed: int) -> ChunkEncoder:
    """An untrained encoder; the same seed gives the same weights and leaves torch's own random state alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ChunkEncoder(config, n_mels)
