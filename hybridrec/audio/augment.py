"""Augmentation of log-mel chunks: pitch, gain, noise, and masks over time and frequency."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hybridrec.config import AudioConfig, AugmentConfig


def augment_chunks(
    chunks: NDArray[np.float32],
    rng: np.random.Generator,
    augment: AugmentConfig,
    audio: AudioConfig,
) -> NDArray[np.float32]:
    """An augmented copy of log-mel chunks, with random parameters drawn per chunk.

    Pitch shifts the mel bands, which are roughly evenly spaced in pitch above 1 kHz. Gain and
    noise are applied to the power behind the log-mel, as they would act on the signal. Masks
    replace bands and frames by the chunk's mean (SpecAugment; Park et al. 2019).

    Args:
        chunks: `(n, n_mels, n_frames)` float32 from `log_mel`.
        rng: the only source of randomness.
        augment: which augmentations, and their ranges.
        audio: the settings of `log_mel`.

    Returns:
        `(n, n_mels, n_frames)` float32.
    """
    changed = _shift_pitch(chunks, rng, augment.pitch_mels) if augment.pitch else chunks.copy()
    if augment.gain or augment.noise:
        changed = _add_gain_and_noise(changed, rng, augment, audio)
    if augment.time_mask:
        _mask(changed.transpose(0, 2, 1), rng, augment.time_mask_share)
    if augment.frequency_mask:
        _mask(changed, rng, augment.frequency_mask_share)
    return changed


def _shift_pitch(
    chunks: NDArray[np.float32], rng: np.random.Generator, most: int
) -> NDArray[np.float32]:
    """Shift each chunk up or down by up to `most` mel bands; the edge band is repeated."""
    shifts = rng.integers(-most, most + 1, len(chunks))
    sources = np.clip(np.arange(chunks.shape[1]) - shifts[:, None], 0, chunks.shape[1] - 1)
    return np.take_along_axis(chunks, sources[:, :, None], axis=1)


def _add_gain_and_noise(
    chunks: NDArray[np.float32],
    rng: np.random.Generator,
    augment: AugmentConfig,
    audio: AudioConfig,
) -> NDArray[np.float32]:
    floor = 10 ** (audio.level_floor_db / 10)
    scale = np.float32(np.log1p(floor))
    power = np.expm1(chunks * scale)
    if augment.gain:
        power *= _ratio(rng.uniform(-augment.gain_db, augment.gain_db, len(chunks)))
    if augment.noise:
        level = _ratio(-rng.uniform(augment.noise_min_db, augment.noise_max_db, len(chunks)))
        power += rng.standard_exponential(chunks.shape, dtype=np.float32) * (
            level * np.float32(floor)
        )
    return np.asarray(np.log1p(power) / scale, dtype=np.float32)


def _ratio(decibels: NDArray[np.float64]) -> NDArray[np.float32]:
    """Power ratios, `(n,)` to `(n, 1, 1)` float32."""
    return (10 ** (decibels / 10)).astype(np.float32)[:, None, None]


def _mask(chunks: NDArray[np.float32], rng: np.random.Generator, share: float) -> None:
    """Replace a random range of each chunk's middle axis by the chunk's mean, in place."""
    size = chunks.shape[1]
    widths = rng.integers(0, int(size * share) + 1, len(chunks))
    starts = rng.integers(0, size - widths + 1)
    for chunk, start, width in zip(chunks, starts, widths, strict=True):
        chunk[start : start + width] = chunk.mean()
