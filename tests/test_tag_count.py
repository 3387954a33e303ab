"""Files with too many tags or empty frames are refused by a count, before they are read."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import mutagen
import pytest
from audio_files import WRITERS, melody

from hybridrec.audio import sources
from hybridrec.audio.decode import decode_chunks
from hybridrec.audio.tag_count import MAX_TEXTS, has_too_many_texts
from hybridrec.audio.tags import read_tags
from hybridrec.config import AudioConfig
from hybridrec.errors import AudioError

MANY = MAX_TEXTS + 1


def synchsafe(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def id3(frames: int, version: int = 4) -> bytes:
    frame = b"TT2\0\0\x03\x03ab" if version == 2 else b"TXXX\0\0\0\x03\0\0\x03ab"
    return b"ID3" + bytes([version, 0, 0]) + synchsafe(frames * len(frame)) + frames * frame


def ape(items: int) -> bytes:
    item = struct.pack("<II", 1, 0) + b"Title\0x"
    return (
        items * item
        + b"APETAGEX"
        + struct.pack("<IIII", 2000, items * len(item) + 32, items, 0)
        + bytes(8)
    )


def comments(count: int) -> bytes:
    return (
        struct.pack("<I", 4)
        + b"test"
        + struct.pack("<I", count)
        + count * (struct.pack("<I", 3) + b"A=b")
    )


def flac_block(flac: bytes, count: int) -> bytes:
    block = comments(count)
    return (
        flac[:4]
        + bytes([flac[4] & 0x7F])
        + flac[5:42]
        + b"\x04"
        + len(block).to_bytes(3)
        + block
        + flac[42:]
    )


def riff_chunk(wav: bytes, tag: bytes) -> bytes:
    return wav + b"id3 " + struct.pack("<I", len(tag)) + tag


CASES: dict[str, tuple[str, Callable[[bytes, int], bytes]]] = {
    "ID3v2.4": ("mp3", lambda song, count: id3(count) + song),
    "ID3v2.3": ("mp3", lambda song, count: id3(count, 3) + song),
    "ID3v2.2": ("mp3", lambda song, count: id3(count, 2) + song),
    "many ID3 tags": ("mp3", lambda song, count: count * id3(0) + song),
    "APE": ("mp3", lambda song, count: song + ape(count)),
    "FLAC comments": ("flac", flac_block),
    "ID3 in WAV": ("wav", lambda song, count: riff_chunk(song, id3(count))),
}


@pytest.mark.parametrize("case", CASES)
def test_a_file_with_too_many_texts_is_refused_with_the_reason(
    tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, with_texts = CASES[case]
    song = WRITERS[kind](tmp_path / f"song.{kind}", melody(2.0)).read_bytes()
    few, many = tmp_path / f"few.{kind}", tmp_path / f"many.{kind}"
    few.write_bytes(with_texts(song, 20))
    many.write_bytes(with_texts(song, MANY))
    assert not has_too_many_texts(few)
    assert decode_chunks(few, AudioConfig()).duration_seconds == pytest.approx(2.0, abs=0.2)
    with pytest.raises(
        AudioError,
        match=rf"many.{kind}: its tags hold more than {MAX_TEXTS} texts; remove its tags",
    ):
        decode_chunks(many, AudioConfig())

    def never(*_: object, **__: object) -> None:
        raise AssertionError("the tags were read")

    monkeypatch.setattr(mutagen, "File", never)
    assert read_tags(many).title == "many"


@pytest.mark.parametrize("kind", sorted(WRITERS))
def test_common_files_have_few_texts(tmp_path: Path, kind: str) -> None:
    assert not has_too_many_texts(WRITERS[kind](tmp_path / f"song.{kind}", melody(2.0)))


@pytest.mark.parametrize("kind", ["opus", "ogg"])
def test_comments_that_are_claimed_are_believed(tmp_path: Path, kind: str) -> None:
    song = WRITERS[kind](tmp_path / f"song.{kind}", melody(2.0)).read_bytes()
    mark = b"OpusTags" if kind == "opus" else b"\x03vorbis"
    at = song.index(mark) + len(mark)
    at += 4 + int.from_bytes(song[at : at + 4], "little")
    (tmp_path / "many").write_bytes(song[:at] + struct.pack("<I", MANY) + song[at + 4 :])
    assert has_too_many_texts(tmp_path / "many")


def test_a_file_of_empty_frames_is_refused_after_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "MAX_BROKEN_PACKETS", 500)
    path = tmp_path / "empty.aac"
    path.write_bytes(bytes([0xFF, 0xF1, 0x50, 0x80, 0x00, 0xFF, 0xFC]) * 5000)
    with pytest.raises(AudioError, match="more than 500 packets in a row hold no audio"):
        decode_chunks(path, AudioConfig())


def test_a_file_with_too_many_packets_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "MAX_PACKETS", 20)
    song = WRITERS["m4a"](tmp_path / "song.m4a", melody(4.0))
    with pytest.raises(AudioError, match="it has more than 20 packets"):
        decode_chunks(song, AudioConfig())
