"""The training of a student, with checkpoints that it goes on from."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hybridrec.config import AudioConfig
from hybridrec.encoder.checkpoint import read_tensors, write_atomically, write_tensors
from hybridrec.encoder.distillation.loss import Heads, distillation_losses
from hybridrec.encoder.distillation.sound import Sound
from hybridrec.encoder.distillation.targets import Space, Teachers
from hybridrec.encoder.distillation.views import Scenes, log_mels, masked
from hybridrec.encoder.model import ChunkEncoder
from hybridrec.errors import Conflict


@dataclass(frozen=True)
class DistillationConfig:
    """How long and how a student learns.

    Attributes:
        steps, scenes_per_step: the length.
        learning_rate, weight_decay, warmup_share: AdamW, after a linear warm-up, then a cosine.
        weights: of the parts of the loss.
        temperature: of NT-Xent.
        averaging: decay of the running mean of the weights that is kept in the end.
        calibration_batches: batches that the teachers' space is taken from.
        masked_share: chunks of which mels and frames are hidden.
        seed: of all chance.
    """

    steps: int = 2100
    scenes_per_step: int = 256
    learning_rate: float = 3e-3
    weight_decay: float = 0.03
    warmup_share: float = 0.05
    weights: tuple[tuple[str, float], ...] = (
        ("teachers", 3.0),
        ("space", 2.0),
        ("relations", 10.0),
        ("contrast", 0.1),
    )
    temperature: float = 0.1
    averaging: float = 0.998
    calibration_batches: int = 30
    masked_share: float = 0.3
    seed: int = 0


class Distillation:
    """Everything that changes while a student learns.

    Args:
        student: starts from its weights.
        teachers: what it learns from.
        sound: what they hear.
        bank: `(n_mels, bins)` float32, the student's filterbank.
        audio, config: settings.
    """

    def __init__(
        self,
        student: ChunkEncoder,
        teachers: Teachers,
        sound: Sound,
        bank: Tensor,
        audio: AudioConfig,
        config: DistillationConfig,
    ) -> None:
        self.device = sound.device
        self.student = student.to(self.device)
        self.student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged = copy.deepcopy(self.student)
        self.heads = Heads(student.head.in_features).to(self.device)
        self.teachers, self.sound, self.bank = (
            teachers.to(self.device).eval(),
            sound,
            bank.to(self.device),
        )
        self.audio, self.config, self.step = audio, config, 0
        self.learnt = nn.ModuleDict({"student": self.student, "heads": self.heads})
        self.optimizer = torch.optim.AdamW(
            self.learnt.parameters(), weight_decay=config.weight_decay
        )
        self.space: Space | None = None

    def _dice(self, step: int) -> torch.Generator:
        return torch.Generator(self.device).manual_seed(self.config.seed * 1_000_003 + step)

    def _space(self) -> Space:
        def told(row: int, plain: bool) -> Tensor:
            scenes = Scenes(
                self.sound, self.config.scenes_per_step, self._dice(-1 - row), plain=plain
            )
            answers: Tensor = self.teachers(scenes.clean())
            return answers

        rows = range(self.config.calibration_batches)
        plain = torch.cat([told(row, True) for row in rows])
        mixed = torch.cat([told(row + len(rows), False) for row in rows])
        return Space.of(plain, mixed, self.student.config.embedding_size)

    def learn(self) -> dict[str, Tensor]:
        """Take a step and return the parts of its loss, a scalar each."""
        config, dice = self.config, self._dice(self.step)
        self.space = self.space or self._space()
        self.student.train()
        scenes = Scenes(self.sound, config.scenes_per_step, dice)
        told = self.teachers(scenes.clean()).clone()
        chunks = torch.cat([self._chunks(scenes, dice, spoilt) for spoilt in (False, True)])
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            features = self.student.features(chunks)
        vectors = nn.functional.linear(features, self.student.head.weight, self.student.head.bias)
        parts = distillation_losses(
            vectors, self.heads(features), told, scenes.main, self.space, config.temperature
        )
        loss = torch.stack([weight * parts[name] for name, weight in config.weights]).sum()
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate()
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.learnt.parameters(), 5.0)
        self.optimizer.step()
        self._average()
        self.step += 1
        return {name: part.detach() for name, part in parts.items()}

    @torch.no_grad()
    def _chunks(self, scenes: Scenes, dice: torch.Generator, spoilt: bool) -> Tensor:
        view = scenes.spoilt_view if spoilt else scenes.clean_view
        waves = view(self.audio.chunk_seconds, self.audio.sample_rate_hz)
        return masked(
            log_mels(waves, self.bank, self.audio),
            dice,
            self.config.masked_share if spoilt else 0.0,
        )

    def _rate(self) -> float:
        warmup = self.config.warmup_share * self.config.steps
        if self.step < warmup:
            return self.config.learning_rate * (self.step + 1) / (warmup + 1)
        share = (self.step - warmup) / (self.config.steps - warmup)
        return self.config.learning_rate * 0.5 * (1 + math.cos(math.pi * share))

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.config.averaging, (1 + self.step) / (10 + self.step))
        now = self.student.state_dict()
        means, values = [], []
        for name, mean in self.averaged.state_dict().items():
            if mean.is_floating_point():
                means.append(mean)
                values.append(now[name])
        torch._foreach_lerp_(means, values, 1 - decay)

    def keep(self, path: Path) -> None:
        """Write all that changes to `path`, all or nothing."""
        assert self.space is not None
        tensors = _named("student.", self.student.state_dict()) | _named(
            "averaged.", self.averaged.state_dict()
        )
        tensors |= _named("heads.", self.heads.state_dict()) | _named("space.", vars(self.space))
        for row, moments in self.optimizer.state_dict()["state"].items():
            tensors |= _named(f"optimizer.{row}.", moments)
        arrays = {
            name: np.ascontiguousarray(tensor.numpy(force=True)) for name, tensor in tensors.items()
        }
        write_atomically(
            path, write_tensors(arrays, {"step": self.step, "training": self._identity()})
        )

    def restore(self, path: Path) -> None:
        """Take up what `keep` wrote.

        Raises:
            Conflict: if it belongs to a training with other settings.
        """
        arrays, about = read_tensors(path.read_bytes())
        if about.get("training") != self._identity():
            fix = "use another work folder or delete the file"
            raise Conflict("this training was begun with other settings", got=str(path), fix=fix)
        tensors = {
            name: torch.from_numpy(array.copy()).to(self.device) for name, array in arrays.items()
        }
        for prefix, module in (
            ("student.", self.student),
            ("averaged.", self.averaged),
            ("heads.", self.heads),
        ):
            module.load_state_dict(_under(prefix, tensors))
        self.space = Space(**_under("space.", tensors))
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _under("optimizer.", tensors).items():
            row, _, moment = name.partition(".")
            moments.setdefault(int(row), {})[moment] = tensor
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})
        self.step = int(about["step"])

    def _identity(self) -> dict[str, Any]:
        settings = {
            **asdict(self.config),
            "encoder": self.student.config.to_dict(),
            "audio": self.audio.to_dict(),
        }
        return dict(json.loads(json.dumps(settings)))


def _named(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
