"""A folder of audio becomes tracks: once, whatever happens meanwhile."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import mutagen
import numpy as np
import pytest
from audio_files import WRITERS, melody, write_sound
from waiting import wait_for

from hybridrec.audio.melspec import mel_bank
from hybridrec.config import AudioConfig, AudioLimits, EncoderConfig
from hybridrec.data.plays import Play
from hybridrec.embedder.embedder import Embedder
from hybridrec.encoder.checkpoint import Checkpoint
from hybridrec.encoder.model import new_encoder
from hybridrec.errors import InvalidInput, NotFound
from hybridrec.storage.library import Library
from hybridrec.workflows.ingest.audio import IngestReport, files_below, ingest_audio

SMALL = EncoderConfig(channels=(8, 8), blocks=(1,), expansion=(1,), fused_stages=1, features=64)


def encoder_of_seed(seed: int) -> bytes:
    return Checkpoint.of(
        new_encoder(SMALL, 96, seed), AudioConfig(), mel_bank(AudioConfig())
    ).to_bytes()


ENCODER = encoder_of_seed(0)


def ingest(
    library: Library, directory: Path, encoder: bytes = ENCODER, workers: int = 1
) -> IngestReport:
    return ingest_audio(
        library, directory, encoder, workers=workers, progress=False, limits=AudioLimits()
    )


def counts(report: IngestReport) -> tuple[int, int, int, int, int]:
    return report.added, report.updated, report.unchanged, report.moved, len(report.failed)


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """A folder with two albums, a copy, a loop of links, bad files, and files without music."""
    folder = tmp_path / "music"
    (folder / "b album").mkdir(parents=True)
    (folder / "a album").mkdir()
    song = WRITERS["flac"](folder / "b album" / "1.flac", melody(3, seed=1))
    tags = mutagen.File(song, easy=True)
    tags.update({"title": "One", "artist": "The Band"})
    tags.save()
    WRITERS["mp3"](folder / "b album" / "no ending", melody(3, seed=2))
    WRITERS["m4a"](folder / "a album" / "Three.m4a", melody(3, seed=3))
    shutil.copy(song, folder / "copy of 1.flac")
    (folder / "a album" / "loop").symlink_to(folder)
    (folder / "a album" / "gone.mp3").symlink_to(folder / "nowhere")
    (folder / "empty.mp3").touch()
    (folder / "text.ogg").write_text("no music")
    (folder / "cover.jpg").write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF")
    (folder / "._1.flac").write_bytes(b"what another system leaves behind")
    return folder


@pytest.mark.slow
def test_a_folder_is_embedded_again_as_its_files_or_the_encoder_change(
    library: Library, music: Path
) -> None:
    first = ingest(library, music, workers=2)
    assert counts(first) == (3, 0, 0, 1, 3)
    assert [Path(bad.path).name for bad in first.failed] == ["empty.mp3", "text.ogg", "gone.mp3"]
    assert "the file is empty" in first.failed[0].why
    assert "not audio" in first.failed[1].why
    assert first.tracks_per_second > 0
    assert min(first.stage_seconds.values()) > 0
    tracks = {track.title: track for track in library.find_tracks()}
    assert set(tracks) == {"One", "no ending", "Three"}
    assert tracks["One"].artist == "The Band"
    assert tracks["One"].id == tracks["One"].content_hash[:16]
    assert tracks["Three"].duration_seconds == pytest.approx(3, abs=0.1)
    _assert_vectors_are_what_the_encoder_makes(library)

    library.add_plays([Play("ann", tracks[title].id, played_at=1.0) for title in ("One", "Three")])
    for bad in first.failed:
        Path(bad.path).unlink()
    assert counts(ingest(library, music)) == (0, 0, 4, 0, 0)

    os.utime(music / "b album" / "no ending", ns=(1, 1))
    (music / "a album" / "Three.m4a").rename(music / "moved.m4a")
    for name in ("b album/1.flac", "copy of 1.flac"):
        tags = mutagen.File(music / name, easy=True)
        tags["title"] = "One, corrected"
        tags.save()
    WRITERS["wav"](music / "new.wav", melody(3, seed=4))
    assert counts(ingest(library, music)) == (1, 1, 1, 2, 0)
    ids = {track.title: track.id for track in library.find_tracks()}
    assert ids["One, corrected"] == tracks["One"].id
    assert ids["moved"] == tracks["Three"].id
    assert library.track(ids["moved"]).path == str(music / "moved.m4a")
    assert library.support() == {tracks["One"].id: 1, tracks["Three"].id: 1} | dict.fromkeys(
        {ids["new"], ids["no ending"]}, 0
    )
    assert counts(ingest(library, music)) == (0, 0, 5, 0, 0)

    known = library.track_ids()
    assert counts(ingest(library, music, encoder_of_seed(1))) == (0, 4, 1, 0, 0)
    assert library.track_ids() == known
    assert sorted(library.fingerprints().values()) == [4, 4]


def _assert_vectors_are_what_the_encoder_makes(library: Library) -> None:
    encoder = Embedder.from_checkpoint(ENCODER)
    embeddings = library.embeddings(encoder.fingerprint)
    assert library.fingerprint() == encoder.fingerprint
    assert len(embeddings.ids) == 3
    for id_, vector in zip(embeddings.ids, embeddings.vectors, strict=True):
        path = library.track(id_).path
        assert path is not None
        np.testing.assert_allclose(encoder.embed(Path(path)).embedding, vector, atol=1e-5)


INGEST = """
import sys
from pathlib import Path
from hybridrec.storage.library import Library
from hybridrec.workflows.ingest.audio import ingest_audio

