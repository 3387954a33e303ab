"""Contrastive training of a chunk encoder: seeded, resumable, and the same code on any device."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

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
"""Draws pairs of a number of tracks; all chance comes from the generator that it is given."""

Validation = Callable[[ChunkEncoder], dict[str, float]]
"""Figures of an encoder on tracks that training never sees."""


@dataclass(frozen=True)
class EpochReport:
    """How training stands after an epoch: its number from 1, the mean loss, and the held-out figures."""

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
    """Train on pairs of chunks and return the averaged encoder with one report an epoch.

    Each step draws its pairs from a generator of the seed and the step number
    alone, so an interrupted training that finds its state again does what the
    uninterrupted one would have done. On one device with one thread count the
    result repeats exactly; elsewhere within the rounding of float32.

    Args:
        model: where to start; changed in place.
        pairs: where chunks come from.
        config: length and recipe.
        seed: of the draws.
        validate: figures after each epoch, of the averaged encoder.
        on_epoch: called after each epoch, once its state is on disk.
        state_path: where the state is kept between epochs; None keeps none.
        device: as torch names it.

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
            training.keep(state_path, reports)
        if on_epoch is not None:
            on_epoch(reports[-1])
    return training.averaged.cpu().eval(), reports


class _Training:
    """Everything that changes while training runs."""

    def __init__(self, model: ChunkEncoder, config: TrainingConfig, seed: int) -> None:
        self.config = config
        self.seed = seed
        self.model = model
        self.averaged = copy.deepcopy(model)
        self.device = model.head.weight.device
        self.optimizer = torch.optim.AdamW(model.parameters(), weight_decay=config.weight_decay)

    def epoch(self, pairs: PairSource, epoch: int) -> float:
        """Take the steps of an epoch (from 1) and return their mean loss."""
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
        for settings in self.optimizer.param_groups:
            settings["lr"] = learning_rate(config, step)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self.optimizer.step()
        self._average(step)
        return float(loss.detach())

    def _average(self, step: int) -> None:
        """Move the running mean towards the weights; the first steps count less, as they are soon outdated."""
        decay = min(self.config.averaging, (1 + step) / (10 + step))
        now = self.model.state_dict()
        for name, mean in self.averaged.state_dict().items():
            if mean.is_floating_point():
                mean.lerp_(now[name], 1 - decay)
            else:
                mean.copy_(now[name])

    def keep(self, path: Path, reports: list[EpochReport]) -> None:
        """Write the state to `path`, all or nothing."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {
            f"averaged.{name}": tensor for name, tensor in self.averaged.state_dict().items()
        }
        for row, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{row}.{name}": tensor for name, tensor in moments.items()}
        about = {"training": self._identity(), "reports": [asdict(report) for report in reports]}
        arrays = {
            name: np.ascontiguousarray(tensor.numpy(force=True)) for name, tensor in tensors.items()
        }
        write_atomically(path, write_tensors(arrays, about))

    def restore(self, path: Path) -> list[EpochReport]:
        """Take up the state at `path` and return the reports so far."""
        arrays, about = read_tensors(path.read_bytes())
        if about.get("training") != self._identity():
            raise Conflict(
                "this training was begun with other settings",
                got=str(path),
                fix="use another place or delete the file",
            )
        tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
        self.model.load_state_dict(_under("model.", tensors))
        self.averaged.load_state_dict(_under("averaged.", tensors))
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _under("optimizer.", tensors).items():
            row, _, moment = name.partition(".")
            moments.setdefault(int(row), {})[moment] = tensor
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})
        return [EpochReport(**report) for report in about["reports"]]

    def _identity(self) -> dict[str, Any]:
        settings = {
            **self.config.to_dict(),
            "seed": self.seed,
            "encoder": self.model.config.to_dict(),
        }
        return dict(json.loads(json.dumps(settings)))


def learning_rate(config: TrainingConfig, step: int) -> float:
    """The learning rate at a step from 0: linear warm-up, then half a cosine to zero (Loshchilov and Hutter 2017)."""
    steps = config.epochs * config.steps_per_epoch
    warmup = config.warmup_share * steps
    if step < warmup:
        return config.learning_rate * (step + 1) / (warmup + 1)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
