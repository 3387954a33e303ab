"""What log-mel spectrograms depend on, and what they do not depend on."""

from __future__ import annotations

from pathlib import Path

import librosa
import numpy as np
import pytest
from audio_files import WRITERS, melody

from hybridrec.audio.decode import decode_chunks
from hybridrec.audio.melspec import log_mel
from hybridrec.config import AudioConfig

AUDIO = AudioConfig()


def sine(frequency_hz: float, seconds: float = 1.0) -> np.ndarray:
    time = np.arange(int(seconds * AUDIO.sample_rate_hz)) / AUDIO.sample_rate_hz
    return np.sin(2 * np.pi * frequency_hz * time).astype(np.float32)[None]


@pytest.mark.parametrize("frequency_hz", [110.0, 440.0, 1760.0, 7040.0])
def test_a_sine_shows_in_the_band_of_its_frequency(frequency_hz: float) -> None:
    edges = librosa.mel_frequencies(AUDIO.n_mels + 2, fmin=AUDIO.fmin_hz, fmax=AUDIO.fmax_hz)
    loudest = log_mel(sine(frequency_hz), AUDIO)[0].mean(axis=1).argmax()
    assert edges[loudest] <= frequency_hz <= edges[loudest + 2]


@pytest.mark.slow
def test_the_powers_are_those_of_librosa() -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, (1, AUDIO.chunk_samples)).astype(np.float32)
    power = librosa.feature.melspectrogram(
        y=samples[0],
        sr=AUDIO.sample_rate_hz,
        n_fft=AUDIO.fft_samples,
        hop_length=AUDIO.hop_samples,
        n_mels=AUDIO.n_mels,
        fmin=AUDIO.fmin_hz,
        fmax=AUDIO.fmax_hz,
        pad_mode="reflect",
    )
    floor = 10 ** (AUDIO.level_floor_db / 10)
    expected = np.log1p(floor * power / power.mean()) / np.log1p(floor)
    np.testing.assert_allclose(log_mel(samples, AUDIO)[0], expected, atol=1e-4)


def test_a_chunk_has_the_frames_that_the_settings_say() -> None:
    chunks = np.random.default_rng(0).normal(0, 0.1, (3, AUDIO.chunk_samples)).astype(np.float32)
    levels = log_mel(chunks, AUDIO)
    assert levels.shape == (3, AUDIO.n_mels, AUDIO.chunk_frames)
    assert levels.dtype == np.float32


@pytest.mark.parametrize("volume", [0.5, 1e-4, 1e30])
def test_volume_changes_nothing(volume: float) -> None:
    chunks = np.stack([sine(440)[0], sine(2000)[0] * 0.1])
    louder = (chunks * np.float32(volume)).astype(np.float32)
    np.testing.assert_allclose(log_mel(louder, AUDIO), log_mel(chunks, AUDIO), atol=1e-4)


def test_a_chunk_shows_alike_however_loud_the_others_are() -> None:
    alone = log_mel(sine(440) * np.float32(0.01), AUDIO)
    together = log_mel(np.stack([sine(440)[0] * 0.01, sine(2000)[0]]), AUDIO)
    np.testing.assert_allclose(together[:1], alone, atol=1e-4)


def test_silence_is_zero_and_never_a_nan() -> None:
    assert (log_mel(np.zeros((1, 4096), dtype=np.float32), AUDIO) == 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["mp3", "opus", "ogg", "m4a"])
def test_codecs_change_little(tmp_path: Path, ending: str) -> None:
    samples = melody(9, seed=1)
    original, coded = (
        log_mel(decode_chunks(WRITERS[e](tmp_path / f"x.{e}", samples), AUDIO).samples, AUDIO)
        for e in ("flac", ending)
    )
    other = log_mel(
        decode_chunks(WRITERS["flac"](tmp_path / "y.flac", melody(9, seed=2)), AUDIO).samples, AUDIO
    )
    difference = np.abs(coded.mean(axis=2) - original.mean(axis=2)).mean()
    assert difference < 0.1 * np.abs(other.mean(axis=2) - original.mean(axis=2)).mean()
