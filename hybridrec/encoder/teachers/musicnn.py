"""MusiCNN (Pons and Serra 2019, ISC licence), trained on the tags of the Million Song Dataset."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from hybridrec.encoder.teachers.bands import slaney_bank
from hybridrec.encoder.teachers.tensorflow_checkpoint import read_checkpoint

SAMPLE_RATE_HZ = 16_000
FFT_SAMPLES, HOP_SAMPLES, N_MELS = 512, 256, 96
WINDOW_FRAMES = 187
BATCH_NORM_EPSILON = 1e-3
PENULTIMATE_SIZE, POOLED_SIZE = 200, 1506


class MusiCNN(nn.Module):
    """The network up to its penultimate layer and tags, in evaluation only.

    Args:
        directory: of the package's model, such as `musicnn/MSD_musicnn`.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__()
        for name, array in read_checkpoint(directory).items():
            self.register_buffer(name.replace("/", "__"), torch.from_numpy(array.copy()))
        bank = slaney_bank(SAMPLE_RATE_HZ, FFT_SAMPLES, N_MELS, 0.0, SAMPLE_RATE_HZ / 2)
        self.register_buffer("bank", torch.from_numpy(bank))
        self.register_buffer("window", torch.hann_window(FFT_SAMPLES))

    def windows(self, waves: Tensor) -> Tensor:
        """Log-mel windows of 3 s, side by side.

        Args:
            waves: `(n, n_samples)` float32 mono at 16 kHz, of 3 s or longer.

        Returns:
            `(n, n_windows, WINDOW_FRAMES, N_MELS)` float32.
        """
        spectrum = torch.stft(
            waves,
            FFT_SAMPLES,
            HOP_SAMPLES,
            window=self.get_buffer("window"),
            pad_mode="constant",
            return_complex=True,
        )
        mel = self.get_buffer("bank") @ (spectrum.real.square() + spectrum.imag.square())
        levels = torch.log10(1 + 10_000 * mel).transpose(1, 2)
        count = levels.shape[1] // WINDOW_FRAMES
        return levels[:, : count * WINDOW_FRAMES].reshape(len(waves), count, WINDOW_FRAMES, N_MELS)

    def forward(self, waves: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Means over windows: penultimate `(n, 200)`, pooled `(n, 1506)` and tags `(n, 50)`.

        Args:
            waves: as `windows` takes them.
        """
        windows = self.windows(waves)
        n, count = windows.shape[:2]
        penultimate, pooled, tags = (
            each.float().reshape(n, count, -1).mean(dim=1)
            for each in self.layers(windows.flatten(0, 1))
        )
        return penultimate, pooled, tags

    def layers(self, windows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Penultimate layer, pooled features and tags of `(n, frames, mels)` windows."""
        levels = self._norm(windows.unsqueeze(1), 0)
        padded = nn.functional.pad(levels, (0, 0, 3, 3))
        front = [self._band(padded, 0), self._band(padded, 1)]
        for layer, length in ((2, 128), (3, 64), (4, 32)):
            before = (length - 1) // 2
            front.append(
                self._band(nn.functional.pad(levels, (0, 0, before, length - 1 - before)), layer)
            )
        maps = [torch.cat(front, dim=1)]
        maps.append(self._middle(maps[0], 5))
        maps.append(self._middle(maps[1], 6) + maps[1])
        maps.append(self._middle(maps[2], 7) + maps[2])
        together = torch.cat(maps, dim=1)
        pooled = torch.stack([together.amax(dim=2), together.mean(dim=2)], dim=2).flatten(1)
        dense = self._norm(pooled, 9) @ self._get("dense/kernel") + self._get("dense/bias")
        penultimate = self._norm(dense.relu(), 10)
        tags = penultimate @ self._get("dense_1/kernel") + self._get("dense_1/bias")
        return penultimate, pooled, tags.sigmoid()

    def _band(self, levels: Tensor, layer: int) -> Tensor:
        """A convolution of the front end, its maximum over frequency, `(n, channels, frames)`.

        The maximum is taken before ReLU and normalisation, which keep or turn the order.
        """
        kernel = self._get(f"conv2d{_suffix(layer)}/kernel").permute(3, 2, 0, 1)
        found = nn.functional.conv2d(levels, kernel, self._get(f"conv2d{_suffix(layer)}/bias"))
        rising = self._get(f"batch_normalization{_suffix(layer + 1)}/gamma")[:, None] > 0
        extreme = torch.where(rising, found.amax(dim=3), found.amin(dim=3))
        return self._norm(extreme.relu(), layer + 1)

    def _middle(self, maps: Tensor, layer: int) -> Tensor:
        kernel = self._get(f"conv2d{_suffix(layer)}/kernel")[:, :, 0].permute(2, 1, 0)
        found = nn.functional.conv1d(
            maps, kernel, self._get(f"conv2d{_suffix(layer)}/bias"), padding=3
        )
        return self._norm(found.relu(), layer + 1)

    def _norm(self, maps: Tensor, layer: int) -> Tensor:
        name = f"batch_normalization{_suffix(layer)}"
        mean, variance, scale, shift = (
            self._get(f"{name}/{part}")
            for part in ("moving_mean", "moving_variance", "gamma", "beta")
        )
        return nn.functional.batch_norm(maps, mean, variance, scale, shift, eps=BATCH_NORM_EPSILON)

    def _get(self, name: str) -> Tensor:
        return self.get_buffer(name.replace("/", "__"))


def _suffix(layer: int) -> str:
    return f"_{layer}" if layer else ""
