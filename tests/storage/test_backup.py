"""Backups: complete, taken and brought back while the library is in use."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import update

from hybridrec.data.plays import Play
from hybridrec.data.tracks import Track
from hybridrec.errors import Conflict, InvalidInput, LibraryError, NotFound
from hybridrec.storage import schema
from hybridrec.storage.backup import back_up, restore
from hybridrec.storage.clean_up import clean_up
from hybridrec.storage.embeddings import EmbeddedTrack
from hybridrec.storage.library import Library
from hybridrec.storage.staging import staging_folder


@pytest.fixture
def original(tmp_path: Path) -> Iterator[Library]:
    """A library on SQLite with a kept upload, a play, an embedding and a model."""
    with Library.open(tmp_path / "original", create=True) as library:
        kept = library.files / "ab" / "abcd"
        kept.parent.mkdir()
        kept.write_bytes(b"sound")
        track = Track("t", title="Blue", path=str(kept), content_hash="abcd")
        library.put_embedded(
            [EmbeddedTrack(track, None, "encoder-1", np.array([0.6, 0.8], np.float32))]
        )
        library.put_tracks([Track("elsewhere", path="/music/x.mp3")])
        library.add_plays([Play("ann", "t", 1.0)])
        library.save_artefact("model", b"model", "encoder-1", {})
        yield library


def test_a_backup_is_a_library_that_needs_nothing_of_the_original(
    original: Library, tmp_path: Path
) -> None:
    report = back_up(original, tmp_path / "deep" / "backup")
    assert (report.tracks, report.users, report.plays, report.files, report.missing) == (
        2,
        1,
        1,
        1,
        0,
    )
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
        assert (changed.models, changed.encoder, changed.seq > seq) == (True, True, True)
        assert reader.user_weights("ann") == {"t": 1.0}
        assert reader.user_weights("bob") == {}
        reader.add_plays([Play("carla", "t")])
        assert original.user_weights("carla") == {"t": 1.0}
        assert Path(reader.track("t").path or "").read_bytes() == b"sound"


def test_a_backup_never_overwrites(original: Library, tmp_path: Path) -> None:
    (tmp_path / "diary").mkdir()
    with pytest.raises(Conflict, match="there is something at the backup's place"):
        back_up(original, tmp_path / "diary")


def test_a_damaged_or_missing_backup_is_refused_before_anything_is_lost(
    original: Library, tmp_path: Path
) -> None:
    with pytest.raises(LibraryError, match="there is no backup here"):
        restore(tmp_path, tmp_path / "original", replace=True)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "library.sqlite3").write_bytes(
        b"not a database, but long enough to look at" * 100
    )
    with pytest.raises(LibraryError, match="the backup is damaged"):
        restore(tmp_path / "bad", tmp_path / "original", replace=True)
    assert original.user_weights("ann") == {"t": 1.0}


@pytest.mark.server
def test_a_library_on_postgresql_is_backed_up_by_postgresql(
    postgresql_url: str, tmp_path: Path
) -> None:
    says = pytest.raises(
        InvalidInput, match=r"backed up by PostgreSQL.*; use pg_dump.*copy the uploads in"
    )
    with Library.open(postgresql_url, create=True, files=tmp_path / "files") as library, says:
        back_up(library, tmp_path / "backup")


# --- backups from elsewhere ------------------------------------------------------------------


def altered(original: Library, tmp_path: Path, *statements: str) -> Path:
    """A backup whose database somebody has changed."""
    backup = tmp_path / "altered"
    back_up(original, backup)
    with closing(sqlite3.connect(backup / "library.sqlite3")) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    return backup


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statements", "says"),
    [
        (
            ["CREATE TRIGGER t AFTER INSERT ON plays BEGIN DELETE FROM tokens; END"],
            "does not make; got 'trigger t'",
        ),
        (["CREATE VIEW v AS SELECT * FROM tokens"], "does not make; got 'view v'"),
        (["CREATE TABLE more (x)"], "does not make; got 'table more'"),
        (["CREATE INDEX more ON plays (weight)"], "does not make; got 'index more'"),
        (
            ["DROP INDEX plays_seq", "CREATE INDEX plays_seq ON plays (abs(seq))"],
            "otherwise; got 'index plays_seq'",
        ),
        (
            [
                "DROP TABLE kept_files",
                "CREATE VIEW kept_files AS SELECT 'a' AS content_hash, 1 AS track_key",
            ],
            "kept_files",
        ),
        (["DROP TABLE listen_name_keys"], "lacks something; got 'index listen_name_keys"),
        (["DROP TABLE hybridrec_migrations"], "no library"),
        (["UPDATE hybridrec_revision SET version_num = '0099'"], "newer hybridrec"),
        (["UPDATE hybridrec_revision SET version_num = 'x'"], "unknown revision; got 'x'"),
        (["DELETE FROM hybridrec_migrations"], "log of migrations is wrong"),
        (["UPDATE hybridrec_migrations SET number = 99 WHERE number = 6"], "log of migrations"),
        (
            [
                "DROP TABLE hybridrec_revision",
                "UPDATE hybridrec_migrations SET number = number + 92",
            ],
            "newer hybridrec",
        ),
        (
            [
                "DROP TABLE hybridrec_revision",
                "CREATE VIRTUAL TABLE hybridrec_revision USING fts5(version_num)",
            ],
            "otherwise; got 'table hybridrec_revision",
        ),
        (
            ["UPDATE tracks SET path = CAST('../library.sqlite3' AS BLOB) WHERE id = 't'"],
            "outside the library",
        ),
        (
            ["UPDATE tracks SET path = CAST('ab/../../x' AS BLOB) WHERE id = 't'"],
            "outside the library",
        ),
        (["INSERT INTO plays VALUES (99, 1, 5.0, NULL, NULL, 1)"], "without its users"),
    ],
)
def test_a_backup_holds_rows_and_nothing_that_runs(
    original: Library, tmp_path: Path, statements: list[str], says: str
) -> None:
    backup = altered(original, tmp_path, *statements)
    with pytest.raises(LibraryError, match=says):
        restore(backup, tmp_path / "new")
    with pytest.raises(LibraryError, match=says):
        restore(backup, tmp_path / "original", replace=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["altered", "original"]
    assert original.user_weights("ann") == {"t": 1.0}


def test_a_backup_holds_no_links_and_no_special_files(original: Library, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    for n, spoil in enumerate(
        (_link_file, _link_folder, _link_all_files, _pipe, _link_database, _journal)
    ):
        back_up(original, tmp_path / f"backup {n}")
        spoil(tmp_path / f"backup {n}", tmp_path)
        with pytest.raises(LibraryError, match="the backup holds a link"):
            restore(tmp_path / f"backup {n}", tmp_path / "new")
        assert not (tmp_path / "new").exists()


def _link_file(backup: Path, tmp_path: Path) -> None:
    (backup / "files" / "ab" / "abcd").unlink()
    (backup / "files" / "ab" / "abcd").symlink_to(tmp_path / "secret")


def _link_folder(backup: Path, tmp_path: Path) -> None:
    (backup / "files" / "ab").rename(tmp_path / "elsewhere")
    (backup / "files" / "ab").symlink_to(tmp_path / "elsewhere")


def _link_all_files(backup: Path, tmp_path: Path) -> None:
    (backup / "files").rename(tmp_path / "all")
    (backup / "files").symlink_to(tmp_path / "all")


def _pipe(backup: Path, tmp_path: Path) -> None:
    (backup / "files" / "ab" / "abcd").unlink()
    os.mkfifo(backup / "files" / "ab" / "abcd")


def _link_database(backup: Path, tmp_path: Path) -> None:
    (backup / "library.sqlite3").rename(tmp_path / "database")
    (backup / "library.sqlite3").symlink_to(tmp_path / "database")


def _journal(backup: Path, tmp_path: Path) -> None:
    (backup / "library.sqlite3-journal").write_bytes(b"journal")


def test_audio_comes_only_from_kept_files_and_from_folders_that_the_operator_named(
    original: Library, tmp_path: Path
) -> None:
    music = tmp_path / "music"
    music.mkdir()
    (music / "x.mp3").write_bytes(b"music")
    (tmp_path / "secret").write_bytes(b"secret")
    original.add_music_folder(Path("/"))
    original.put_tracks(
        [Track("x", path=str(music / "x.mp3")), Track("secret", path=str(tmp_path / "secret"))]
    )
    assert original.audio_file("secret").read_bytes() == b"secret"
    back_up(original, tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "new", music=[music])
    with Library.open(tmp_path / "new") as library:
        assert library.audio_file("t").read_bytes() == b"sound"
        assert library.audio_file("x").read_bytes() == b"music"
        with pytest.raises(NotFound, match="no audio on this machine; got 'secret'"):
            library.audio_file("secret")
        _point(library, "t", str(music / ".." / "secret").encode())
        with pytest.raises(NotFound, match="no audio"):
            library.audio_file("t")


def test_a_path_that_leads_out_of_the_library_is_neither_read_nor_deleted(
    original: Library,
) -> None:
    database = Path(original.location)
    for path in (
        b"../library.sqlite3",
        b"ab/../../library.sqlite3",
        b"link/library.sqlite3",
        b"file",
    ):
        original.put_tracks([Track("bad")])
        (original.files / "link").unlink(missing_ok=True)
        (original.files / "link").symlink_to(database.parent)
        (original.files / "file").unlink(missing_ok=True)
        (original.files / "file").symlink_to(database)
        _point(original, "bad", path)
        with pytest.raises(NotFound, match="no audio"):
            original.audio_file("bad")
        original.delete_track("bad")
        assert database.exists()


def _point(library: Library, track: str, path: bytes) -> None:
    with library._database.write() as connection:
        connection.execute(
            update(schema.tracks).where(schema.tracks.c.id == track).values(path=path)
        )


@pytest.mark.parametrize(
    "golden", sorted((Path(__file__).parent / "golden").glob("*.sql")), ids=lambda path: path.stem
)
def test_a_backup_of_every_schema_is_restored(golden: Path, tmp_path: Path) -> None:
    (tmp_path / "backup").mkdir()
    with closing(sqlite3.connect(tmp_path / "backup" / "library.sqlite3")) as connection:
        connection.executescript(golden.read_text(encoding="utf-8"))
    restore(tmp_path / "backup", tmp_path / "new")
    with Library.open(tmp_path / "new") as library:
        assert library.track("t1").title == "Blåbær"
        assert library.music_folders() == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "last", ["_copy_database", "check_database", "_name_music", "_copied", "_copy_files"]
)
@pytest.mark.parametrize("before", ["nothing", "empty"])
def test_a_restore_that_is_killed_leaves_nothing_in_the_way(
    original: Library, tmp_path: Path, last: str, before: str
) -> None:
    back_up(original, tmp_path / "backup")
    if before == "empty":
        (tmp_path / "new").mkdir()
    killed = """
