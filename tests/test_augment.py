"""Changes that a chunk survives as the same music."""

from __future__ import annotations

import numpy as np
import pytest

from hybridrec.audio.augment import augment_chunks
from hybridrec.config import AudioConfig, AugmentConfig
from hybridrec.errors import InvalidInput

AUDIO = AudioConfig()
NOTHING = AugmentConfig(
    pitch=False, gain=False, noise=False, tempo=False, time_mask=False, frequency_mask=False
)


@pytest.fixture
def chunks() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 1.2, (8, 96, 130)).astype(np.float32)


def changed(chunks: np.ndarray, seed: int = 0, **switches: object) -> np.ndarray:
    settings = AugmentConfig.from_dict(NOTHING.to_dict() | switches)
    return augment_chunks(chunks, np.random.default_rng(seed), settings, AUDIO)


def test_with_every_switch_off_nothing_changes(chunks: np.ndarray) -> None:
    np.testing.assert_array_equal(changed(chunks), chunks)


def test_the_chunks_given_are_left_alone(chunks: np.ndarray) -> None:
    before = chunks.copy()
    augment_chunks(chunks, np.random.default_rng(0), AugmentConfig(), AUDIO)
    np.testing.assert_array_equal(chunks, before)


def test_the_same_seed_gives_the_same_change_and_another_another(chunks: np.ndarray) -> None:
    every = {"pitch": True, "gain": True, "noise": True, "time_mask": True, "frequency_mask": True}
    np.testing.assert_array_equal(
        changed(chunks, seed=1, **every), changed(chunks, seed=1, **every)
    )
    assert not np.array_equal(changed(chunks, seed=1, **every), changed(chunks, seed=2, **every))


def test_pitch_moves_a_tone_by_at_most_its_mels_and_fills_up_from_the_edge() -> None:
    tone = np.full((60, 96, 4), 0.25, dtype=np.float32)
    tone[:, 50] = 1.0
    moved = changed(tone, pitch=True, pitch_mels=3)
    assert set((moved.argmax(axis=1) - 50).ravel()) == {-3, -2, -1, 0, 1, 2, 3}
    assert (np.delete(np.sort(moved, axis=1), -1, axis=1) == 0.25).all()


def test_gain_moves_a_whole_loud_chunk_by_at_most_its_decibels() -> None:
    loud = np.ones((50, 96, 10), dtype=np.float32)
    moved = (changed(loud, gain=True, gain_db=6.0) - loud) * AUDIO.level_floor_db
    assert np.ptp(moved, axis=(1, 2)).max() < 1e-3
    assert -6.01 < moved.min() < -3
    assert 3 < moved.max() < 6.01


def test_noise_fills_silence_and_leaves_what_is_loud() -> None:
    half_silent = np.zeros((4, 96, 130), dtype=np.float32)
    half_silent[:, :48] = 1.0
    noisy = changed(half_silent, noise=True, noise_min_db=20, noise_max_db=20)
    assert noisy[:, 48:].mean() == pytest.approx(1 - 20 / AUDIO.level_floor_db, abs=0.1)
    assert np.abs(noisy[:, :48] - 1).max() < 0.05


def test_a_time_mask_hides_a_stretch_of_frames_and_keeps_the_mean(chunks: np.ndarray) -> None:
    masked = changed(chunks, time_mask=True, time_mask_share=0.3)
    hidden = (masked != chunks).any(axis=1)
    assert 0 < hidden.sum(axis=1).max() <= 0.3 * 130
    for row in hidden:
        assert np.abs(np.diff(row.astype(int))).sum() <= 2  # one stretch
    np.testing.assert_allclose(masked.mean(axis=(1, 2)), chunks.mean(axis=(1, 2)), atol=0.02)


def test_a_frequency_mask_hides_a_stretch_of_bands(chunks: np.ndarray) -> None:
    hidden = (changed(chunks, frequency_mask=True, frequency_mask_share=0.25) != chunks).any(axis=2)
    assert 0 < hidden.sum(axis=1).max() <= 0.25 * 96


def test_values_stay_finite_and_float32(chunks: np.ndarray) -> None:
    result = augment_chunks(
        (chunks * 1.5).astype(np.float32),
        np.random.default_rng(0),
        AugmentConfig(gain_db=60),
        AUDIO,
    )
    assert result.dtype == np.float32
    assert np.isfinite(result).all()


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(InvalidInput, match="time_mask_share must be 0 to below 1"):
        AugmentConfig(time_mask_share=1.0)
    with pytest.raises(InvalidInput, match="noise_min_db must be 0 to noise_max_db"):
        AugmentConfig(noise_min_db=60)
    with pytest.raises(InvalidInput, match=r"tempo_share must be 0 to below 0\.5"):
        AugmentConfig(tempo_share=0.5)
