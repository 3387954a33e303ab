"""Broken and hostile files cost no more than the limits and affect no other file."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from audio_files import WRITERS, melody
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from hybridrec.audio.melspec import mel_bank
from hybridrec.config import AudioConfig, AudioLimits, EncoderConfig
from hybridrec.embedder.pool import EmbedderPool
from hybridrec.encoder.checkpoint import Checkpoint
from hybridrec.encoder.model import new_encoder
from hybridrec.errors import AudioError

pytestmark = pytest.mark.slow

BROKEN_FILES = int(os.environ.get("HYBRIDREC_BROKEN_FILES", "300"))
"""How many broken files are embedded; 2000 make a thorough run."""

MOST_GROWTH_BYTES = 100_000_000
Damage = tuple[str, float, bytes]


def untrained() -> bytes:
    """An untrained encoder, whose embeddings mean nothing, which does not matter here."""
    return Checkpoint.of(
        new_encoder(EncoderConfig(), 96, seed=0), AudioConfig(), mel_bank(AudioConfig())
    ).to_bytes()


@pytest.fixture(scope="module")
def pool() -> Iterator[EmbedderPool]:
    with EmbedderPool(untrained(), AudioLimits(max_embedding_seconds=60), frozenset(), 1) as pool:
        yield pool


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A little music in every format."""
    place = tmp_path_factory.mktemp("songs")
    return {
        kind: write(place / f"song.{kind}", melody(2.0)).read_bytes()
        for kind, write in WRITERS.items()
    }


def process_of(pool: EmbedderPool) -> int:
    (process,) = pool.processes
    return process


