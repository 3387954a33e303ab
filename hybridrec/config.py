"""Settings, as frozen dataclasses that are passed in and never read from globals.

Units are in the names. `from_dict` refuses unknown keys, so that a misspelt
setting is an error and not a silent default.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from hybridrec.errors import InvalidInput


@dataclass(frozen=True)
class _Settings:
    """What all settings share: building from and turning into plain dictionaries."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build the settings from a mapping.

        Raises:
            InvalidInput: for a key that is no setting, or a value out of range.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise InvalidInput(
                f"unknown setting for {cls.__name__}",
                got=unknown[0],
                fix=f"use one of {', '.join(sorted(known))}",
            )
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; `from_dict` takes them back."""
        return dataclasses.asdict(self)


def _require(condition: bool, what: str, got: object) -> None:
    if not condition:
        raise InvalidInput(what, got=got, fix="choose a value in that range")


@dataclass(frozen=True)
class AudioConfig(_Settings):
    """How sound becomes log-mel chunks. Part of the fingerprint: change one, change the ears."""

    sample_rate_hz: int = 22050
    fft_samples: int = 1024
    hop_samples: int = 512
    n_mels: int = 96
    fmin_hz: float = 30.0
    fmax_hz: float = 11025.0
    chunk_seconds: float = 3.0
    chunks_per_track: int = 10

    def __post_init__(self) -> None:
        _require(8000 <= self.sample_rate_hz <= 96000, "sample_rate_hz must be 8000 to 96000", self.sample_rate_hz)
        _require(self.fft_samples >= self.hop_samples > 0, "hop_samples must be 1 to fft_samples", self.hop_samples)
        _require(8 <= self.n_mels <= 512, "n_mels must be 8 to 512", self.n_mels)
        _require(0 <= self.fmin_hz < self.fmax_hz, "fmin_hz must be below fmax_hz", self.fmin_hz)
        _require(self.fmax_hz <= self.sample_rate_hz / 2, "fmax_hz must be at most half the sample rate", self.fmax_hz)
        _require(0.5 <= self.chunk_seconds <= 60, "chunk_seconds must be 0.5 to 60", self.chunk_seconds)
        _require(1 <= self.chunks_per_track <= 1000, "chunks_per_track must be 1 to 1000", self.chunks_per_track)

    @property
    def chunk_samples(self) -> int:
        """Samples in one chunk, at `sample_rate_hz`."""
        return round(self.chunk_seconds * self.sample_rate_hz)

    @property
    def chunk_frames(self) -> int:
        """Spectrogram frames in one chunk, frames centred on their samples."""
        return 1 + self.chunk_samples // self.hop_samples


@dataclass(frozen=True)
class CollaborativeConfig(_Settings):
    """Implicit-feedback ALS (Hu, Koren and Volinsky 2008), as `implicit` names its settings."""

    factors: int = 64
    regularization: float = 0.05
    alpha: float = 1.0
    iterations: int = 15

    def __post_init__(self) -> None:
        _require(1 <= self.factors <= 1024, "factors must be 1 to 1024", self.factors)
        _require(self.regularization >= 0, "regularization must be 0 or more", self.regularization)
        _require(self.alpha > 0, "alpha must be above 0", self.alpha)
        _require(1 <= self.iterations <= 1000, "iterations must be 1 to 1000", self.iterations)
