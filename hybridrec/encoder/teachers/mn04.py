"""EfficientAT mn04 (Schmid et al. 2023, MIT licence): a MobileNetV3 trained on AudioSet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from hybridrec.encoder.teachers.bands import kaldi_bank

SAMPLE_RATE_HZ = 32_000
FFT_SAMPLES, WINDOW_SAMPLES, HOP_SAMPLES, N_MELS = 1024, 800, 320, 128
TOP_HZ = 15_000.0
PREEMPHASIS = 0.97
BATCH_NORM_EPSILON = 1e-3
FEATURE_SIZE = 384
STRIDES = (1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1)
FIRST_HARD_SWISH = 7
"""Blocks from this one on use hard swish, those before it ReLU."""


class MN04(nn.Module):
    """The network up to its last feature map, and AudioSet's classes, in evaluation only.

    Args:
        path: the weights as npz, by the names of EfficientAT.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        with np.load(path, allow_pickle=False) as arrays:
            weights = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
        for name, tensor in _folded(weights).items():
            self.register_buffer(name.replace(".", "__"), tensor)
        bank = kaldi_bank(SAMPLE_RATE_HZ, FFT_SAMPLES, N_MELS, TOP_HZ)
        self.register_buffer("bank", torch.from_numpy(bank))
        self.register_buffer("window", torch.hann_window(WINDOW_SAMPLES, periodic=False))

    def levels(self, waves: Tensor) -> Tensor:
        """Log-mel levels, `(n, n_samples)` float32 mono at 32 kHz to `(n, 1, N_MELS, n_frames)`."""
        waves = waves[:, 1:] - PREEMPHASIS * waves[:, :-1]
        spectrum = torch.stft(
            waves,
            FFT_SAMPLES,
            HOP_SAMPLES,
            WINDOW_SAMPLES,
            window=self.get_buffer("window"),
            return_complex=True,
        )
        mel = self.get_buffer("bank") @ (spectrum.real.square() + spectrum.imag.square())
        return (((mel + 1e-5).log() + 4.5) / 5).unsqueeze(1)

    def forward(self, waves: Tensor) -> tuple[Tensor, Tensor]:
        """Features `(n, 384)` and class logits `(n, 527)` of `(n, n_samples)` waves at 32 kHz."""
        return self.layers(self.levels(waves))

    def layers(self, levels: Tensor) -> tuple[Tensor, Tensor]:
        """The same from `levels`."""
        maps = nn.functional.hardswish(self._convolution(levels, "features.0", 2))
        for row, stride in enumerate(STRIDES, start=1):
            maps = self._block(maps, row, stride)
        maps = nn.functional.hardswish(self._convolution(maps, "features.16"))
        features = maps.mean(dim=(2, 3))
        hidden = nn.functional.hardswish(self._linear(features, "classifier.2"))
        return features.float(), self._linear(hidden, "classifier.5").float()

    def _block(self, maps: Tensor, row: int, stride: int) -> Tensor:
        """An inverted residual block (Howard et al. 2019)."""
        active = nn.functional.hardswish if row >= FIRST_HARD_SWISH else nn.functional.relu
        name, layer = f"features.{row}.block", 0
        inner = maps
        if row > 1:
            inner, layer = active(self._convolution(inner, f"{name}.0")), 1
        inner = active(self._convolution(inner, f"{name}.{layer}", stride))
        squeeze = f"{name}.{layer + 1}.conc_se_layers.0"
        if self._has(f"{squeeze}.fc1.weight"):
            means = self._linear(inner.mean(dim=(2, 3)), f"{squeeze}.fc1").relu()
            inner = inner * self._linear(means, f"{squeeze}.fc2").sigmoid()[:, :, None, None]
            layer += 1
        inner = self._convolution(inner, f"{name}.{layer + 1}")
        return maps + inner if inner.shape == maps.shape else inner

    def _convolution(self, maps: Tensor, name: str, stride: int = 1) -> Tensor:
        kernel = self._get(f"{name}.0.weight")
        groups = maps.shape[1] // kernel.shape[1]
        return nn.functional.conv2d(
            maps, kernel, self._get(f"{name}.0.bias"), stride, kernel.shape[-1] // 2, groups=groups
        )

    def _linear(self, rows: Tensor, name: str) -> Tensor:
        return nn.functional.linear(rows, self._get(f"{name}.weight"), self._get(f"{name}.bias"))

    def _get(self, name: str) -> Tensor:
        return self.get_buffer(name.replace(".", "__"))

    def _has(self, name: str) -> bool:
        return name.replace(".", "__") in self._buffers


def _folded(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Each batch normalisation taken into the convolution before it."""
    folded = {
        name: tensor for name, tensor in weights.items() if "fc" in name or "classifier" in name
    }
    for name, variance in weights.items():
        if name.endswith(".running_var"):
            layer = name.removesuffix(".1.running_var")
            scale = weights[f"{layer}.1.weight"] / (variance + BATCH_NORM_EPSILON).sqrt()
            folded[f"{layer}.0.weight"] = weights[f"{layer}.0.weight"] * scale[:, None, None, None]
            folded[f"{layer}.0.bias"] = (
                weights[f"{layer}.1.bias"] - weights[f"{layer}.1.running_mean"] * scale
            )
    return folded
