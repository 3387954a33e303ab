"""Readers of audio files: mono excerpts from any position, by libsndfile or by FFmpeg."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol, Self

import av
import numpy as np
import soundfile
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from hybridrec.config import AudioLimits
from hybridrec.errors import AudioError

PREROLL_SECONDS = 0.1
"""Decoded before an excerpt and discarded, because codecs depend on earlier frames."""

MAX_BROKEN_PACKETS = 5000
"""After more packets in a row that cannot be decoded, a file is refused; they are more than a
minute of audio."""

MAX_PACKETS = 2_000_000
"""Four hours have 1.4 million of the shortest packets of AAC, and as many of Opus at 10 ms."""


class Refused(Exception):
    """A reader cannot read a file; another one may."""


class Source(Protocol):
    """An open file. A frame is one sample of each channel.

    Attributes:
        rate_hz: frames a second.
        n_frames: the length.
    """

    rate_hz: int
    n_frames: int

    def read(self, start: int, count: int) -> NDArray[np.float32]:
        """The mean of the channels from frame `start` on, `(count,)` float32.

        Raises:
            Refused: if they cannot be read.
        """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, t: TracebackType | None
    ) -> None: ...


class SndfileSource:
    """A file read by libsndfile, which seeks exactly and decodes little more than it returns.

    Raises:
        Refused: if libsndfile cannot open it.
        AudioError: if it is beyond the limits.
    """

    def __init__(self, path: Path, limits: AudioLimits) -> None:
        try:
            self._file = soundfile.SoundFile(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        except soundfile.LibsndfileError as error:
            raise Refused(error.error_string) from error
        self.rate_hz = int(self._file.samplerate)
        self.n_frames = int(self._file.frames)
        try:
            check_shape(path, self.rate_hz, int(self._file.channels), limits)
        except AudioError:
            self._file.close()
            raise

    def read(self, start: int, count: int) -> NDArray[np.float32]:
        """See `Source.read`."""
        try:
            self._file.seek(start)
            frames = self._file.read(count, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise Refused(error.error_string) from error
        # The header promised more. FFmpeg counts the packets that are there.
        if len(frames) < count:
            raise Refused(f"it ends before its {self.n_frames / self.rate_hz:.1f} s")
        return _mono(frames)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, t: TracebackType | None
    ) -> None:
        self._file.close()


class FFmpegSource:
    """A file read by FFmpeg, which is slower, but reads more formats and tolerates damage.

    The header is not trusted: the length is counted over the packets, which takes no decoding,
    and the sample rate is that of the first decoded frame. Damaged parts are silent.

    Args:
        path: the file.
        demuxer: FFmpeg's name of the container. FFmpeg must not guess it: among its guesses are
            playlists, which make it open other files.
        limits: of the file.

    Raises:
        Refused: if FFmpeg finds no audio in it.
        AudioError: if it is beyond the limits.
    """

    def __init__(self, path: Path, demuxer: str, limits: AudioLimits) -> None:
        self._file: BinaryIO = path.open("rb")
        try:
            self._container = av.open(
                self._file, mode="r", format=demuxer, metadata_errors="replace"
            )
            self._stream = self._audio_stream()
            # The first frame, because headers may state a wrong sample rate.
            first = next(self._frames(), None)
            if first is None:
                raise Refused("no audio can be decoded")
            self.rate_hz = int(first.sample_rate)
            check_shape(path, self.rate_hz, len(first.layout.channels), limits)
            self._origin = int(self._stream.start_time or 0)
            self.n_frames = self._count(limits.max_seconds)
        except (av.FFmpegError, ValueError) as error:
            self._file.close()
            raise Refused(getattr(error, "strerror", None) or str(error)) from error
        except BaseException:
            self._file.close()
            raise

    def read(self, start: int, count: int) -> NDArray[np.float32]:
        """See `Source.read`."""
        samples = np.zeros(count, dtype=np.float32)
        # `done`: samples filled so far; `position`: in the file, of the next decoded frame.
        done, position = 0, max(0, start - round(PREROLL_SECONDS * self.rate_hz))
        try:
            self._seek(position / self.rate_hz)
            for frame in self._frames():
                position = self._position(frame, position)
                block = _mono(_float_frames(frame))[max(0, start - position) :][: count - done]
                samples[done : done + len(block)] = block
                done, position = done + len(block), position + frame.samples
                if done == count:
                    break
        except (av.FFmpegError, ValueError) as error:
            raise Refused(getattr(error, "strerror", None) or str(error)) from error
        return samples

    def _audio_stream(self) -> AudioStream:
        if not self._container.streams.audio:
            raise Refused("no audio in it")
        stream = self._container.streams.audio[0]
        if stream.codec_context is None:
            raise Refused("its codec is unknown")
        # Each file has a process of its own, which has one core.
        stream.codec_context.thread_type = "NONE"
        return stream

    def _frames(self) -> Any:
        """Decoded frames from the present position on; packets that cannot be decoded are skipped.

        Raises:
            Refused: after more than `MAX_BROKEN_PACKETS` of them in a row.
        """
        broken = 0
        for packet in self._container.demux(self._stream):
            try:
                for frame in packet.decode():
                    broken = 0
                    yield frame
            except av.InvalidDataError:
                pass
            broken += 1
            if broken > MAX_BROKEN_PACKETS:
                raise Refused(f"more than {MAX_BROKEN_PACKETS} packets in a row hold no audio")

    def _count(self, max_seconds: float) -> int:
        """Frames in the file, or a second beyond the limit where it is longer."""
        self._seek(0.0)
        time_base = self._stream.time_base
        assert time_base is not None
        stop = self._origin + (max_seconds + 1) / time_base
        end = self._origin
        # The last packet need not end last, so that the greatest end counts.
        for number, packet in enumerate(self._container.demux(self._stream)):
            if number > MAX_PACKETS:
                raise Refused(f"it has more than {MAX_PACKETS} packets")
            if packet.pts is not None:
                end = max(end, packet.pts + (packet.duration or 0))
            if end > stop:
                break
        return round((end - self._origin) * time_base * self.rate_hz)

    def _seek(self, seconds: float) -> None:
        assert self._stream.time_base is not None
        self._container.seek(
            self._origin + int(seconds / self._stream.time_base), stream=self._stream
        )

    def _position(self, frame: AudioFrame, expected: int) -> int:
        """The position of a frame in samples; the expected one if it has no timestamp."""
        if frame.pts is None or frame.time_base is None:
            return expected
        assert self._stream.time_base is not None
        return round(
            (frame.pts * frame.time_base - self._origin * self._stream.time_base) * self.rate_hz
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, t: TracebackType | None
    ) -> None:
        self._container.close()
        self._file.close()


def check_shape(path: Path, rate_hz: int, channels: int, limits: AudioLimits) -> None:
    """Refuse sample rates and channels that no recording has, before memory is allocated.

    Raises:
        AudioError: if the sample rate or the number of channels is beyond the limits.
    """
    if not 4000 <= rate_hz <= limits.max_sample_rate_hz:
        fix = f"resample it to 4000 to {limits.max_sample_rate_hz} Hz"
        raise AudioError(f"{path.name}: sample rate out of range", got=f"{rate_hz} Hz", fix=fix)
    if channels > limits.max_channels:
        fix = f"mix it down to {limits.max_channels} channels or fewer"
        raise AudioError(f"{path.name}: too many channels", got=channels, fix=fix)


def _mono(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of the channels; `(n, channels)` to `(n,)` float32."""
    channels = frames.shape[1]
    if channels == 1:
        return frames[:, 0]
    return frames @ np.full(channels, 1 / channels, dtype=np.float32)


def _float_frames(frame: AudioFrame) -> NDArray[np.float32]:
    """The samples of a decoded frame in -1 to 1, `(n, channels)` float32."""
    raw: NDArray[Any] = frame.to_ndarray()
    raw = raw.T if frame.format.is_planar else raw.reshape(-1, len(frame.layout.channels))
    samples = raw.astype(np.float32)
    if raw.dtype.kind not in "iu":
        return samples
    # Integers of full scale become -1 to 1; unsigned ones are centred at half of it.
    full_scale = 2.0 ** (8 * raw.dtype.itemsize - 1)
    return samples / np.float32(full_scale) - np.float32(raw.dtype.kind == "u")
