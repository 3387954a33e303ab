"""The contrastive loss: two chunks of a track attract, chunks of other tracks repel."""

from __future__ import annotations

import torch
from torch import Tensor


def nt_xent(
    first: Tensor,
    second: Tensor,
    *,
    temperature: float,
    groups: Tensor | None = None,
    group_weight: float = 0.0,
) -> Tensor:
    """Normalised temperature-scaled cross entropy (NT-Xent; Chen et al. 2020, "SimCLR", eq. 1).

    Row i of `first` and row i of `second` come from one track and must find each
    other among all other rows. Tracks of one group (an album) may sound alike
    for a good reason, so with `groups` they are no longer pushed apart: left
    out at a `group_weight` of 0, and above it alike to that degree (supervised
    contrastive learning; Khosla et al. 2020, eq. 2).

    Args:
        first, second: `(n, d)` float32 of unit length.
        temperature: above 0.
        groups: `(n,)` int64; equal numbers are one group. None puts each track on its own.
        group_weight: 0 to 1, against 1 for the other chunk of the same track.

    Returns:
        Scalar, the mean over all 2 n rows.
    """
    n = len(first)
    rows = torch.cat([first, second])
    track = torch.arange(n, device=rows.device).repeat(2)
    group = track if groups is None else groups.repeat(2)
    itself = torch.eye(2 * n, dtype=torch.bool, device=rows.device)
    partner = (track[:, None] == track) & ~itself
    companion = (group[:, None] == group) & ~itself & ~partner
    hidden = itself | companion if group_weight == 0 else itself
    logits = (rows @ rows.T / temperature).masked_fill(hidden, torch.finfo(rows.dtype).min)
    target = partner.to(rows.dtype) + group_weight * companion.to(rows.dtype)
    target = target / target.sum(dim=1, keepdim=True)
    return -(target * torch.log_softmax(logits, dim=1)).sum(dim=1).mean()