import os, sys
from pathlib import Path
from hybridrec.storage import backup
last = getattr(backup, sys.argv[1])
def done(*arguments, **named):
    last(*arguments, **named)
    os._exit(9)
setattr(backup, sys.argv[1], done)
backup.restore(Path(sys.argv[2]), Path(sys.argv[3]))
"""
    command = [sys.executable, "-c", killed, last, str(tmp_path / "backup"), str(tmp_path / "new")]
    assert subprocess.run(command).returncode == 9
    assert not (tmp_path / "new" / "library.sqlite3").exists()
    restore(tmp_path / "backup", tmp_path / "new")
    with Library.open(tmp_path / "new") as library:
        assert library.audio_file("t").read_bytes() == b"sound"
    left = [path.name for folder in (tmp_path, tmp_path / "new") for path in folder.glob(".*")]
    assert left == []


def test_a_restore_takes_the_place_of_a_database_without_tables(
    original: Library, tmp_path: Path
) -> None:
    back_up(original, tmp_path / "backup")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "library.sqlite3").touch()
    restore(tmp_path / "backup", tmp_path / "new")
    with Library.open(tmp_path / "new") as library:
        assert library.user_weights("ann") == {"t": 1.0}


def test_what_a_killed_backup_has_left_goes_with_the_next_one_and_a_live_one_stays(
    original: Library, tmp_path: Path
) -> None:
    place = tmp_path / "backups"
    place.mkdir()
    with staging_folder(place) as live:
        dead = place / ".hybridrec-unfinished-dead"
        dead.mkdir()
        (dead / "library.sqlite3").write_bytes(b"half")
        back_up(original, place / "today")
        assert (live.exists(), dead.exists()) == (True, False)
    assert [path.name for path in place.iterdir()] == ["today"]


# --- cleaning up -----------------------------------------------------------------------------


def test_the_newest_models_and_the_one_in_use_stay(library: Library) -> None:
    for n in range(6):
        library.save_artefact("model", f"model {n}".encode(), "encoder-1", {})
    library.use_artefact("model", 1)
    done = clean_up(library, keep=2)
    assert (done.models, done.encoders) == (3, 0)
    assert [artefact.version for artefact in library.artefacts("model")] == [1, 5, 6]
    assert library.artefact_bytes("model") == b"model 0"
    assert library.save_artefact("model", b"next", "encoder-1", {}) == 7
    with pytest.raises(InvalidInput, match="keep must be 1 or more"):
        clean_up(library, keep=0)


def test_files_of_no_track_go_when_they_have_settled(library: Library) -> None:
    for name, age_seconds in (
        ("kept", 9000),
        ("orphan", 9000),
        ("fresh", 10),
        ("broken.part", 9000),
    ):
        path = library.files / name
        path.write_bytes(b"12345")
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - age_seconds))
    library.put_tracks([Track("t", path=str(library.files / "kept"))])
    done = clean_up(library)
    assert (done.files, done.file_bytes) == (2, 10)
    assert {path.name for path in library.files.iterdir()} == {"kept", "fresh"}


def test_what_a_killed_restore_has_left_in_the_library_is_cleaned_up(original: Library) -> None:
    dead = original.files.parent / ".hybridrec-unfinished-dead"
    dead.mkdir()
    (dead / "library.sqlite3").write_bytes(b"half")
    older, live = original.files.parent / ".restore.older", original.files.parent / ".restore.live"
    for folder in (older, live):
        folder.mkdir()
    os.utime(older, (0, 0))
    clean_up(original)
    assert [folder.exists() for folder in (dead, older, live)] == [False, False, True]
