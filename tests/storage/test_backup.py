"""Backups: complete, taken and brought back while the library is in use."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hybridrec.data.plays import Play
from hybridrec.data.tracks import Track
from hybridrec.errors import Conflict, InvalidInput, LibraryError
from hybridrec.storage.backup import back_up, restore
from hybridrec.storage.clean_up import clean_up
from hybridrec.storage.embeddings import HeardTrack
from hybridrec.storage.library import Library


@pytest.fixture
def original(tmp_path: Path) -> Iterator[Library]:
    """A library on SQLite with a kept upload, a play, an embedding and a model."""
    with Library.open(tmp_path / "original", create=True) as library:
        kept = library.files / "ab" / "abcd"
        kept.parent.mkdir()
        kept.write_bytes(b"sound")
        track = Track("t", title="Blue", path=str(kept), content_hash="abcd")
        library.put_heard([HeardTrack(track, None, "ears", np.array([0.6, 0.8], np.float32))])
        library.put_tracks([Track("elsewhere", path="/music/x.mp3")])
        library.add_plays([Play("ann", "t", 1.0)])
        library.save_artefact("model", b"model", "ears", {})
        yield library


def test_a_backup_is_a_library_that_needs_nothing_of_the_original(original: Library, tmp_path: Path) -> None:
    report = back_up(original, tmp_path / "deep" / "backup")
    assert (report.tracks, report.users, report.plays, report.files, report.missing) == (2, 1, 1, 1, 0)
    original.delete_track("t")
    with Library.open(tmp_path / "deep" / "backup") as copy:
        assert copy.user_weights("ann") == {"t": 1.0}
        assert Path(copy.track("t").path or "").read_bytes() == b"sound"
        assert copy.track("elsewhere").path == "/music/x.mp3"
        assert copy.artefact_bytes("model") == b"model"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["backup"]


def test_a_backup_under_writes_is_of_one_moment(original: Library, tmp_path: Path) -> None:
    stop = threading.Event()

    def write() -> None:
        for n in range(100_000):
            original.add_plays([Play(f"user {n}", "t", float(n)), Play(f"twin {n}", "t", float(n))])
            if stop.is_set():
                return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for n in range(5):
            back_up(original, tmp_path / f"backup {n}")
    finally:
        stop.set()
        writer.join()
    for n in range(5):
        with Library.open(tmp_path / f"backup {n}") as copy:
            assert (copy.status()["users"] - 1) % 2 == 0


def test_a_restored_library_is_what_it_was(original: Library, tmp_path: Path) -> None:
    back_up(original, tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "new")
    with Library.open(tmp_path / "new") as library:
        assert library.user_weights("ann") == {"t": 1.0}
        assert Path(library.track("t").path or "").read_bytes() == b"sound"


def test_a_library_is_restored_under_its_readers(original: Library, tmp_path: Path) -> None:
    back_up(original, tmp_path / "backup")
    with Library.open(tmp_path / "original") as reader:
        for n in range(50):
            original.add_plays([Play("bob", "t", float(n))])
        original.delete_track("t")
        seq = reader.seq()
        with pytest.raises(Conflict, match="there is a library already"):
            restore(tmp_path / "backup", tmp_path / "original")
        report = restore(tmp_path / "backup", tmp_path / "original", replace=True)
        assert (report.plays, report.files) == (1, 1)
        changed = reader.changes_since(seq)
        assert (changed.models, changed.ears, changed.seq > seq) == (True, True, True)
        assert reader.user_weights("ann") == {"t": 1.0}
        assert reader.user_weights("bob") == {}
        reader.add_plays([Play("carla", "t")])
        assert original.user_weights("carla") == {"t": 1.0}
        assert Path(reader.track("t").path or "").read_bytes() == b"sound"


def test_a_backup_never_overwrites(original: Library, tmp_path: Path) -> None:
    (tmp_path / "diary").mkdir()
    with pytest.raises(Conflict, match="there is something at the backup's place"):
        back_up(original, tmp_path / "diary")


def test_a_damaged_or_missing_backup_is_refused_before_anything_is_lost(original: Library, tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="there is no backup here"):
        restore(tmp_path, tmp_path / "original", replace=True)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "library.sqlite3").write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(LibraryError, match="the backup is damaged"):
        restore(tmp_path / "bad", tmp_path / "original", replace=True)
    assert original.user_weights("ann") == {"t": 1.0}


def test_a_library_on_postgresql_is_backed_up_by_postgresql(postgresql_url: str, tmp_path: Path) -> None:
    says = pytest.raises(InvalidInput, match=r"backed up by PostgreSQL.*; use pg_dump.*copy the kept uploads in")
    with Library.open(postgresql_url, create=True, files=tmp_path / "files") as library, says:
        back_up(library, tmp_path / "backup")


# --- cleaning up -----------------------------------------------------------------------------


def test_the_newest_models_and_the_one_in_use_stay(library: Library) -> None:
    for n in range(6):
        library.save_artefact("model", f"model {n}".encode(), "ears", {})
    library.use_artefact("model", 1)
    done = clean_up(library, keep=2)
    assert (done.models, done.encoders) == (3, 0)
    assert [artefact.version for artefact in library.artefacts("model")] == [1, 5, 6]
    assert library.artefact_bytes("model") == b"model 0"
    assert library.save_artefact("model", b"next", "ears", {}) == 7
    with pytest.raises(InvalidInput, match="keep must be 1 or more"):
        clean_up(library, keep=0)


def test_files_of_no_track_go_when_they_have_settled(library: Library) -> None:
    for name, age_seconds in (("kept", 9000), ("orphan", 9000), ("fresh", 10), ("broken.part", 9000)):
        path = library.files / name
        path.write_bytes(b"12345")
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - age_seconds))
    library.put_tracks([Track("t", path=str(library.files / "kept"))])
    done = clean_up(library)
    assert (done.files, done.file_bytes) == (2, 10)
    assert {path.name for path in library.files.iterdir()} == {"kept", "fresh"}
