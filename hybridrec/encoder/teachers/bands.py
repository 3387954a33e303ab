"""Mel filterbanks as the teachers know them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LINEAR_HZ, _STEP_HZ = 1000.0, 200.0 / 3
_LOG_STEP = np.log(6.4) / 27


def slaney_bank(
    rate_hz: int, fft_samples: int, n_mels: int, low_hz: float, high_hz: float
) -> NDArray[np.float32]:
    """librosa's filterbank: Slaney's mel scale, triangles of equal area, `(n_mels, bins)`."""
    edges = _slaney_hz(np.linspace(_slaney_mels(low_hz), _slaney_mels(high_hz), n_mels + 2))
    bank = _triangles(np.fft.rfftfreq(fft_samples, 1 / rate_hz), edges)
    return np.asarray(bank * (2 / (edges[2:] - edges[:-2]))[:, None], dtype=np.float32)


def kaldi_bank(rate_hz: int, fft_samples: int, n_mels: int, high_hz: float) -> NDArray[np.float32]:
    """Kaldi's filterbank from 0 Hz: triangles that are straight in mels, `(n_mels, bins)`."""
    mels = 1127 * np.log1p(np.fft.rfftfreq(fft_samples, 1 / rate_hz) / 700)
    edges = np.linspace(0, 1127 * np.log1p(high_hz / 700), n_mels + 2)
    return np.asarray(_triangles(mels, edges), dtype=np.float32)


def _triangles(points: NDArray[np.floating], edges: NDArray[np.floating]) -> NDArray[np.floating]:
    low, peak, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (points - low) / (peak - low), (high - points) / (high - peak)
    return np.asarray(np.maximum(0, np.minimum(rising, falling)))


def _slaney_mels(hz: float) -> float:
    if hz < _LINEAR_HZ:
        return hz / _STEP_HZ
    return float(_LINEAR_HZ / _STEP_HZ + np.log(hz / _LINEAR_HZ) / _LOG_STEP)


def _slaney_hz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    turn = _LINEAR_HZ / _STEP_HZ
    return np.where(mels < turn, mels * _STEP_HZ, _LINEAR_HZ * np.exp(_LOG_STEP * (mels - turn)))
