"""Tags, as a tagger writes them into files of each format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mutagen
import pytest
from audio_files import WRITERS, melody
from mutagen.id3 import APIC, COMM, TIT2, TPE1
from mutagen.wave import WAVE

from hybridrec.audio.tags import MAX_TEXT_CHARACTERS, Tags, read_tags


def tagged(path: Path, **texts: object) -> Path:
    WRITERS[path.suffix[1:]](path, melody(1))
    file = mutagen.File(path, easy=True)
    if file.tags is None:
        file.add_tags()
    file.update(texts)
    file.save()
    return path


@pytest.mark.parametrize("ending", ["mp3", "flac", "ogg", "opus", "m4a"])
def test_tags_are_read_from_every_format_that_has_them(tmp_path: Path, ending: str) -> None:
    path = tagged(
        tmp_path / f"x.{ending}", title="Blå", artist="The Band", album="First", genre="Folk"
    )
    tags = read_tags(path)
    assert (tags.title, tags.artist, tags.album, tags.genre) == ("Blå", "The Band", "First", "Folk")
    assert tags.duration_seconds == pytest.approx(1.0, abs=0.1)


def test_id3_in_a_wav_file_is_read(tmp_path: Path) -> None:
    path = WRITERS["wav"](tmp_path / "x.wav", melody(1))
    file: Any = WAVE(path)
    file.add_tags()
    file.tags.add(TIT2(text="A title"))
    file.tags.add(TPE1(text=["One", "Two"]))
    file.save()
    tags = read_tags(path)
    assert (tags.title, tags.artist) == ("A title", "One, Two")


def test_several_artists_are_joined(tmp_path: Path) -> None:
    assert read_tags(tagged(tmp_path / "x.flac", artist=["One", "Two"])).artist == "One, Two"


def test_the_title_of_an_untagged_file_is_its_name(tmp_path: Path) -> None:
    assert read_tags(WRITERS["wav"](tmp_path / "My song.wav", melody(1))).title == "My song"


def test_control_characters_and_overlong_text_are_removed(tmp_path: Path) -> None:
    tags = read_tags(
        tagged(tmp_path / "x.flac", title="a\x00\x1b[31m\nb\u2028c", artist="x" * 5000)
    )
    assert tags.title == "a [31m b c"
    assert len(tags.artist) == MAX_TEXT_CHARACTERS


def test_a_picture_in_the_tags_does_not_hide_the_texts(tmp_path: Path) -> None:
    path = tagged(tmp_path / "x.mp3", title="Song")
    file = mutagen.File(path)
    file.tags.add(
        APIC(encoding=3, mime="image/png", type=3, desc="cover", data=b"\x89PNG" * 100_000)
    )
    file.tags.add(COMM(encoding=3, lang="eng", text="a comment"))
    file.save()
    assert read_tags(path).title == "Song"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"ID3",
        b"ID3\x04\x00\x00\xff\xff\xff\xff",
        b"fLaC\xff\xff",
        b"OggS",
        b"\x00" * 5000,
        b"RIFF",
    ],
)
def test_damaged_files_have_a_title_and_no_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "Odd one.mp3"
    path.write_bytes(content)
    assert read_tags(path) == Tags("Odd one")


def test_a_missing_file_has_a_title_and_no_error(tmp_path: Path) -> None:
    assert read_tags(tmp_path / "gone.mp3") == Tags("gone")
