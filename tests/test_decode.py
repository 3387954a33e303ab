"""Files in, chunks out: every format, every kind of bad file."""

from __future__ import annotations

import contextlib
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from audio_files import RATE_HZ, WRITERS, melody, write_mp3, write_sound

from hybridrec.audio.decode import decode_chunks, read_middle
from hybridrec.audio.melspec import log_mel
from hybridrec.config import AudioConfig, AudioLimits
from hybridrec.errors import AudioError

AUDIO = AudioConfig(chunk_seconds=3.0, chunks_per_track=10)
FEW = replace(AUDIO, chunks_per_track=3)
SONG_SECONDS = 25.0


@pytest.fixture(scope="module", params=sorted(WRITERS))
def song(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same music in each format."""
    return WRITERS[request.param](
        tmp_path_factory.mktemp("songs") / f"song.{request.param}", melody(SONG_SECONDS)
    )


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """The highest correlation of two pieces of audio over all lags between them."""
    spectrum = np.fft.rfft(first, 2 * len(first)) * np.conj(np.fft.rfft(second, 2 * len(first)))
    return float(np.fft.irfft(spectrum).max() / np.linalg.norm(first) / np.linalg.norm(second))


@pytest.mark.slow
def test_every_format_is_decoded_as_it_was_written(song: Path) -> None:
    excerpts = decode_chunks(song, AUDIO)
    assert excerpts.duration_seconds == pytest.approx(SONG_SECONDS, abs=0.1)
    assert excerpts.samples.shape == (9, AUDIO.chunk_samples)
    assert excerpts.samples.dtype == np.float32
    original = decode_chunks(
        WRITERS["wav"](song.with_name("original.wav"), melody(SONG_SECONDS)), AUDIO
    ).samples
    assert min(correlation(a, b) for a, b in zip(excerpts.samples, original, strict=True)) > 0.96


@pytest.mark.slow
def test_chunks_found_by_seeking_are_those_of_the_whole_track(song: Path) -> None:
    whole = read_middle(song, AUDIO, seconds=1000)
    few = decode_chunks(song, FEW).samples
    third = len(whole) / 3
    for number, chunk in enumerate(few):
        start = round((number + 0.5) * third - AUDIO.chunk_samples / 2)
        assert correlation(chunk, whole[start : start + AUDIO.chunk_samples]) > 0.97


@pytest.mark.slow
def test_damage_in_the_middle_leaves_the_rest_decodable(song: Path, tmp_path: Path) -> None:
    content = bytearray(song.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(255 - byte for byte in content[middle : middle + 200])
    (tmp_path / "scratched").write_bytes(content)
    excerpts, whole = decode_chunks(tmp_path / "scratched", AUDIO), decode_chunks(song, AUDIO)
    assert excerpts.duration_seconds == pytest.approx(SONG_SECONDS, abs=0.1)
    same = [correlation(a, b) > 0.97 for a, b in zip(excerpts.samples, whole.samples, strict=False)]
    assert sum(same) >= 7


@pytest.mark.slow
def test_the_name_of_a_file_says_nothing(song: Path, tmp_path: Path) -> None:
    expected = decode_chunks(song, FEW).samples
    for name in ("song.txt", "song.raw", "song.flac", "song.mp3", "song", "ünï -cödé ☃.m4a"):
        named = tmp_path / name
        named.write_bytes(song.read_bytes())
        np.testing.assert_array_equal(decode_chunks(named, FEW).samples, expected)


def test_a_file_whose_name_is_not_text_is_decoded(tmp_path: Path) -> None:
    for ending in ("wav", "m4a"):
        path = Path(os.fsdecode(bytes(tmp_path) + b"/\xff\xfe song"))
        path.write_bytes(WRITERS[ending](tmp_path / "x", melody(4)).read_bytes())
        assert decode_chunks(path, AUDIO).duration_seconds == pytest.approx(4, abs=0.1)


@pytest.mark.parametrize("ending", sorted(WRITERS))
def test_one_second_is_repeated_to_fill_a_chunk(tmp_path: Path, ending: str) -> None:
    excerpts = decode_chunks(WRITERS[ending](tmp_path / "x", melody(1)), AUDIO)
    assert excerpts.samples.shape == (1, AUDIO.chunk_samples)
    assert excerpts.duration_seconds == pytest.approx(1, abs=0.1)
    second, chunk = round(excerpts.duration_seconds * AUDIO.sample_rate_hz), excerpts.samples[0]
    np.testing.assert_array_equal(chunk[:1000], chunk[second : second + 1000])


def test_channels_are_averaged(tmp_path: Path) -> None:
    left = melody(4)
    stereo = np.stack([left, np.zeros_like(left)], axis=1)
    path = write_sound(tmp_path / "x", stereo, "FLAC", "PCM_24")
    mono = write_sound(tmp_path / "y", left / np.float32(2), "FLAC", "PCM_24")
    np.testing.assert_allclose(
        decode_chunks(path, AUDIO).samples, decode_chunks(mono, AUDIO).samples, atol=1e-5
    )


@pytest.mark.parametrize(
    ("format_", "subtype"),
    [("WAV", "PCM_U8"), ("WAV", "PCM_24"), ("WAV", "FLOAT"), ("RF64", "PCM_16")],
)
@pytest.mark.parametrize("rate_hz", [8000, 22050, 96000])
def test_other_widths_and_rates(tmp_path: Path, format_: str, subtype: str, rate_hz: int) -> None:
    path = write_sound(tmp_path / "x", melody(5)[: 4 * rate_hz], format_, subtype, rate_hz)
    seconds = min(4.0, 5 * RATE_HZ / rate_hz)
    assert decode_chunks(path, AUDIO).duration_seconds == pytest.approx(seconds, abs=0.01)


def test_a_leading_and_trailing_silence_is_left_out(tmp_path: Path) -> None:
    silence = np.zeros(12 * RATE_HZ, dtype=np.float32)
    path = WRITERS["flac"](tmp_path / "x", np.concatenate([silence, melody(12), silence]))
    samples = decode_chunks(path, AUDIO).samples
    assert 4 <= len(samples) < 10
    assert np.abs(samples).max(axis=1).min() > 0.01


def test_a_short_sound_in_a_long_silence_is_found(tmp_path: Path) -> None:
    silence = np.zeros(55 * RATE_HZ, dtype=np.float32)
    path = WRITERS["flac"](tmp_path / "x", np.concatenate([silence, melody(6), silence, silence]))
    assert np.abs(decode_chunks(path, FEW).samples).max() > 0.05


def test_the_middle_is_read_for_training_and_no_more_than_there_is(tmp_path: Path) -> None:
    path = WRITERS["flac"](tmp_path / "x", melody(20))
    assert len(read_middle(path, AUDIO, seconds=5)) == 5 * AUDIO.sample_rate_hz
    assert len(read_middle(path, AUDIO, seconds=60)) == 20 * AUDIO.sample_rate_hz


# --- files that end too early ----------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["mp3", "flac", "ogg", "opus", "wav", "aiff", "aac"])
def test_half_a_file_is_decoded_to_its_end(tmp_path: Path, ending: str) -> None:
    content = WRITERS[ending](tmp_path / "x", melody(SONG_SECONDS)).read_bytes()
    (tmp_path / "half").write_bytes(content[: len(content) // 2])
    excerpts = decode_chunks(tmp_path / "half", AUDIO)
    assert excerpts.duration_seconds == pytest.approx(SONG_SECONDS / 2, abs=2)
    assert np.isfinite(log_mel(excerpts.samples, AUDIO)).all()


def test_half_an_m4a_has_lost_its_index_and_says_so(tmp_path: Path) -> None:
    content = WRITERS["m4a"](tmp_path / "x", melody(8)).read_bytes()
    (tmp_path / "half.m4a").write_bytes(content[: len(content) // 2])
    with pytest.raises(
        AudioError, match=r"half\.m4a: too damaged to be decoded .*; get the file again"
    ):
        decode_chunks(tmp_path / "half.m4a", AUDIO)


def test_an_mp3_without_its_length_is_decoded_as_a_whole(tmp_path: Path) -> None:
    loud_then_quiet = np.concatenate([melody(5), melody(35) * 0.001])
    more: dict[str, Any] = {"bitrate_mode": "VARIABLE", "compression_level": 0.3}
    content = write_sound(
        tmp_path / "x", loud_then_quiet, "MP3", "MPEG_LAYER_III", **more
    ).read_bytes()
    after_length = content.index(b"\xff\xfb", content.index(b"Xing"))
    (tmp_path / "y").write_bytes(content[after_length:])
    assert decode_chunks(tmp_path / "y", AUDIO).duration_seconds == pytest.approx(40, abs=0.2)


def test_an_mp3_behind_a_large_picture_is_decoded(tmp_path: Path) -> None:
    digits = bytes((300_000 >> shift) & 0x7F for shift in (21, 14, 7, 0))
    content = write_mp3(tmp_path / "x", melody(8)).read_bytes()
    (tmp_path / "y").write_bytes(b"ID3\x04\x00\x00" + digits + b"\0" * 300_000 + content)
    assert decode_chunks(tmp_path / "y", AUDIO).duration_seconds == pytest.approx(8, abs=0.1)


# --- files that cannot be decoded ----------------------------------------------------------


SILENCE = np.zeros(5 * RATE_HZ, dtype=np.float32)
PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile:///etc/passwd\n"
BAD_FILES: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: None,
    "directory": Path.mkdir,
    "pipe": os.mkfifo,
    "empty": Path.touch,
    "text": lambda path: path.write_text("not a song at all " * 1000),
    "picture": lambda path: path.write_bytes(
        b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(range(256)) * 100
    ),
    "playlist": lambda path: path.write_text(PLAYLIST),
    "random": lambda path: path.write_bytes(b"\xff\xfb" + np.random.default_rng(0).bytes(100_000)),
    "head only": lambda path: path.write_bytes(WRITERS["flac"](path, melody(5)).read_bytes()[:60]),
    "short": lambda path: WRITERS["wav"](path, melody(0.2)),
    "silent": lambda path: WRITERS["flac"](path, SILENCE),
    "constant": lambda path: write_sound(path, SILENCE + 0.5, "WAV", "FLOAT"),
    "NaN": lambda path: write_sound(path, SILENCE + np.nan, "WAV", "FLOAT"),
    "channels": lambda path: write_sound(
        path, np.full((8000, 40), 0.1, dtype=np.float32), "WAV", "PCM_16"
    ),
    "rate": lambda path: write_sound(path, melody(1), "WAV", "PCM_16", rate_hz=100),
}


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("missing", "cannot be read .No such file"),
        ("directory", "not a file"),
        ("pipe", "not a file"),
        ("empty", "the file is empty; got '0 bytes'"),
        ("text", "not audio, whatever its name says; give MP3, FLAC"),
        ("picture", "not audio"),
        ("playlist", "not audio"),
        ("random", "too damaged to be decoded|too short"),
        ("head only", "too damaged to be decoded"),
        ("short", "too short to be embedded; got '0.20 s'; give 0.5 s or more"),
        ("silent", "it holds no sound"),
        ("constant", "it holds no sound"),
        ("NaN", "it holds no sound"),
        ("channels", "too many channels; got 40"),
        ("rate", "sample rate out of range; got '100 Hz'"),
    ],
)
def test_a_file_that_cannot_be_decoded_is_refused_with_a_reason_and_without_its_path(
    tmp_path: Path, kind: str, why: str
) -> None:
    path = tmp_path / "song.mp3"
    BAD_FILES[kind](path)
    with pytest.raises(AudioError, match=rf"^song\.mp3: ({why})") as refusal:
        decode_chunks(path, AUDIO)
    assert str(tmp_path) not in str(refusal.value)


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (AudioLimits(max_seconds=4), r"too long; got '0\.0 h'; give at most"),
        (AudioLimits(max_file_bytes=1000), "too large; got .* give at most 1000 bytes"),
        (
            AudioLimits(min_seconds=10),
            r"too short to be embedded; got '5\.\d+ s'; give 10 s",
        ),
    ],
)
@pytest.mark.parametrize("ending", ["flac", "m4a"])
def test_limits_are_kept(tmp_path: Path, limits: AudioLimits, why: str, ending: str) -> None:
    with pytest.raises(AudioError, match=why):
        decode_chunks(WRITERS[ending](tmp_path / "x", melody(5)), AUDIO, limits)


PEAK_KIB = """
import resource, sys
from pathlib import Path
from hybridrec.audio.decode import decode_chunks
from hybridrec.config import AudioConfig
from hybridrec.errors import AudioError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    print(decode_chunks(Path(sys.argv[1]), AudioConfig()).duration_seconds)
except AudioError as error:
    print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("claim", ["endless WAV", "endless FLAC", "extreme rate and channels"])
def test_what_a_header_claims_costs_no_memory(tmp_path: Path, claim: str) -> None:
    path = tmp_path / "x"
    if claim == "endless FLAC":
        content = bytearray(WRITERS["flac"](path, melody(2)).read_bytes())
        content[21] |= 0x0F
        content[22:26] = b"\xff\xff\xff\xff"
    else:
        content = bytearray(WRITERS["wav"](path, melody(2)).read_bytes())
        content[4:8] = content[40:44] = struct.pack("<I", 0xFFFFFFF0)
        if claim.startswith("extreme"):
            content[22:36] = struct.pack("<HIIHH", 1000, 2**31 - 1, 2**31 - 1, 2000, 16)
    path.write_bytes(content)
    answer = subprocess.run(
        [sys.executable, "-c", PEAK_KIB, path], capture_output=True, text=True, timeout=120
    )
    assert answer.returncode == 0, answer.stderr
    outcome, grown_kib = answer.stdout.splitlines()
    assert (
        outcome == "2.0"
        or "too long" in outcome
        or "out of range" in outcome
        or "damaged" in outcome
    )
    assert int(grown_kib) < 64 * 1024


@pytest.mark.slow
@pytest.mark.parametrize("ending", sorted(WRITERS))
def test_damage_gives_an_answer_or_an_error_but_no_crash_and_no_nan(
    tmp_path: Path, ending: str
) -> None:
    content = WRITERS[ending](tmp_path / "x", melody(3)).read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(15):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), 20):
            damaged[place] = rng.integers(256)
        (tmp_path / "y").write_bytes(damaged)
        with contextlib.suppress(AudioError):
            assert np.isfinite(log_mel(decode_chunks(tmp_path / "y", AUDIO).samples, AUDIO)).all()


@pytest.mark.data
def test_files_that_libsndfile_refuses_are_decoded_by_ffmpeg(data_directory: Path) -> None:
    for path in sorted((data_directory / "music" / "odd").iterdir()):
        excerpts = decode_chunks(path, AUDIO)
        assert excerpts.duration_seconds == pytest.approx(30, abs=0.1)
        assert len(excerpts.samples) == 10


def test_decoding_needs_neither_torch_nor_librosa() -> None:
    check = (
        "import sys, hybridrec.audio.decode, hybridrec.audio.tags;"
        " print({'torch', 'librosa'} & set(sys.modules))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, timeout=120, check=True
    )
    assert answer.stdout.strip() == "set()"
