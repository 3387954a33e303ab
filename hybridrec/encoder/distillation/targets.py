"""The student's targets: the teachers' answers, standardised, and their common space."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from hybridrec.encoder.distillation.sound import RATE_HZ
from hybridrec.encoder.teachers.mn04 import FEATURE_SIZE, MN04
from hybridrec.encoder.teachers.musicnn import PENULTIMATE_SIZE, POOLED_SIZE, MusiCNN
from hybridrec.encoder.teachers.musicnn import SAMPLE_RATE_HZ as MUSICNN_RATE_HZ

SIZES = (FEATURE_SIZE, PENULTIMATE_SIZE, POOLED_SIZE)
CLIP = 5.0
"""Standardised answers are cut here; the pooled maxima have long tails."""


class Teachers(nn.Module):
    """One answer a scene: mn04, MusiCNN's penultimate layer and its pooled features.

    Args:
        mn04: weights as npz.
        musicnn: folder of the model.
    """

    def __init__(self, mn04: Path, musicnn: Path) -> None:
        super().__init__()
        self.mn04 = MN04(mn04)
        self.musicnn = MusiCNN(musicnn)

    @torch.inference_mode()
    def forward(self, scenes: Tensor) -> Tensor:
        """`(n, n_samples)` float32 scenes at RATE_HZ to `(n, sum(SIZES))` float32."""
        count = scenes.shape[1] * MUSICNN_RATE_HZ // RATE_HZ
        slower = torch.fft.irfft(torch.fft.rfft(scenes)[:, : count // 2 + 1], count) * (
            count / scenes.shape[1]
        )
        levels, windows = self.mn04.levels(scenes), self.musicnn.windows(slower)
        with torch.autocast(
            scenes.device.type, torch.bfloat16, enabled=scenes.device.type == "cuda"
        ):
            features, _ = self.mn04.layers(levels.contiguous(memory_format=torch.channels_last))
            penultimate, pooled, _ = self.musicnn.layers(windows.flatten(0, 1))
        n, count = windows.shape[:2]
        per_scene = (
            each.float().reshape(n, count, -1).mean(dim=1) for each in (penultimate, pooled)
        )
        return torch.cat([features.float(), *per_scene], dim=1)


@dataclass(frozen=True)
class Space:
    """How raw answers become targets.

    Attributes:
        mean, deviation: `(sum(SIZES),)` of the teachers' answers to plain music.
        axes: `(sum(SIZES), embedding_size)`, principal components of
            answers of equal weight a teacher.
    """

    mean: Tensor
    deviation: Tensor
    axes: Tensor

    @classmethod
    def of(cls, plain: Tensor, mixed: Tensor, embedding_size: int) -> Space:
        """Standardised by answers to plain music, with the components of those to all scenes.

        Args:
            plain, mixed: `(n, sum(SIZES))` float32.
            embedding_size: number of components.
        """
        mean, deviation = plain.mean(dim=0), plain.std(dim=0)
        deviation = torch.where(deviation > 1e-3 * deviation.median(), deviation, torch.inf)
        joint = cls(mean, deviation, torch.empty(0)).joint(mixed)
        joint = joint - joint.mean(dim=0)
        _, axes = torch.linalg.eigh(joint.T @ joint / len(joint))
        return cls(mean, deviation, axes[:, -embedding_size:].flip(1))

    def standardised(self, answers: Tensor) -> tuple[Tensor, ...]:
        """One `(n, size)` a teacher."""
        return torch.split_with_sizes(
            ((answers - self.mean) / self.deviation).clamp(-CLIP, CLIP), SIZES, dim=1
        )

    def joint(self, answers: Tensor) -> Tensor:
        """All teachers side by side, each of unit length, `(n, sum(SIZES))`."""
        return torch.cat(
            [nn.functional.normalize(part, dim=1) for part in self.standardised(answers)], dim=1
        )
