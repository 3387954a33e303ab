"""Scenes made of tracks, for the teachers, and as users' files have them, for the student."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hybridrec.config import AudioConfig
from hybridrec.encoder.distillation.sound import RATE_HZ, Sound

SCENE_SECONDS = 10
KNOTS_HZ = (0.0, 60.0, 150.0, 400.0, 1000.0, 2500.0, 6000.0, 16_000.0)
"""Where the equaliser's curve is drawn by chance."""
ROOM_SECONDS = 0.6
MOST_RATE = 1.07
"""How much faster than its scene a spoilt view may run."""


@dataclass(frozen=True)
class Layer:
    """Tracks that sound in some of the scenes, all fields `(n,)`."""

    scenes: Tensor
    rows: Tensor
    offset: Tensor
    rate: Tensor
    gain: Tensor


class Scenes:
    """Scenes of SCENE_SECONDS: a track at some speed, often another or a voice over it.

    Args:
        sound: what is drawn from.
        n: how many scenes.
        dice: all chance, on the device of the sound.
        plain: a track as it is and nothing else.
    """

    def __init__(self, sound: Sound, n: int, dice: torch.Generator, *, plain: bool = False) -> None:
        self.sound, self.n, self.dice, self.device = sound, n, dice, sound.device
        everyone = torch.arange(n, device=self.device)
        rows = torch.multinomial(sound.weights.to(self.device), n, replacement=True, generator=dice)
        self.main = rows
        self.heard = torch.empty(0)
        self.layers = [
            self._layer(everyone, rows, 0.0 if plain else 0.18, torch.ones(n, device=self.device))
        ]
        self.equaliser = torch.zeros((n, len(KNOTS_HZ)), device=self.device)
        self.level = self._uniform(0.6, 1.0) if plain else self._uniform(0.25, 1.0)
        if plain:
            return
        mixed = self._some(0.35)
        self.layers.append(
            self._layer(
                mixed, rows[torch.randperm(n, generator=dice, device=self.device)][mixed], 0.18
            )
        )
        if len(sound.voices):
            sung = self._some(0.15)
            self.layers.append(
                self._layer(sung, self._voices(len(sung)), 0.1, self._ratio(-6, 6, len(sung)))
            )
        drawn = torch.randn((n, len(KNOTS_HZ)), generator=dice, device=self.device) * 4
        self.equaliser = drawn * (self._uniform(0, 1) < 0.5)[:, None]

    def clean(self) -> Tensor:
        """What the teachers hear, `(n, SCENE_SECONDS * RATE_HZ)` float32."""
        waves = self._mixed(
            torch.zeros(self.n, dtype=torch.long, device=self.device), 0.0, 1.0, SCENE_SECONDS
        )
        spectrum = torch.fft.rfft(waves) * self._curve(waves.shape[1], self.equaliser)
        waves = torch.fft.irfft(spectrum, waves.shape[1])
        self.heard = waves * (self.level / waves.abs().amax(dim=1).clamp_min(1e-4))[:, None]
        return self.heard

    def clean_view(self, seconds: float, rate_hz: int) -> Tensor:
        """Stretches of what the teachers got, at the student's rate, `(n, n_samples)` float32."""
        count = round(seconds * RATE_HZ)
        start = (self._uniform(0, 1) * (self.heard.shape[1] - count)).long()
        waves = self.heard.gather(1, start[:, None] + torch.arange(count, device=self.device))
        return _at_rate(torch.fft.rfft(waves), count, round(seconds * rate_hz))

    def spoilt_view(self, seconds: float, rate_hz: int) -> Tensor:
        """The same, shares of them coded, under a voice, in a room, filtered or noisy."""
        start = self._uniform(0, SCENE_SECONDS - seconds * MOST_RATE)
        faster = torch.exp(self._uniform(-0.065, 0.065))
        faster = torch.where(self._uniform(0, 1) < 0.4, faster, torch.ones_like(faster))
        waves = self._under_voices(self._mixed(self._versions(), start, faster, seconds))
        count = waves.shape[1]
        spectrum = torch.fft.rfft(waves) * self._curve(count, self.equaliser)
        spectrum = self._noisy(self._filtered(self._in_rooms(spectrum, count), count))
        return _at_rate(spectrum, count, round(seconds * rate_hz))

    def _mixed(
        self, version: Tensor, start: Tensor | float, rate: Tensor | float, seconds: float
    ) -> Tensor:
        count = round(seconds * RATE_HZ)
        waves = torch.zeros((self.n, count), device=self.device)
        shift = torch.as_tensor(start, device=self.device).expand(self.n)
        faster = torch.as_tensor(rate, device=self.device).expand(self.n)
        for layer in self.layers:
            at = layer.scenes
            offset = layer.offset + shift[at] * layer.rate
            kind = version[at] * self.sound.coded.to(self.device)[version[at], layer.rows]
            taken = self.sound.take(kind, layer.rows, offset, layer.rate * faster[at], count)
            waves.index_add_(0, at, taken * layer.gain[:, None])
        return waves

    def _layer(
        self, scenes: Tensor, rows: Tensor, tempo: float, gain: Tensor | None = None
    ) -> Layer:
        n = len(scenes)
        seconds = self.sound.lengths.to(self.device)[rows] / RATE_HZ
        rate = torch.exp(self._uniform(-tempo, tempo, n))
        rate = torch.where(self._uniform(0, 1, n) < 0.6, rate, torch.ones_like(rate))
        room = seconds - SCENE_SECONDS * rate * MOST_RATE - 0.1
        offset = self._uniform(0, 1, n) * room.clamp_min(0)
        return Layer(scenes, rows, offset, rate, self._ratio(-10, 0, n) if gain is None else gain)

    def _versions(self) -> Tensor:
        """Mostly clean, sometimes each of the codings."""
        versions = torch.randint(
            0, len(self.sound.waves), (self.n,), generator=self.dice, device=self.device
        )
        return torch.where(self._uniform(0, 1) < 0.5, versions, torch.zeros_like(versions))

    def _under_voices(self, waves: Tensor) -> Tensor:
        some = self._some(0.3)
        if not len(some) or not len(self.sound.voices):
            return waves
        layer = self._layer(some, self._voices(len(some)), 0.1, self._ratio(-15, -2, len(some)))
        nothing = torch.zeros_like(layer.rows)
        taken = self.sound.take(nothing, layer.rows, layer.offset, layer.rate, waves.shape[1])
        power = waves[some].square().mean(dim=1).clamp_min(1e-9) / taken.square().mean(
            dim=1
        ).clamp_min(1e-9)
        return waves.index_add(0, some, taken * (layer.gain * power.sqrt())[:, None])

    def _in_rooms(self, spectrum: Tensor, count: int) -> Tensor:
        """Convolved with decaying noise, as a phone records a loudspeaker across a room."""
        some = self._some(0.25)
        if not len(some):
            return spectrum
        length = round(ROOM_SECONDS * RATE_HZ)
        time = torch.arange(length, device=self.device) / RATE_HZ
        decay = torch.exp(-6.9 * time / self._uniform(0.1, 0.8, len(some))[:, None])
        response = torch.randn((len(some), length), generator=self.dice, device=self.device) * decay
        response = response / response.square().sum(dim=1, keepdim=True).sqrt()
        response = response * self._ratio(-12, 3, len(some))[:, None]
        response[:, 0] += 1
        answer = torch.ones_like(spectrum)
        answer[some] = torch.fft.rfft(response, count)
        return spectrum * answer

    def _filtered(self, spectrum: Tensor, count: int) -> Tensor:
        """A smooth equaliser, and edges as codecs, telephones and loudspeakers have them."""
        hertz = torch.fft.rfftfreq(count, 1 / RATE_HZ, device=self.device)
        knots = torch.randn((self.n, len(KNOTS_HZ)), generator=self.dice, device=self.device) * 3
        curve = self._curve(count, knots * (self._uniform(0, 1) < 0.5)[:, None])
        top = torch.where(
            self._uniform(0, 1) < 0.4, 2500 * torch.exp(self._uniform(0, 1.5)), torch.tensor(2e4)
        )
        bottom = torch.where(self._uniform(0, 1) < 0.2, self._uniform(60, 350), torch.tensor(1.0))
        steep = self._uniform(3, 40)[:, None]
        curve = curve / (1 + (hertz / top[:, None]) ** steep).sqrt()
        filtered: Tensor = (
            spectrum * curve / (1 + (bottom[:, None] / hertz.clamp_min(1e-3)) ** 4).sqrt()
        )
        return filtered

    def _noisy(self, spectrum: Tensor) -> Tensor:
        """Noise of a random colour, 5 to 45 dB below."""
        some = self._some(0.35)
        if not len(some):
            return spectrum
        bins = torch.arange(1, spectrum.shape[1] + 1, device=self.device) / spectrum.shape[1]
        colour = bins ** -self._uniform(-0.2, 1.0, len(some))[:, None]
        parts = torch.randn(
            (len(some), spectrum.shape[1], 2), generator=self.dice, device=self.device
        )
        noise = torch.view_as_complex(parts) * colour
        power = spectrum[some].abs().square().mean(dim=1) / noise.abs().square().mean(dim=1)
        gain = self._ratio(-45, -5, len(some)) * power.sqrt()
        return spectrum.index_add(0, some, noise * gain[:, None])

    def _curve(self, count: int, knots_db: Tensor) -> Tensor:
        """Gains of the bins of a spectrum, straight lines between knots, `(n, count // 2 + 1)`."""
        hertz = torch.fft.rfftfreq(count, 1 / RATE_HZ, device=self.device).contiguous()
        points = torch.tensor(KNOTS_HZ, device=self.device)
        right = torch.searchsorted(points, hertz).clamp(1, len(points) - 1)
        share = (hertz - points[right - 1]) / (points[right] - points[right - 1])
        decibels = knots_db[:, right - 1] * (1 - share) + knots_db[:, right] * share
        return torch.pow(10.0, decibels / 20)

    def _voices(self, n: int) -> Tensor:
        rows = self.sound.voices.to(self.device)
        return rows[torch.randint(0, len(rows), (n,), generator=self.dice, device=self.device)]

    def _some(self, share: float) -> Tensor:
        return (self._uniform(0, 1) < share).nonzero().squeeze(1)

    def _ratio(self, low_db: float, high_db: float, n: int) -> Tensor:
        return torch.pow(10.0, self._uniform(low_db, high_db, n) / 20)

    def _uniform(self, low: float, high: float, n: int | None = None) -> Tensor:
        drawn = torch.rand(self.n if n is None else n, generator=self.dice, device=self.device)
        return low + (high - low) * drawn


