"""The contrastive loss: two chunks of one track attract, chunks of different tracks repel."""

from __future__ import annotations

import torch
from torch import Tensor


def nt_xent(
    first: Tensor, second: Tensor, *, temperature: float, groups: Tensor | None = None
) -> Tensor:
    """Normalised temperature-scaled cross entropy (NT-Xent; Chen et al. 2020, "SimCLR", eq. 1).

    Row i of `first` and row i of `second` come from one track and are each other's
    positive among all other rows. Tracks of one group (an album) may sound alike:
    with `groups` they are masked out, neither positives nor negatives.

    Args:
        first, second: `(n, d)` float32 of unit length.
        temperature: above 0.
        groups: `(n,)` int64; equal numbers are one group. None puts each track on its own.

    Returns:
        Scalar, the mean over all 2 n rows.
    """
    n = len(first)
    rows = torch.cat([first, second])
    track = torch.arange(n, device=rows.device)
    group = (track if groups is None else groups).repeat(2)
    partner = torch.cat([track + n, track])
    masked = group[:, None] == group
    masked[torch.arange(2 * n), partner] = False
    logits = (rows @ rows.T / temperature).masked_fill(masked, torch.finfo(rows.dtype).min)
    return torch.nn.functional.cross_entropy(logits, partner)