if __name__ == "__main__":
    with Library.open(sys.argv[1]) as library:
        music, encoder = Path(sys.argv[2]), Path(sys.argv[3]).read_bytes()
        ingest_audio(library, music, encoder, workers=1, progress=False)
"""


def processes_with(text: str) -> list[int]:
    """Ids of running processes whose environment has this text."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and text.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


@pytest.mark.slow
def test_kill_9_loses_nothing_that_was_stored_and_the_next_run_goes_on(
    library: Library, tmp_path: Path
) -> None:
    music, script, encoder = tmp_path / "music", tmp_path / "ingest.py", tmp_path / "encoder"
    music.mkdir()
    for seed in range(40):
        write_sound(music / f"{seed:02d}.wav", melody(1, seed), "WAV", "PCM_16")
    script.write_text(INGEST)
    encoder.write_bytes(ENCODER)
    mark = f"HYBRIDREC_TEST={tmp_path}"
    environment = os.environ | {"HYBRIDREC_TEST": str(tmp_path)}
    place = library.files.parent
    with subprocess.Popen(
        [sys.executable, script, place, music, encoder], env=environment
    ) as process:
        wait_for(lambda: library.track_ids() or process.poll() is not None)
        process.send_signal(signal.SIGKILL)
    stored = library.track_ids()
    assert 0 < len(stored) < 40, "it must be killed in the middle"
    wait_for(lambda: not processes_with(mark))  # the workers leave with their parent
    fingerprint = Checkpoint.from_bytes(ENCODER).fingerprint
    assert set(library.embeddings(fingerprint).ids) == set(stored)
    report = ingest(library, music)
    assert counts(report) == (40 - len(stored), 0, len(stored), 0, 0)
    assert set(stored) < set(library.track_ids())


@pytest.mark.slow
def test_a_file_that_kills_its_process_is_reported_and_the_others_are_embedded(
    library: Library, tmp_path: Path
) -> None:
    music = tmp_path / "music"
    music.mkdir()
    for seed in range(6):
        WRITERS["flac"](music / f"{seed}.flac", melody(2, seed))
    deadly = music / "3 deadly.wav"
    deadly.touch()
    os.truncate(deadly, 3 * 1024**3)  # sparse: takes seconds to read through
    finished = threading.Event()

    def kill_whoever_reads_it() -> None:
        while not finished.wait(0.02):
            for pid in readers_of(deadly):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_whoever_reads_it)
    killer.start()
    try:
        report = ingest(library, music)
    finally:
        finished.set()
        killer.join()
    assert counts(report) == (6, 0, 0, 0, 1)
    assert report.failed[0].path == str(deadly)
    assert "the process that embedded it died" in report.failed[0].why


def readers_of(path: Path) -> list[int]:
    """Ids of other processes that have this file open."""
    found = []
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        pid = int(descriptor.parts[2])
        try:
            if pid != os.getpid() and descriptor.readlink() == path:
                found.append(pid)
        except OSError:
            continue
    return found


def test_files_come_in_the_order_of_their_names_and_each_directory_once(music: Path) -> None:
    names = [str(path.relative_to(music)) for path in files_below(music, leave_out=music / "none")]
    assert names == [
        "copy of 1.flac",
        "cover.jpg",
        "empty.mp3",
        "text.ogg",
        "a album/Three.m4a",
        "a album/gone.mp3",
        "b album/1.flac",
        "b album/no ending",
    ]
    inside = [path.name for path in files_below(music, leave_out=music / "b album")]
    assert "1.flac" not in inside


def test_a_folder_without_music_is_no_error(library: Library, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert counts(ingest(library, tmp_path / "empty")) == (0, 0, 0, 0, 0)


def test_what_cannot_work_is_refused_before_it_begins(library: Library, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no such directory"):
        ingest(library, tmp_path / "nowhere")
    with pytest.raises(InvalidInput, match="not a readable checkpoint"):
        ingest(library, tmp_path, encoder=b"nonsense")
