"""The chunk encoder: a convolutional network from log-mel chunks to unit vectors."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hybridrec.config import EncoderConfig
from hybridrec.data.embeddings import unit_length

SQUEEZE = 4
"""Ratio of channels to hidden units in the gates (squeeze-and-excitation; Hu et al. 2018)."""


class ChunkEncoder(nn.Module):
    """A convolutional network in the manner of EfficientNetV2 (Tan and Le 2021).

    Each stage halves mels and frames. Early stages use full convolutions, later ones depthwise
    convolutions with gates. One convolution then spans all remaining frequency rows, which keeps
    low and high bands apart; mean and standard deviation over time are mapped to the embedding.
    Each chunk's mean level is subtracted first, so that volume does not change the embedding.

    Args:
        config: architecture of the network.
        n_mels: mel bands of the chunks.
    """

    def __init__(self, config: EncoderConfig, n_mels: int) -> None:
        super().__init__()
        self.config = config
        self.n_mels = n_mels
        self.mels = nn.BatchNorm1d(n_mels, affine=False)
        channels = config.channels
        layers: list[nn.Module] = [_convolution(1, channels[0], 3, stride=2)]
        for stage, blocks in enumerate(config.blocks):
            gated = stage >= config.fused_stages
            for block in range(blocks):
                inputs = channels[stage + 1] if block else channels[stage]
                make = _GatedBlock if gated else _FusedBlock
                layers.append(
                    make(inputs, channels[stage + 1], config.expansion[stage], 1 if block else 2)
                )
        self.stages = nn.Sequential(*layers)
        rows = n_mels
        for _ in channels:
            rows = (rows + 1) // 2
        self.across = _convolution(channels[-1], config.features, (rows, 1), padding=0)
        self.head = nn.Linear(2 * config.features, config.embedding_size)

    def features(self, chunks: Tensor) -> Tensor:
        """Features of chunks: mean and standard deviation over time of each feature map.

        Args:
            chunks: `(n, n_mels, n_frames)` float32 log-mel.

        Returns:
            `(n, 2 * config.features)` float32.
        """
        levelled = self.mels(chunks - chunks.mean(dim=(1, 2), keepdim=True))
        maps = self.across(self.stages(levelled.unsqueeze(1))).squeeze(2).float()
        mean = maps.mean(dim=2)
        deviation = ((maps - mean.unsqueeze(2)).square().mean(dim=2) + 1e-4).sqrt()
        return torch.cat([mean, deviation], dim=1)

    def forward(self, chunks: Tensor) -> Tensor:
        """Vectors of chunks: `(n, n_mels, n_frames)` to `(n, embedding_size)` of unit length."""
        return nn.functional.normalize(self.head(self.features(chunks)), dim=1)

    def embed(
        self, chunks: NDArray[np.float32], loudness: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """The embedding of a track: the loudness-weighted mean of its chunk vectors, normalised.

        Args:
            chunks: `(n_chunks, n_mels, n_frames)` float32 log-mel, one chunk or more.
            loudness: `(n_chunks,)` float32, weights such as the root mean square of each chunk, so
                that a quiet ending counts little; None weights all chunks equally.

        Returns:
            `(embedding_size,)` float32 of unit length.
        """
        training = self.training
        self.eval()
        device = self.head.weight.device
        with torch.inference_mode():
            vectors = self(torch.from_numpy(chunks).to(device)).cpu().numpy()
        self.train(training)
        return unit_length(np.average(vectors, axis=0, weights=loudness).astype(np.float32))


class _FusedBlock(nn.Module):
    """Fused-MBConv: a full convolution that expands the channels, then a projection."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int) -> None:
        super().__init__()
        inner = expansion * inputs
        self.layers = nn.Sequential(
            _convolution(inputs, inner, 3, stride=stride),
            _convolution(inner, outputs, 1, active=False),
        )
        self.residual = stride == 1 and inputs == outputs

    def forward(self, maps: Tensor) -> Tensor:
        output: Tensor = self.layers(maps)
        return maps + output if self.residual else output


class _GatedBlock(nn.Module):
    """MBConv: expansion, depthwise convolution, squeeze-and-excitation gates, projection."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int) -> None:
        super().__init__()
        inner = expansion * inputs
        self.layers = nn.Sequential(
            _convolution(inputs, inner, 1),
            _convolution(inner, inner, 3, stride=stride, groups=inner),
        )
        self.gates = nn.Sequential(
            nn.Conv2d(inner, inner // SQUEEZE, 1),
            nn.ReLU(),
            nn.Conv2d(inner // SQUEEZE, inner, 1),
            nn.Sigmoid(),
        )
        self.back = _convolution(inner, outputs, 1, active=False)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, maps: Tensor) -> Tensor:
        inner = self.layers(maps)
        output: Tensor = self.back(inner * self.gates(inner.mean(dim=(2, 3), keepdim=True)))
        return maps + output if self.residual else output


def _convolution(
    inputs: int,
    outputs: int,
    size: int | tuple[int, int],
    *,
    stride: int = 1,
    groups: int = 1,
    padding: int | None = None,
    active: bool = True,
) -> nn.Sequential:
    if padding is None:
        assert isinstance(size, int)
        padding = size // 2
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, size, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if active else nn.Sequential(*layers)


def new_encoder(config: EncoderConfig, n_mels: int, seed: int) -> ChunkEncoder:
    """An untrained encoder, determined by the seed; torch's global random state is unchanged."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ChunkEncoder(config, n_mels)
