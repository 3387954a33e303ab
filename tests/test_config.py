"""Settings are checked as they are built, and say what was wrong, what was got, and the fix."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hybridrec.config import (
    AudioConfig,
    AudioLimits,
    AugmentConfig,
    BlendConfig,
    CollaborativeConfig,
    ProjectionConfig,
    TrainingConfig,
)
from hybridrec.errors import InvalidInput

ALL = [
    AudioConfig,
    AudioLimits,
    AugmentConfig,
    BlendConfig,
    CollaborativeConfig,
    ProjectionConfig,
    TrainingConfig,
]


MANY: Any = "many"
GRID: Any = "grid"


@pytest.mark.parametrize("kind", ALL)
def test_settings_survive_a_dictionary_and_pickling(kind: Any) -> None:
    settings = kind()
    assert kind.from_dict(settings.to_dict()) == settings
    assert pickle.loads(pickle.dumps(settings)) == settings
    assert hash(settings) == hash(kind())


@pytest.mark.parametrize("kind", ALL)
def test_an_unknown_key_is_refused_with_the_known_ones(kind: Any) -> None:
    says = rf"unknown setting for {kind.__name__}; got 'misspelt'; use one of \w+, \w+"
    with pytest.raises(InvalidInput, match=says):
        kind.from_dict({"misspelt": 1})
    with pytest.raises(InvalidInput, match=says):
        kind(misspelt=1)


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: BlendConfig(1.5), "audio_weight must be 0 to 1; got 1.5"),
        (lambda: BlendConfig(0.5, -1), "half_life must be 0 to 1e.06; got -1"),
        (lambda: BlendConfig(float("nan")), "audio_weight must be 0 to 1; got nan"),
        (lambda: AudioConfig(n_mels=4), "n_mels must be 8 to 512; got 4"),
        (lambda: AudioConfig(n_mels=MANY), "n_mels must be 8 to 512; got 'many'"),
        (lambda: AudioConfig(fmin_hz=10_000.0), "fmin_hz must be below fmax_hz; got 10000"),
        (lambda: AudioConfig(hop_samples=2048), "hop_samples must be 1 to fft_samples; got 2048"),
        (lambda: AudioConfig(fmax_hz=12_000.0), "fmax_hz must be at most half the sample rate"),
        (lambda: AudioLimits(max_channels=0), "max_channels must be 1 or more; got 0"),
        (lambda: AudioLimits(silence_dbfs=0.0), "silence_dbfs must be below 0; got 0"),
        (lambda: ProjectionConfig(ridge=0.0), "ridge must be above 0; got 0"),
        (lambda: ProjectionConfig(placement=GRID), "placement must be 'k-means' or 'random'"),
        (lambda: CollaborativeConfig(alpha=0.0), "alpha must be above 0; got 0"),
        (
            lambda: dataclasses.replace(CollaborativeConfig(), factors=0),
            "factors must be 1 to 1024; got 0",
        ),
    ],
)
def test_a_value_out_of_range_is_refused(build: Callable[[], object], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        build()


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        BlendConfig().audio_weight = 1.0  # type: ignore[misc]


def test_numbers_of_numpy_become_plain_ones() -> None:
    quarter, three = np.full(1, 0.25, np.float32), np.full(1, 3, np.int64)
    stored = BlendConfig(quarter[0], three[0]).to_dict()
    assert stored == {"audio_weight": 0.25, "half_life": 3.0}
    assert [type(value) for value in stored.values()] == [float, float]
