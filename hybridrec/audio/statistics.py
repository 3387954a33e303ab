"""Statistics of spectrograms, as timbre was described before networks: baselines for encoders."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

MFCC_COEFFICIENTS = 20


def mel_statistics(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean and deviation of each mel band over all frames.

    Args:
        levels: `(n_chunks, n_mels, n_frames)` float32 log-mel of a track.

    Returns:
        `(2 * n_mels,)` float32, the means first.
    """
    return np.concatenate([levels.mean(axis=(0, 2)), levels.std(axis=(0, 2))])


def mfcc_statistics(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean and deviation of mel-frequency cepstral coefficients over all frames.

    The coefficients are those of Davis and Mermelstein (1980), for music by Logan (2000).

    Args:
        levels: `(n_chunks, n_mels, n_frames)` float32 log-mel of a track, 20 mels or more.

    Returns:
        `(2 * MFCC_COEFFICIENTS,)` float32, the means first.
    """
    return mel_statistics(dct(levels, axis=1, norm="ortho")[:, :MFCC_COEFFICIENTS])
