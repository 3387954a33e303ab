"""Contrastive training of a chunk encoder: seeded, resumable, and the same code on any device."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import PARAM_LIST, AveragedModel

from hybridrec.config import TrainingConfig
from hybridrec.encoder.checkpoint import read_tensors, write_atomically, write_tensors
from hybridrec.encoder.loss import nt_xent
from hybridrec.encoder.model import ChunkEncoder
from hybridrec.errors import Conflict


@dataclass(frozen=True)
class Pairs:
    """Two chunks each of some tracks.

    Attributes:
        first, second: `(n, n_mels, n_frames)` float32 log-mel; row i of both is one track.
        groups: `(n,)` int64, equal for tracks that may sound alike (one album), or None.
    """

    first: NDArray[np.float32]
    second: NDArray[np.float32]
    groups: NDArray[np.int64] | None = None


PairSource = Callable[[np.random.Generator, int], Pairs]
"""Draws pairs of a number of tracks, with no other source of randomness than the generator."""

Validation = Callable[[ChunkEncoder], dict[str, float]]
"""Metrics of an encoder on held-out tracks, by name."""


@dataclass(frozen=True)
class EpochReport:
    """State of training after an epoch.

    Attributes:
        epoch: its number, from 1.
        loss: mean over the steps of the epoch.
        figures: metrics on held-out tracks; empty without validation.
    """

    epoch: int
    loss: float
    figures: dict[str, float]


def train(
    model: ChunkEncoder,
    pairs: PairSource,
    config: TrainingConfig,
    *,
    seed: int,
    validate: Validation | None = None,
    on_epoch: Callable[[EpochReport], None] | None = None,
    state_path: Path | None = None,
    device: str = "cpu",
) -> tuple[ChunkEncoder, list[EpochReport]]:
    """Train on pairs of chunks; return the averaged encoder and one report per epoch.

    Each step draws its pairs from a generator seeded with the seed and the step
    number, so resuming from a saved state gives the result of an uninterrupted
    run. On one device with one thread count the result repeats exactly;
    elsewhere within the rounding of float32.

    Args:
        model: initial weights; changed in place.
        pairs: source of positive pairs.
        config: length and hyperparameters.
        seed: of the draws.
        validate: metrics of the averaged encoder, computed after each epoch.
        on_epoch: called after each epoch, once its state is on disk.
        state_path: file for the state between epochs; None saves no state.
        device: torch device name.

    Raises:
        Conflict: if the state at `state_path` belongs to another seed or other settings.
        InvalidInput: if that state is damaged.
    """
    training = _Training(model.to(device), config, seed)
    reports = training.restore(state_path) if state_path is not None and state_path.exists() else []
    for epoch in range(len(reports) + 1, config.epochs + 1):
        loss = training.epoch(pairs, epoch)
        reports.append(EpochReport(epoch, loss, validate(training.averaged) if validate else {}))
        if state_path is not None:
            training.save(state_path, reports)
        if on_epoch is not None:
            on_epoch(reports[-1])
    return training.averaged.cpu().eval(), reports


class _Training:
    """Model, weight average, optimizer and learning-rate schedule of one run."""

    def __init__(self, model: ChunkEncoder, config: TrainingConfig, seed: int) -> None:
        self.config = config
        self.seed = seed
        self.model = model
        self.average = AveragedModel(
            model, multi_avg_fn=partial(_update_average, config.averaging), use_buffers=True
        )
        self.device = model.head.weight.device
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.schedule = self._schedule(-1)

    @property
    def averaged(self) -> ChunkEncoder:
        """The encoder with averaged weights."""
        return cast(ChunkEncoder, self.average.module)

    def _schedule(self, last_step: int) -> LambdaLR:
        factor = partial(learning_rate_factor, self.config)
        return LambdaLR(self.optimizer, factor, last_epoch=last_step)

    def epoch(self, pairs: PairSource, epoch: int) -> float:
        """Run the steps of an epoch (numbered from 1) and return their mean loss."""
        self.model.train()
        first_step = (epoch - 1) * self.config.steps_per_epoch
        losses = [self._step(pairs, first_step + i) for i in range(self.config.steps_per_epoch)]
        return float(np.mean(losses))

    def _step(self, pairs: PairSource, step: int) -> float:
        config = self.config
        drawn = pairs(np.random.default_rng((self.seed, step)), config.tracks_per_step)
        chunks = torch.from_numpy(np.concatenate([drawn.first, drawn.second])).to(self.device)
        groups = None if drawn.groups is None else torch.from_numpy(drawn.groups).to(self.device)
        first, second = self.model(chunks).chunk(2)
        loss = nt_xent(first, second, temperature=config.temperature, groups=groups)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self.optimizer.step()
        self.schedule.step()
        self.average.update_parameters(self.model)
        return float(loss.detach())

    def save(self, path: Path, reports: list[EpochReport]) -> None:
        """Write the state to `path`, all or nothing."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {
            f"averaged.{name}": tensor for name, tensor in self.averaged.state_dict().items()
        }
        for row, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{row}.{name}": tensor for name, tensor in moments.items()}
        metadata = {"training": self._identity(), "reports": [asdict(report) for report in reports]}
        arrays = {
            name: np.ascontiguousarray(tensor.numpy(force=True)) for name, tensor in tensors.items()
        }
        write_atomically(path, write_tensors(arrays, metadata))

    def restore(self, path: Path) -> list[EpochReport]:
        """Load the state at `path` and return the reports of its epochs.

        Raises:
            Conflict: if it belongs to another seed or other settings.
            InvalidInput: if it is damaged.
        """
        arrays, metadata = read_tensors(path.read_bytes())
        if metadata.get("training") != self._identity():
            raise Conflict(
                "the saved training state has other settings",
                got=str(path),
                fix="use another path or delete the file",
            )
        tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
        self.model.load_state_dict(_under("model.", tensors))
        self.averaged.load_state_dict(_under("averaged.", tensors))
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _under("optimizer.", tensors).items():
            row, _, moment = name.partition(".")
            moments.setdefault(int(row), {})[moment] = tensor
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})
        reports = [EpochReport(**report) for report in metadata["reports"]]
        steps = len(reports) * self.config.steps_per_epoch
        # The file holds no counters: schedule and averaging depend on the number of steps alone.
        self.average.n_averaged.fill_(steps)
        self.schedule = self._schedule(steps - 1)
        return reports

    def _identity(self) -> dict[str, Any]:
        settings = {
            **self.config.to_dict(),
            "seed": self.seed,
            "encoder": self.model.config.to_dict(),
        }
        return dict(json.loads(json.dumps(settings)))


def learning_rate_factor(config: TrainingConfig, step: int) -> float:
    """Share of `config.learning_rate` to use at a step, counted from 0.

    Linear warm-up, then half a cosine to zero (Loshchilov and Hutter 2017, "SGDR").
    """
    steps = config.epochs * config.steps_per_epoch
    warmup = config.warmup_share * steps
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))


def _update_average(
    decay: float, averages: PARAM_LIST, currents: PARAM_LIST, n_averaged: Tensor | int
) -> None:
    """Update an exponential moving average whose decay rises to `decay`.

    Fewer steps count at first, because early weights are soon outdated.
    """
    n = int(n_averaged)
    weight = 1 - min(decay, (1 + n) / (10 + n))
    for average, current in zip(averages, currents, strict=True):
        if average.is_floating_point():
            average.lerp_(current, weight)
        else:  # BatchNorm's count of batches
            average.copy_(current)


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
