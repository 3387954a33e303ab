"""From an audio file to mono chunks: only what is heard is decoded."""

from __future__ import annotations

import math
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import soxr
from numpy.typing import NDArray

from hybridrec.audio.chunks import looped, regular_starts
from hybridrec.audio.kinds import AUDIO_KINDS, kind_of
from hybridrec.audio.sources import FFmpegSource, Refused, SndfileSource, Source
from hybridrec.audio.stages import StageClock
from hybridrec.audio.tag_count import MOST_TEXTS, has_too_many_texts
from hybridrec.config import AudioConfig, AudioLimits
from hybridrec.errors import AudioError

T = TypeVar("T")

PAUSE_DB = 40.0
"""A chunk this far below the loudest one is a pause and says nothing of the track."""

DENSER = 10
"""How many times more chunks are tried where the regular ones are all silent."""


@dataclass(frozen=True)
class Excerpts:
    """What was decoded of a track.

    Attributes:
        samples: `(n_chunks, chunk_samples)` float32 mono, nominally -1 to 1, at the settings' sample rate.
        duration_seconds: length of the whole track.
    """

    samples: NDArray[np.float32]
    duration_seconds: float


def decode_chunks(
    path: Path,
    audio: AudioConfig,
    limits: AudioLimits | None = None,
    clock: StageClock | None = None,
) -> Excerpts:
    """Regularly spaced chunks of a track; the rest of it is skipped, not decoded.

    Silent chunks are left out. A track shorter than a chunk is repeated to fill one.

    Args:
        path: the file; its name says nothing about its kind.
        audio: sample rate, length and greatest number of chunks.
        limits: what the file may ask.
        clock: told the time of the stages "decode" and "resample".

    Raises:
        AudioError: if the file is missing, empty, not audio, damaged, silent, or beyond the limits.
    """
    limits, clock = limits or AudioLimits(), clock or StageClock()

    def chunks(source: Source) -> Excerpts:
        for most in (audio.chunks_per_track, DENSER * audio.chunks_per_track):
            with clock.stage("decode"):
                blocks = _read_chunks(source, audio, most)
                loud = _audible(blocks, limits)
            if loud:
                break
        if not loud:
            fix = "give a file with sound in it"
            raise AudioError(
                f"{path.name}: there is nothing to hear, it is silent or not numbers", fix=fix
            )
        with clock.stage("resample"):
            samples = [
                _resampled(block, source.rate_hz, audio) for block in loud[: audio.chunks_per_track]
            ]
            samples = [looped(chunk, audio.chunk_samples) for chunk in samples]
        return Excerpts(np.stack(samples), source.n_frames / source.rate_hz)

    return _read(path, limits, chunks)


def read_middle(
    path: Path, audio: AudioConfig, seconds: float, limits: AudioLimits | None = None
) -> NDArray[np.float32]:
    """The middle of a track, or all of a shorter one, for training.

    Returns:
        `(n_samples,)` float32 mono at the settings' sample rate.

    Raises:
        AudioError: as `decode_chunks`.
    """
    limits = limits or AudioLimits()

    def middle(source: Source) -> NDArray[np.float32]:
        count = min(source.n_frames, math.ceil(seconds * source.rate_hz))
        block = source.read((source.n_frames - count) // 2, count)
        if not _audible([block], limits):
            raise AudioError(
                f"{path.name}: there is nothing to hear in its middle",
                fix="give a file with sound in it",
            )
        return _resampled(block, source.rate_hz, audio)

    return _read(path, limits, middle)


def _read(path: Path, limits: AudioLimits, use: Callable[[Source], T]) -> T:
    """What `use` makes of the file, by the first reader that copes with it."""
    reason = ""
    for open_source in _readers(path, limits):
        try:
            with open_source() as source:
                _check_duration(path, source, limits)
                return use(source)
        except Refused as error:
            reason = str(error)
    raise AudioError(
        f"{path.name}: damaged beyond hearing ({reason.strip(' .')})", fix="get the file again"
    )


def check_file(path: Path, limits: AudioLimits) -> None:
    """Refuse what need not be opened to be refused.

    Raises:
        AudioError: if it is missing, not a file, empty, or too large.
    """
    try:
        facts = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from error
    if not stat.S_ISREG(facts.st_mode):
        raise AudioError(f"{path.name}: not a file", fix="name an audio file")
    if facts.st_size == 0:
        raise AudioError(f"{path.name}: the file is empty", got="0 bytes", fix="get the file again")
    if facts.st_size > limits.max_file_bytes:
        fix = f"give at most {limits.max_file_bytes} bytes"
        raise AudioError(
            f"{path.name}: the file is too large", got=f"{facts.st_size} bytes", fix=fix
        )


def _readers(path: Path, limits: AudioLimits) -> Iterator[Callable[[], Source]]:
    """Ways to read a file, the fastest first."""
    check_file(path, limits)
    try:
        with path.open("rb", buffering=0) as file:
            kind = kind_of(file)
        too_many_texts = has_too_many_texts(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    if kind is None:
        raise AudioError(
            f"{path.name}: not audio, whatever its name says", fix=f"give {AUDIO_KINDS}"
        )
    if too_many_texts:
        fix = "remove its tags, or write them anew"
        raise AudioError(f"{path.name}: its tags hold more than {MOST_TEXTS} texts", fix=fix)
    if kind.for_libsndfile:
        yield lambda: SndfileSource(path, limits)
    yield lambda: FFmpegSource(path, kind.demuxer, limits)


def _unreadable(path: Path, error: OSError) -> AudioError:
    return AudioError(
        f"{path.name}: cannot be read ({error.strerror})",
        fix="check that it is there and yours to read",
    )


def _check_duration(path: Path, source: Source, limits: AudioLimits) -> None:
    seconds = source.n_frames / source.rate_hz
    if seconds < limits.min_seconds:
        fix = f"give {limits.min_seconds:g} s or more"
        raise AudioError(f"{path.name}: too short to be heard", got=f"{seconds:.2f} s", fix=fix)
    if seconds > limits.max_seconds:
        fix = f"give at most {limits.max_seconds / 3600:g} h"
        raise AudioError(f"{path.name}: too long", got=f"{seconds / 3600:.1f} h", fix=fix)


def _read_chunks(source: Source, audio: AudioConfig, most: int) -> list[NDArray[np.float32]]:
    length = math.ceil(audio.chunk_samples * source.rate_hz / audio.sample_rate_hz)
    starts = regular_starts(source.n_frames, length, most)
    return [source.read(int(start), min(length, source.n_frames)) for start in starts]


def _audible(blocks: list[NDArray[np.float32]], limits: AudioLimits) -> list[NDArray[np.float32]]:
    """The blocks that swing enough to be sound; a constant or a NaN does not."""
    swings = np.array([np.ptp(block) / 2 for block in blocks])
    swings = np.where(np.isfinite(swings), swings, 0.0)
    least = max(10 ** (limits.silence_dbfs / 20), swings.max() * 10 ** (-PAUSE_DB / 20))
    return [block for block, swing in zip(blocks, swings, strict=True) if swing >= least]


def _resampled(block: NDArray[np.float32], rate_hz: int, audio: AudioConfig) -> NDArray[np.float32]:
    return np.asarray(soxr.resample(block, rate_hz, audio.sample_rate_hz), dtype=np.float32)
