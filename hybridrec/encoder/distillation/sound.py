"""The sound of a training, whole in memory: clean, and as codecs leave it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

RATE_HZ = 32_000
CODINGS = ((44_100, "stereo", 32_000), (24_000, "mono", 16_000), (44_100, "stereo", 64_000))
"""Rate, layout and bits a second of the MP3 copies."""
LEAST_SAMPLES = 14 * RATE_HZ
"""A scene of ten seconds, also when it runs faster."""
MUSIC = "music"
VOICE_KINDS = ("speech", "sung")
VOICES_SHARE = 0.08
"""How many scenes begin with a voice; music makes up the rest."""


@dataclass(frozen=True)
class Excerpt:
    """A file, and what kind of sound it is: MUSIC or one of VOICE_KINDS."""

    file: Path
    kind: str = MUSIC


class Sound:
    """Tracks end to end in one tensor, once clean and once for each coding.

    Attributes:
        waves: `(1 + len(CODINGS), n_samples)` int16 at RATE_HZ on the device.
        starts, lengths: `(n_tracks,)` int64, where each track lies.
        gains: `(n_tracks,)` float32 that bring each track to one loudness.
        coded: `(1 + len(CODINGS), n_tracks)` bool, which copies are there.
        voices: `(k,)` int64, rows of tracks that are laid over others.
        weights: `(n_tracks,)` float32, how often a track is drawn.
    """

    def __init__(self, excerpts: list[Excerpt], device: str, workers: int) -> None:
        with ProcessPoolExecutor(workers) as pool:
            clean = list(pool.map(read_clean, (each.file for each in excerpts), chunksize=4))
        self.lengths = torch.tensor([len(wave) for wave in clean])
        self.starts = self.lengths.cumsum(0) - self.lengths
        self.waves = torch.zeros(
            (1 + len(CODINGS), int(self.lengths.sum())), dtype=torch.int16, device=device
        )
        self.coded = torch.zeros((1 + len(CODINGS), len(clean)), dtype=torch.bool)
        for row, wave in enumerate(clean):
            self.put(0, row, wave)
        power = torch.stack([self._power(row) for row in range(len(clean))])
        self.gains = 0.1 / power.clamp_min(1e-6).sqrt()
        voices = torch.tensor([each.kind in VOICE_KINDS for each in excerpts])
        self.voices = voices.nonzero().squeeze(1)
        share = VOICES_SHARE if 0 < len(self.voices) < len(clean) else 0.5
        self.weights = torch.where(voices, share / voices.sum(), (1 - share) / (~voices).sum())
        self.device = torch.device(device)
        self._starts = self.starts.to(device)

    def _power(self, row: int) -> Tensor:
        start, length = int(self.starts[row]), int(self.lengths[row])
        return (self.waves[0, start : start + length].float() / 32768).square().mean()

    def put(self, version: int, row: int, wave: NDArray[np.int16]) -> None:
        """Lay a copy of a track at its place."""
        start, length = int(self.starts[row]), int(self.lengths[row])
        found = torch.from_numpy(wave[:length]).to(self.waves.device)
        self.waves[version, start : start + len(found)] = found
        self.coded[version, row] = True

    def take(
        self, version: Tensor, rows: Tensor, offset: Tensor, rate: Tensor, count: int
    ) -> Tensor:
        """Stretches of tracks at one loudness, faster or slower.

        Args:
            version, rows: `(n,)` int64.
            offset: `(n,)` float32 seconds from the beginning of the track; the stretch must
                not outrun it.
            rate: `(n,)` float32, above 1 is faster and higher.
            count: samples.

        Returns:
            `(n, count)` float32.
        """
        place = (
            offset[:, None].double() * RATE_HZ
            + torch.arange(count, device=self.device) * rate[:, None].double()
        )
        whole = place.long()
        part = (place - whole).float()
        whole += (self._starts[rows] + version * self.waves.shape[1])[:, None]
        flat = self.waves.view(-1)
        first, second = flat[whole], flat[whole + 1]
        return first.float().lerp(second.float(), part) * (self.gains[rows, None] / 32768)


def read_clean(path: Path) -> NDArray[np.int16]:
    """A file at RATE_HZ, mono; a short one is repeated."""
    wave = _decoded(str(path))
    return wave if len(wave) >= LEAST_SAMPLES else np.resize(wave, LEAST_SAMPLES)


def read_coded(path: Path) -> list[NDArray[np.int16]]:
    """The same after each of CODINGS."""
    clean = read_clean(path)
    return [_decoded(_coded(clean, *coding)) for coding in CODINGS]


def coded_copies(
    excerpts: list[Excerpt], workers: int
) -> Iterator[tuple[int, list[NDArray[np.int16]]]]:
    """Row and coded copies of each track, made in processes beside the training."""
    with ProcessPoolExecutor(workers) as pool:
        yield from enumerate(pool.map(read_coded, (each.file for each in excerpts), chunksize=4))


def _decoded(source: str | io.BytesIO) -> NDArray[np.int16]:
    resampler = av.AudioResampler("s16", "mono", RATE_HZ)
    with av.open(source, "r") as container:
        frames = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
        frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def _coded(samples: NDArray[np.int16], rate: int, layout: str, bit_rate: int) -> io.BytesIO:
    packed = io.BytesIO()
    with av.open(packed, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=rate, layout=layout, format="s16p")
        stream.bit_rate = bit_rate
        resampler = av.AudioResampler("s16p", layout, rate)
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = RATE_HZ
        for part in [*resampler.resample(frame), None]:
            container.mux(stream.encode(part))
    packed.seek(0)
    return packed
