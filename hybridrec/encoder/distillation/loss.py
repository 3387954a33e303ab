"""What is asked of a student."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hybridrec.encoder.distillation.targets import SIZES, Space
from hybridrec.encoder.loss import nt_xent


class Heads(nn.Module):
    """From the student's features to each teacher's answer; thrown away after training."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(features, size) for size in SIZES)

    def forward(self, features: Tensor) -> list[Tensor]:
        """`(n, features)` to one `(n, size)` a teacher."""
        return [head(features) for head in self.heads]


def distillation_losses(
    vectors: Tensor,
    answers: list[Tensor],
    told: Tensor,
    tracks: Tensor,
    space: Space,
    temperature: float,
) -> dict[str, Tensor]:
    """Each part of the loss, a scalar each.

    `teachers`: each head against its teacher, one less the cosine. `space`: the same of the
    embedding against the principal components of all teachers. `relations`: the cosines of all
    pairs of embeddings against the teachers' (relational distillation; Park et al. 2019).
    `contrast`: NT-Xent between the two views of a scene.

    Args:
        vectors: `(2 n, embedding_size)`, of the first views of all scenes, then of the second.
        answers: of the heads, `(2 n, size)` each.
        told: `(n, sum(SIZES))`, what the teachers said.
        tracks: `(n,)` int64; scenes of one track are no contrast to each other.
        space: how that becomes targets.
        temperature: of NT-Xent.
    """
    wanted = [part.repeat(2, 1) for part in space.standardised(told)]
    joint = space.joint(told)
    unit = nn.functional.normalize(vectors, dim=1)
    target = nn.functional.normalize(joint @ space.axes, dim=1).repeat(2, 1)
    other = ~torch.eye(len(told), dtype=torch.bool, device=told.device).repeat(2, 2)
    cosines = nn.functional.normalize(joint, dim=1) @ nn.functional.normalize(joint, dim=1).T
    gaps = (unit @ unit.T - cosines.repeat(2, 2))[other]
    first, second = unit.chunk(2)
    return {
        "teachers": torch.stack(
            [_distance(*pair) for pair in zip(answers, wanted, strict=True)]
        ).mean(),
        "space": (1 - (unit * target).sum(dim=1)).mean(),
        "relations": gaps.square().mean(),
        "contrast": nt_xent(first, second, temperature=temperature, groups=tracks),
    }


def _distance(given: Tensor, wanted: Tensor) -> Tensor:
    return (1 - nn.functional.cosine_similarity(given, wanted, dim=1)).mean()
