"""Audio files for tests: a little synthesised music in every format that hybridrec supports."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

RATE_HZ = 44100
Samples = NDArray[np.float32]


def melody(seconds: float, seed: int = 0) -> Samples:
    """Plucked notes over soft noise at `RATE_HZ`, `(n,)` float32; another seed is other music."""
    rng = np.random.default_rng(seed)
    n_note = int(rng.uniform(0.1, 0.5) * RATE_HZ)
    time = np.arange(n_note) / RATE_HZ
    shape = np.exp(-rng.uniform(3, 12) * time / time[-1])
    partials = rng.uniform(0.2, 1.0, 6) / np.arange(1, 7)
    sound = 0.003 * rng.standard_normal(int(seconds * RATE_HZ) + n_note)
    for start in range(0, int(seconds * RATE_HZ), n_note):
        pitch = 110 * 2 ** (rng.integers(0, 30) / 12)
        note = sum(a * np.sin(2 * np.pi * pitch * k * time) for k, a in enumerate(partials, 1))
        sound[start : start + n_note] += 0.15 * note * shape
    return sound[: int(seconds * RATE_HZ)].astype(np.float32)


def write_sound(
    path: Path, samples: Samples, format_: str, subtype: str, rate_hz: int = RATE_HZ, **more: Any
) -> Path:
    """Write `(n,)` or `(n, channels)` samples by libsndfile, in blocks of one second."""
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    with soundfile.SoundFile(
        path, "w", rate_hz, channels, format=format_, subtype=subtype, **more
    ) as file:
        for start in range(0, len(samples), rate_hz):
            file.write(samples[start : start + rate_hz])
    return path


def short_tone(hertz: float) -> bytes:
    """Three quarters of a second of a tone, as the bytes of a small WAV file."""
    time, file = np.arange(6000) / 8000, BytesIO()
    soundfile.write(
        file, (0.5 * np.sin(2 * np.pi * hertz * time)).astype(np.float32), 8000, format="WAV"
    )
    return file.getvalue()


def write_opus(path: Path, samples: Samples) -> Path:
    """Opus at about 96 kbit/s."""
    return write_sound(
        path, soxr.resample(samples, RATE_HZ, 48000), "OGG", "OPUS", 48000, compression_level=0.64
    )


def write_mp3(path: Path, samples: Samples) -> Path:
    """MP3 at a constant 192 kbit/s."""
    more: dict[str, Any] = {"bitrate_mode": "CONSTANT", "compression_level": 0.4}
    return write_sound(path, samples, "MP3", "MPEG_LAYER_III", **more)


def write_aac(path: Path, samples: Samples, container: str) -> Path:
    """AAC at 160 kbit/s in a container as FFmpeg names it."""
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream("aac", rate=RATE_HZ, layout="mono")
        stream.bit_rate = 160_000
        for start in range(0, len(samples), 1024):
            frame = av.AudioFrame.from_ndarray(
                samples[None, start : start + 1024].copy(), format="fltp", layout="mono"
            )
            frame.sample_rate, frame.pts = RATE_HZ, start
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


WRITERS: dict[str, Callable[[Path, Samples], Path]] = {
    "wav": lambda path, samples: write_sound(path, samples, "WAV", "PCM_16"),
    "flac": lambda path, samples: write_sound(path, samples, "FLAC", "PCM_16"),
    "aiff": lambda path, samples: write_sound(path, samples, "AIFF", "PCM_16"),
    "ogg": lambda path, samples: write_sound(path, samples, "OGG", "VORBIS"),
    "opus": write_opus,
    "mp3": write_mp3,
    "m4a": lambda path, samples: write_aac(path, samples, "ipod"),
    "aac": lambda path, samples: write_aac(path, samples, "adts"),
}
"""By the usual ending of the name."""