def _at_rate(spectrum: Tensor, count: int, wanted: int) -> Tensor:
    """Waves of `wanted` samples from the spectrum of `count`, resampled on the way."""
    waves: Tensor = torch.fft.irfft(spectrum[:, : wanted // 2 + 1], wanted) * (wanted / count)
    return waves


def log_mels(waves: Tensor, bank: Tensor, audio: AudioConfig) -> Tensor:
    """The log-mel chunks of `audio.melspec.log_mel`, on any device.

    Args:
        waves: `(n, n_samples)` float32 at the settings' rate.
        bank: `(n_mels, bins)` float32.
        audio: the settings.

    Returns:
        `(n, n_mels, n_frames)` float32.
    """
    window = torch.hann_window(audio.fft_samples, device=waves.device)
    spectrum = torch.stft(
        waves,
        audio.fft_samples,
        audio.hop_samples,
        window=window,
        pad_mode="reflect",
        return_complex=True,
    )
    mel = bank @ (spectrum.real.square() + spectrum.imag.square())
    floor = 10 ** (audio.level_floor_db / 10)
    relative = mel / mel.mean(dim=(1, 2), keepdim=True).clamp_min(1e-20)
    levels: Tensor = torch.log1p(relative * floor) / math.log1p(floor)
    return levels


def masked(chunks: Tensor, dice: torch.Generator, share: float) -> Tensor:
    """Chunks, a share of them with mels and frames hidden (SpecAugment; Park et al. 2019)."""
    for axis, most in ((1, 16), (2, 40)):
        size = chunks.shape[axis]
        draws = torch.rand((3, len(chunks)), generator=dice, device=chunks.device)
        width = draws[0] * most * (draws[2] < share)
        start = draws[1] * (size - width)
        place = torch.arange(size, device=chunks.device)
        hidden = (place >= start[:, None]) & (place < (start + width)[:, None])
        hidden = hidden.unsqueeze(2) if axis == 1 else hidden.unsqueeze(1)
        chunks = torch.where(hidden, chunks.mean(dim=(1, 2), keepdim=True), chunks)
    return chunks
