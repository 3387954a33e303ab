"""Counts the texts in the tags of a file by their headers alone.

A recording has some dozens. Readers of tags make an object of each, so that a file with a
million of them would take a gigabyte and half a minute.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

MAX_TEXTS = 10_000
_ID3_HEADER, _APE_FOOTER = 10, 32
_COMMENTS = {b"OpusTags": 8, b"\x03vorbis": 7}
_MAX_CHUNKS = 10_000
_FIRST_BYTES = 65_536  # of an Ogg stream or a comment block, where the count of texts is


def has_too_many_texts(path: Path) -> bool:
    """Whether the tags of a file hold more than `MAX_TEXTS` texts, or as many blocks.

    Raises:
        OSError: if the file cannot be read.
    """
    with path.open("rb") as file:
        texts, start = _leading_id3(file)
        texts += _ape(file)
        file.seek(start)
        head = file.read(_FIRST_BYTES)
        if head.startswith(b"fLaC"):
            texts += _flac(file, start)
        elif head.startswith(b"OggS"):
            texts += _ogg(head)
        elif head[:4] in (b"RIFF", b"RF64", b"FORM"):
            texts += _chunks(file, start, ">I" if head.startswith(b"FORM") else "<I")
    return texts > MAX_TEXTS


def _leading_id3(file: BinaryIO) -> tuple[int, int]:
    """How many frames the ID3 tags at the beginning hold, and the position where they end."""
    frames, start = 0, 0
    while frames <= MAX_TEXTS:
        file.seek(start)
        header = file.read(_ID3_HEADER)
        if len(header) < _ID3_HEADER or not header.startswith(b"ID3"):
            break
        frames += 1 + _id3_frames(file, header)
        start += _ID3_HEADER + _synchsafe(header[6:10])
    return frames, start


def _id3_frames(file: BinaryIO, header: bytes) -> int:
    """How many frames a tag holds whose header was just read; stops one beyond the limit."""
    end = file.tell() + _synchsafe(header[6:10])
    version, count = header[3], 0
    length = 6 if version == 2 else 10  # of a frame's header
    while count <= MAX_TEXTS and file.tell() + length <= end:
        frame = file.read(length)
        if len(frame) < length or frame[0] == 0:
            break
        size = int.from_bytes(frame[3:6]) if version == 2 else int.from_bytes(frame[4:8])
        # Some writers of version 2.4 leave sizes as plain integers, as version 2.3 has them.
        if version == 4 and all(digit < 0x80 for digit in frame[4:8]):
            size = _synchsafe(frame[4:8])
        file.seek(size, os.SEEK_CUR)
        count += 1
    return count


def _ape(file: BinaryIO) -> int:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _APE_FOOTER - 128))  # an ID3v1 tag of 128 bytes may follow
    tail = file.read()
    at = tail.rfind(b"APETAGEX")
    return int.from_bytes(tail[at + 16 : at + 20], "little") if at >= 0 else 0


def _flac(file: BinaryIO, start: int) -> int:
    file.seek(start + 4)
    for blocks in range(_MAX_CHUNKS):
        header = file.read(4)
        if len(header) < 4:
            return blocks
        end = file.tell() + int.from_bytes(header[1:])
        if header[0] & 0x7F == 4:
            return _comments(file.read(_FIRST_BYTES)) + blocks
        if header[0] & 0x80:
            return blocks
        file.seek(end)
    return MAX_TEXTS + 1


def _ogg(head: bytes) -> int:
    found = [
        _comments(head[head.index(mark) + skip :])
        for mark, skip in _COMMENTS.items()
        if mark in head
    ]
    return max(found, default=0)


def _comments(block: bytes) -> int:
    """The number of comments that a Vorbis comment block claims, which follows the vendor."""
    vendor = int.from_bytes(block[:4], "little")
    return int.from_bytes(block[4 + vendor : 8 + vendor], "little")


def _chunks(file: BinaryIO, start: int, length: str) -> int:
    """How many frames the ID3 tag among the chunks of a RIFF or AIFF file holds."""
    place = start + 12
    for chunks in range(_MAX_CHUNKS):
        file.seek(place)
        header = file.read(8)
        if len(header) < 8:
            return chunks
        if header[:4].lower() == b"id3 ":
            return _id3_frames(file, file.read(_ID3_HEADER).ljust(_ID3_HEADER, b"\0")) + chunks
        size = struct.unpack(length, header[4:])[0]
        place += 8 + size + size % 2
    return MAX_TEXTS + 1


def _synchsafe(digits: bytes) -> int:
    """A length as ID3 writes it, with seven bits a byte."""
    length = 0
    for digit in digits:
        length = length << 7 | digit & 0x7F
    return length
