"""Log-mel spectrograms that hardly change with volume or codec."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hybridrec.config import AudioConfig


def log_mel(samples: NDArray[np.float32], audio: AudioConfig) -> NDArray[np.float32]:
    """The log-mel spectrogram of chunks, each for itself.

    Mel powers (librosa's filterbank, Slaney's scale) are divided by their mean over the chunk,
    which removes the volume, then compressed with a soft floor, which removes what codecs change
    far below the music. With the floor F = 10^(level_floor_db / 10) and the power p relative to
    the mean, the value is log(1 + F p) / log(1 + F).

    Args:
        samples: `(n_chunks, n_samples)` float32 mono at `audio.sample_rate_hz`, with
            `n_samples` of half of `fft_samples` or more.

    Returns:
        `(n_chunks, n_mels, n_frames)` float32; 0 is silence, 1 the mean level, rarely above 1.6.
        Frames are centred: `n_frames = 1 + n_samples // hop_samples`.
    """
    filters, window = torch.from_numpy(mel_bank(audio)), _window(audio.fft_samples)
    # Scaled first: the squares of very loud or very soft samples would overflow or vanish.
    tiny = float(np.finfo(np.float32).tiny)
    peaks = np.maximum(np.abs(samples).max(axis=1, keepdims=True), tiny)
    waves = torch.from_numpy(samples / peaks)
    spectrum = torch.stft(
        waves,
        audio.fft_samples,
        audio.hop_samples,
        window=window,
        center=True,
        pad_mode="reflect",
        return_complex=True,
    )
    mel = filters @ (spectrum.real.square() + spectrum.imag.square())
    floor = 10 ** (audio.level_floor_db / 10)
    relative = mel / mel.mean(dim=(1, 2), keepdim=True).clamp_min(tiny)
    levels: NDArray[np.float32] = (torch.log1p(relative * floor) / np.log1p(floor)).numpy()
    return levels


def mel_bank(audio: AudioConfig) -> NDArray[np.float32]:
    """librosa's mel filterbank, `(n_mels, 1 + fft_samples // 2)` float32."""
    if audio not in _banks:
        import librosa.filters  # takes seconds, so only where a filterbank is made

        bank = librosa.filters.mel(
            sr=audio.sample_rate_hz,
            n_fft=audio.fft_samples,
            n_mels=audio.n_mels,
            fmin=audio.fmin_hz,
            fmax=audio.fmax_hz,
        )
        keep_mel_bank(audio, bank)
    return _banks[audio]


def keep_mel_bank(audio: AudioConfig, bank: NDArray[np.float32]) -> None:
    """Use a filterbank from a checkpoint; making one would import librosa, which takes seconds."""
    _banks[audio] = np.asarray(bank, dtype=np.float32)


_banks: dict[AudioConfig, NDArray[np.float32]] = {}


@lru_cache(maxsize=8)
def _window(fft_samples: int) -> Tensor:
    return torch.hann_window(fft_samples)