def memory_of(process: int, name: str) -> int:
    """A figure of /proc/PID/status, in bytes."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def damaged(content: bytes, damages: list[Damage]) -> bytes:
    """A file after damages, each at a share of its length."""
    for kind, share, noise in damages:
        at = int(share * len(content))
        if kind == "cut":
            content = content[: at + 1]
        elif kind == "overwrite":
            content = content[:at] + noise + content[at + len(noise) :]
        elif kind == "insert":
            content = content[:at] + noise + content[at:]
        else:
            content = content[:at] + content[at + 10 * len(noise) :]
    return content


places = st.one_of(st.floats(0, 1), st.floats(0, 0.02))
noises = st.one_of(
    st.binary(min_size=1, max_size=40),
    st.sampled_from([b"\xff" * 4, b"\x00" * 8, b"\x7f\xff\xff\xff"]),
)
damages = st.tuples(st.sampled_from(["cut", "overwrite", "insert", "remove"]), places, noises)


def test_broken_files_neither_crash_nor_block_nor_bloat_the_process_that_embeds(
    pool: EmbedderPool, songs: dict[str, bytes], tmp_path: Path
) -> None:
    process, path = process_of(pool), tmp_path / "broken"
    path.write_bytes(songs["mp3"])
    pool.embed_one(path)
    before = memory_of(process, "VmRSS")
    outcomes = {"embedded": 0, "refused": 0}

    @seed(0)
    @settings(
        max_examples=BROKEN_FILES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(kind=st.sampled_from(sorted(songs)), damages=st.lists(damages, min_size=1, max_size=4))
    def embed(kind: str, damages: list[Damage]) -> None:
        path.write_bytes(damaged(songs[kind], damages))
        try:
            _, embedded = pool.embed_one(path)
        except AudioError:
            outcomes["refused"] += 1
        else:
            assert np.linalg.norm(embedded.embedding) == pytest.approx(1.0, abs=1e-4)
            outcomes["embedded"] += 1

    embed()
    assert min(outcomes.values()) > BROKEN_FILES / 20
    assert process_of(pool) == process
    assert memory_of(process, "VmRSS") - before < MOST_GROWTH_BYTES


def synchsafe(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def id3_bomb(inflated_bytes: int) -> bytes:
    """An ID3 tag whose title is a compressed text of that length."""
    deflate = zlib.compressobj(9)
    parts = [deflate.compress(b"\x03")] + [
        deflate.compress(b"a" * 2**20) for _ in range(inflated_bytes // 2**20)
    ]
    text = b"".join(parts) + deflate.flush()
    frame = (
        b"TIT2"
        + synchsafe(len(text) + 4)
        + b"\x00\x09"
        + synchsafe(inflated_bytes & 0xFFFFFFF)
        + text
    )
    return b"ID3\x04\x00\x00" + synchsafe(len(frame)) + frame


def test_a_tag_that_inflates_to_a_gigabyte_costs_no_more_than_the_limit(
    songs: dict[str, bytes], tmp_path: Path
) -> None:
    limits = AudioLimits(max_memory_bytes=2**28)
    (tmp_path / "bomb.mp3").write_bytes(id3_bomb(2**30) + songs["mp3"])
    with EmbedderPool(untrained(), limits, frozenset(), 1) as pool:
        process = process_of(pool)
        before = memory_of(process, "VmHWM")
        file, _ = pool.embed_one(tmp_path / "bomb.mp3")
        assert file.tags.title == "bomb"
        assert memory_of(process, "VmHWM") - before < 1.5 * limits.max_memory_bytes


def with_number(content: bytes, mark: bytes, offset: int, number: int, order: str = ">") -> bytes:
    """A file with another 32-bit number so many bytes after the first of a mark."""
    at = content.index(mark) + offset
    return content[:at] + struct.pack(f"{order}I", number) + content[at + 4 :]


HOURS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "WAV data": (
        "wav",
        lambda wav: with_number(
            with_number(wav, b"RIFF", 4, 2**32 - 1, "<"), b"data", 4, 2**32 - 1
        ),
    ),
    "FLAC samples": (
        "flac",
        lambda flac: flac[:21] + bytes([flac[21] | 0x0F]) + b"\xff" * 4 + flac[26:],
    ),
    "AIFF frames": (
        "aiff",
        lambda aiff: with_number(with_number(aiff, b"COMM", 10, 2**32 - 1), b"SSND", 4, 2**32 - 1),
    ),
    "MP3 frames": ("mp3", lambda mp3: with_number(mp3, b"Info", 8, 2**31 - 1)),
    "M4A duration": (
        "m4a",
        lambda m4a: with_number(with_number(m4a, b"mvhd", 20, 2**32 - 2), b"mdhd", 20, 2**32 - 2),
    ),
    "M4A times": ("m4a", lambda m4a: with_number(m4a, b"stts", 12, 2**31 - 1)),
    "M4A sizes": ("m4a", lambda m4a: with_number(m4a, b"stsz", 12, 2**28 - 1)),
}
"""What claims hours: the format, and how its header is made to."""


@pytest.mark.parametrize("claim", HOURS)
def test_a_header_that_claims_hours_costs_no_more_than_what_is_there(
    pool: EmbedderPool, songs: dict[str, bytes], tmp_path: Path, claim: str
) -> None:
    process = process_of(pool)
    before = memory_of(process, "VmHWM")
    kind, claiming = HOURS[claim]
    path = tmp_path / f"hours.{kind}"
    path.write_bytes(claiming(songs[kind]))
    assert path.read_bytes() != songs[kind]
    with suppress(AudioError):
        _, embedded = pool.embed_one(path)
        assert embedded.duration_seconds < 10
    assert process_of(pool) == process
    assert memory_of(process, "VmHWM") - before < MOST_GROWTH_BYTES


def test_a_file_that_takes_too_long_is_refused_and_the_next_is_embedded(
    songs: dict[str, bytes], tmp_path: Path
) -> None:
    path = tmp_path / "song.ogg"
    path.write_bytes(songs["ogg"])
    with EmbedderPool(untrained(), AudioLimits(max_embedding_seconds=1e-6), frozenset(), 1) as pool:
        for _ in range(2):
            with pytest.raises(
                AudioError,
                match=r"song.ogg: the process that embedded it died, for it took",
            ):
                pool.embed_one(path)


def test_a_process_that_somebody_ended_is_replaced(
    pool: EmbedderPool, songs: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "song").write_bytes(songs["opus"])
    process = process_of(pool)
    os.kill(process, signal.SIGKILL)
    file, embedded = pool.embed_one(tmp_path / "song", filename="My song.opus")
    assert (file.tags.title, len(embedded.embedding)) == ("My song", 128)
    assert process_of(pool) != process


def test_a_file_beyond_the_limits_is_refused_before_it_is_decoded(
    songs: dict[str, bytes], tmp_path: Path
) -> None:
    path = tmp_path / "song.flac"
    path.write_bytes(songs["flac"])
    limits = replace(AudioLimits(), max_file_bytes=1000)
    with (
        EmbedderPool(untrained(), limits, frozenset(), 1) as pool,
        pytest.raises(AudioError, match="too large"),
    ):
        pool.embed_one(path)


def test_the_whole_program_is_started_again_where_somebody_ended_it(
    songs: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "song").write_bytes(songs["opus"])
    with EmbedderPool(untrained(), AudioLimits(), frozenset(), 1) as pool:
        before = process_of(pool)
        pool._program.kill()
        os.kill(before, signal.SIGKILL)
        assert len(pool.embed_one(tmp_path / "song")[1].embedding) == 128
        assert process_of(pool) != before


def test_a_script_without_a_guard_runs_once(tmp_path: Path, songs: dict[str, bytes]) -> None:
    (tmp_path / "song.flac").write_bytes(songs["flac"])
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\n"
        "from hybridrec.serving.service import RecommendationService\n"
        "from hybridrec.serving.uploads import TrackDetails\n"
        "from hybridrec.storage.library import Library\n"
        "from hybridrec.embedder.library_encoder import ensure_encoder\n"
        "print('runs')\n"
        "folder = Path(__file__).parent\n"
        "library = Library.open(folder / 'library', create=True)\n"
        "ensure_encoder(library)\n"
        "with RecommendationService(library) as service:\n"
        "    print(service.add_track(folder / 'song.flac', TrackDetails(id='song'))[0].id)\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["runs", "song"], "")
