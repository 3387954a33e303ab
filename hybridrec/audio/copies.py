"""Writes copies of a track, to test how robust an encoder is against re-encoding."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

_FRAME_SAMPLES = 1152
"""Samples in a frame of MP3."""


def write_wav(path: Path, samples: NDArray[np.float32], rate_hz: int) -> None:
    """Write `(n,)` float32 mono samples as they are."""
    soundfile.write(path, samples, rate_hz, format="WAV", subtype="FLOAT")


def write_mp3(path: Path, samples: NDArray[np.float32], rate_hz: int, bits_per_second: int) -> None:
    """Encode `(n,)` float32 mono samples, -1 to 1, as MP3 by LAME.

    Args:
        path: where the file goes.
        samples: `(n,)`.
        rate_hz: 32000, 44100 or 48000; it is kept at any bit rate.
        bits_per_second: 32000 to 320000, constant.
    """
    with av.open(str(path), "w", format="mp3") as output:
        stream = output.add_stream("libmp3lame", rate=rate_hz, layout="mono")
        stream.bit_rate = bits_per_second
        for start in range(0, len(samples), _FRAME_SAMPLES):
            block = np.ascontiguousarray(samples[None, start : start + _FRAME_SAMPLES])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = rate_hz, start
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def opus_bytes(samples: NDArray[np.float32], rate_hz: int, bits_per_second: int) -> bytes:
    """`(n,)` float32 mono samples, -1 to 1, as an Opus file; `rate_hz` is one that Opus knows."""
    packed = io.BytesIO()
    with av.open(packed, "w", format="opus") as output:
        stream = output.add_stream("libopus", rate=rate_hz, layout="mono")
        stream.bit_rate = bits_per_second
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), "fltp", "mono")
        frame.sample_rate, frame.pts = rate_hz, 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return packed.getvalue()
