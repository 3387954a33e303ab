"""From an audio file to mono chunks; only the chunks are decoded, not the rest of the track."""

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
from hybridrec.audio.tag_count import MAX_TEXTS, has_too_many_texts
from hybridrec.config import AudioConfig, AudioLimits
from hybridrec.errors import AudioError

T = TypeVar("T")

PAUSE_DB = 40.0
"""A chunk this far below the loudest one is a pause, and is left out."""

DENSER = 10
"""Where all regular chunks are silent, this many times more are tried."""


@dataclass(frozen=True)
class Excerpts:
    """What was decoded of a track.

    Attributes:
        samples: `(n_chunks, chunk_samples)` float32 mono, nominally -1 to 1, at the sample rate
            of the settings.
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
        path: the file; its kind is read from its content, not from its name.
        audio: sample rate, length and greatest number of chunks.
        limits: of the file; None takes the defaults.
        clock: gets the time of the stages "decode" and "resample".

    Raises:
        AudioError: if the file is missing, empty, not audio, damaged, silent, or beyond the
            limits.
    """
    limits, clock = limits or AudioLimits(), clock or StageClock()

    def chunks(source: Source) -> Excerpts:
        for limit in (audio.chunks_per_track, DENSER * audio.chunks_per_track):
            with clock.stage("decode"):
                blocks = _read_chunks(source, audio, limit)
                audible = _audible(blocks, limits)
            # Silent at all regular positions: a short sound may lie between them.
            if audible:
                break
        if not audible:
            fix = "give a file with sound in it"
            what = f"{path.name}: it holds no sound, its samples are silent or not numbers"
            raise AudioError(what, fix=fix)
        with clock.stage("resample"):
            chosen = audible[: audio.chunks_per_track]
            resampled = [_resampled(block, source.rate_hz, audio) for block in chosen]
            samples = [looped(chunk, audio.chunk_samples) for chunk in resampled]
        return Excerpts(np.stack(samples), source.n_frames / source.rate_hz)

    return _read(path, limits, chunks)


def read_middle(
    path: Path, audio: AudioConfig, seconds: float, limits: AudioLimits | None = None
) -> NDArray[np.float32]:
    """The middle of a track, or all of a shorter one, for training.

    Args:
        path: the file.
        audio: gives the sample rate.
        seconds: how much to read.
        limits: of the file; None takes the defaults.

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
            fix = "give a file with sound in it"
            raise AudioError(f"{path.name}: its middle holds no sound", fix=fix)
        return _resampled(block, source.rate_hz, audio)

    return _read(path, limits, middle)


def _read(path: Path, limits: AudioLimits, use: Callable[[Source], T]) -> T:
    """The result of `use` with the first reader that can read the file."""
    reason = ""
    for open_source in _readers(path, limits):
        try:
            with open_source() as source:
                _check_duration(path, source, limits)
                return use(source)
        except Refused as error:
            reason = str(error)
    what = f"{path.name}: too damaged to be decoded ({reason.strip(' .')})"
    raise AudioError(what, fix="get the file again")


def check_file(path: Path, limits: AudioLimits) -> None:
    """Refuse a file by its size and type, without opening it.

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
    """Functions that open a file, the fastest first; see `Source`."""
    check_file(path, limits)
    try:
        with path.open("rb", buffering=0) as file:
            kind = kind_of(file)
        too_many_texts = has_too_many_texts(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    if kind is None:
        what = f"{path.name}: not audio, whatever its name says"
        raise AudioError(what, fix=f"give {AUDIO_KINDS}")
    if too_many_texts:
        fix = "remove its tags, or write them again"
        raise AudioError(f"{path.name}: its tags hold more than {MAX_TEXTS} texts", fix=fix)
    if kind.for_libsndfile:
        yield lambda: SndfileSource(path, limits)
    yield lambda: FFmpegSource(path, kind.demuxer, limits)


def _unreadable(path: Path, error: OSError) -> AudioError:
    return AudioError(
        f"{path.name}: cannot be read ({error.strerror})",
        fix="check that it exists and that you may read it",
    )


def _check_duration(path: Path, source: Source, limits: AudioLimits) -> None:
    seconds = source.n_frames / source.rate_hz
    if seconds < limits.min_seconds:
        fix = f"give {limits.min_seconds:g} s or more"
        raise AudioError(f"{path.name}: too short to be embedded", got=f"{seconds:.2f} s", fix=fix)
    if seconds > limits.max_seconds:
        fix = f"give at most {limits.max_seconds / 3600:g} h"
        raise AudioError(f"{path.name}: too long", got=f"{seconds / 3600:.1f} h", fix=fix)


def _read_chunks(source: Source, audio: AudioConfig, limit: int) -> list[NDArray[np.float32]]:
    # In the file's own sample rate; chunks are resampled after the silent ones are left out.
    length = math.ceil(audio.chunk_samples * source.rate_hz / audio.sample_rate_hz)
    starts = regular_starts(source.n_frames, length, limit)
    return [source.read(int(start), min(length, source.n_frames)) for start in starts]


def _audible(blocks: list[NDArray[np.float32]], limits: AudioLimits) -> list[NDArray[np.float32]]:
    """The blocks that are loud enough; constant samples and NaN count as silence."""
    # Half the range, not the peak: a constant offset makes no sound.
    amplitudes = np.array([np.ptp(block) / 2 for block in blocks])
    amplitudes = np.where(np.isfinite(amplitudes), amplitudes, 0.0)
    pause = amplitudes.max() * 10 ** (-PAUSE_DB / 20)
    threshold = max(10 ** (limits.silence_dbfs / 20), pause)
    pairs = zip(blocks, amplitudes, strict=True)
    return [block for block, amplitude in pairs if amplitude >= threshold]


def _resampled(block: NDArray[np.float32], rate_hz: int, audio: AudioConfig) -> NDArray[np.float32]:
    return np.asarray(soxr.resample(block, rate_hz, audio.sample_rate_hz), dtype=np.float32)
