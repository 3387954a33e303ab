"""The texture of a chunk: how loud its bands are, how much they move, and which of them move together."""

from __future__ import annotations

import torch
from torch import Tensor, nn

SHRINKAGE = 1e-2
"""Added to a covariance's diagonal, in shares of its mean: steadies its logarithm where bands are all but empty."""

SILENCE = 1e-8
"""A variance far below that of any music; keeps the logarithm finite where there is no sound at all."""


def texture(chunks: Tensor, bands: int) -> Tensor:
    """Statistics of chunks over time, without regard to order beyond neighbouring frames.

    The level of each mel, its deviation and that of its change from frame to frame; then the
    covariance of broader bands and of their changes, as one Gaussian a chunk (Mandel and Ellis
    2005), taken through the matrix logarithm, in which plain distances are those between
    covariances (log-Euclidean metric; Arsigny et al. 2006).

    Args:
        chunks: `(n, n_mels, n_frames)` float32 log-mel, two frames or more.
        bands: into how many bands the mels are averaged for the covariance.

    Returns:
        `(n, texture_size(n_mels, bands))` float32.
    """
    changes = chunks.diff(dim=2)
    broad = nn.functional.adaptive_avg_pool1d(chunks.transpose(1, 2), bands).transpose(1, 2)
    moving = torch.cat([broad[:, :, 1:], broad.diff(dim=2)], dim=1).double()
    moving = moving - moving.mean(dim=2, keepdim=True)
    covariance = moving @ moving.transpose(1, 2) / moving.shape[2]
    floor = SHRINKAGE * covariance.diagonal(dim1=1, dim2=2).mean(dim=1) + SILENCE
    variances, directions = torch.linalg.eigh(covariance)
    logarithms = (variances.clamp(min=0) + floor[:, None]).log()
    logarithm = (directions * logarithms[:, None, :]) @ directions.transpose(1, 2)
    rows, columns = torch.triu_indices(2 * bands, 2 * bands)
    levels = [
        chunks.mean(dim=2),
        chunks.std(dim=2, unbiased=False),
        changes.std(dim=2, unbiased=False),
    ]
    return torch.cat([*levels, logarithm[:, rows, columns].to(chunks.dtype)], dim=1)


def texture_size(n_mels: int, bands: int) -> int:
    """How many numbers `texture` gives."""
    return 3 * n_mels + bands * (2 * bands + 1)
