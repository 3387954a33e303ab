"""The kind of a file, by its first bytes and never by its name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

AUDIO_KINDS = "MP3, FLAC, Ogg Vorbis, Opus, WAV, AIFF, M4A or AAC"
AUDIO_SUFFIXES = frozenset(
    (
        ".mp3",
        ".flac",
        ".ogg",
        ".oga",
        ".opus",
        ".wav",
        ".aif",
        ".aiff",
        ".aifc",
        ".m4a",
        ".mp4",
        ".aac",
    )
)

_HEAD_BYTES = 4096
_ID3_HEADER_BYTES = 10


@dataclass(frozen=True)
class Kind:
    """A kind of audio file.

    Attributes:
        demuxer: FFmpeg's name of the container.
        for_libsndfile: whether libsndfile reads it; it is fast, and its length can be trusted.
    """

    demuxer: str
    for_libsndfile: bool = True


def kind_of(file: BinaryIO) -> Kind | None:
    """The kind of an open file, None if it is not supported; moves the file's position."""
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    tagged = head.startswith(b"ID3") and len(head) >= _ID3_HEADER_BYTES
    if tagged:
        file.seek(_ID3_HEADER_BYTES + _synchsafe(head[6:10]))
        head = file.read(_HEAD_BYTES)
    return _container(head) or _stream(head.lstrip(b"\0"), tagged)


def _container(head: bytes) -> Kind | None:
    form = head[8:12]
    if head[:4] in (b"RIFF", b"RF64") and form == b"WAVE":
        return Kind("wav")
    if head[:4] == b"FORM" and form in (b"AIFF", b"AIFC"):
        return Kind("aiff")
    if head[4:8] == b"ftyp":
        return Kind("mov", for_libsndfile=False)
    return {b"fLaC": Kind("flac"), b"OggS": Kind("ogg")}.get(head[:4])


def _stream(head: bytes, tagged: bool) -> Kind | None:
    """Kinds without a container: their frames begin with eleven or twelve set bits."""
    if len(head) < 2 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return Kind("mp3", for_libsndfile=False) if tagged and head else None
    if head[1] & 0xF6 == 0xF0:
        return Kind("aac", for_libsndfile=False)
    # Without one of these, libsndfile guesses the length from the first frame's bit rate.
    return Kind(
        "mp3", for_libsndfile=any(mark in head[:256] for mark in (b"Xing", b"Info", b"VBRI"))
    )


def _synchsafe(digits: bytes) -> int:
    """A length as ID3 writes it, with seven bits a byte."""
    length = 0
    for digit in digits:
        length = length << 7 | digit & 0x7F
    return length


def may_be_audio(path: Path) -> bool:
    """Whether a file is audio by content or by name; its failure should be reported then."""
    if path.suffix.lower() in AUDIO_SUFFIXES:
        return True
    try:
        if not path.is_file():
            return False
        with path.open("rb", buffering=0) as file:
            return kind_of(file) is not None
    except OSError:
        return False
