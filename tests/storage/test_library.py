"""The library as a whole: opening, what it says of itself, and what it refuses to open."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from hybridrec.data.embeddings import Embeddings
from hybridrec.data.plays import Play
from hybridrec.data.tracks import Track
from hybridrec.errors import Busy, InvalidInput, LibraryError
from hybridrec.storage.library import Library
from hybridrec.storage.write_queue import SERVING, WriteLimits


def test_what_was_stored_is_there_after_opening_again(location: str, tmp_path: Path) -> None:
    with Library.open(location, create=True, files=tmp_path / "kept") as library:
        library.put_tracks([Track("t", title="Blue")])
        library.add_plays([Play("u", "t")])
    with Library.open(location, files=tmp_path / "kept") as library:
        assert library.track("t").title == "Blue"
        assert library.user_weights("u") == {"t": 1.0}


def test_status_counts_what_is_there(library: Library) -> None:
    library.add_plays([Play("u", "t"), Play("u", "s"), Play("v", "t")])
    library.put_embeddings(Embeddings("encoder-1", ("t",), np.ones((1, 4), np.float32)))
    library.save_artefact("model", b"m", "encoder-1", {})

    status = library.status()

    assert {name: status[name] for name in ("tracks", "users", "plays")} == {
        "tracks": 2,
        "users": 2,
        "plays": 3,
    }
    assert status["embeddings"] == {"encoder-1": 1}
    assert (status["model"], status["encoder"], status["fingerprint"]) == (1, None, None)


def test_creating_a_library_twice_opens_it(location: str, tmp_path: Path) -> None:
    with Library.open(location, create=True, files=tmp_path) as library:
        library.put_tracks([Track("t")])
    with Library.open(location, create=True, files=tmp_path) as library:
        assert library.track_ids() == ["t"]


@pytest.mark.server
def test_an_empty_database_is_no_library_unless_asked_to_make_one(postgresql_url: str) -> None:
    with pytest.raises(LibraryError, match="there is no library here"):
        Library.open(postgresql_url)


def test_a_missing_directory_is_said_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match=r"there is no library here; got '.*nowhere'; make one"):
        Library.open(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_a_creation_that_was_cut_short_is_no_library_yet_and_can_be_repeated(
    tmp_path: Path,
) -> None:
    (tmp_path / "library.sqlite3").touch()
    with pytest.raises(LibraryError, match="there is no library here"):
        Library.open(tmp_path)
    Library.open(tmp_path, create=True).close()
    Library.open(tmp_path).close()


def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    (tmp_path / "library.sqlite3").write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(LibraryError, match="cannot be used; got 'file is not a database'"):
        Library.open(tmp_path)


def test_damage_is_said_when_it_is_met(tmp_path: Path) -> None:
    with Library.open(tmp_path, create=True) as library:
        library.put_tracks(Track(f"t{number}", title="x" * 200) for number in range(2000))
    with (tmp_path / "library.sqlite3").open("r+b") as file:
        file.seek(40 * 4096)
        file.write(os.urandom(100 * 4096))
    with (
        Library.open(tmp_path) as library,
        pytest.raises(LibraryError, match=r"cannot be used; got .*malformed"),
    ):
        library.find_tracks("y")


def test_a_library_that_somebody_keeps_busy_can_be_read_but_says_why_it_cannot_be_written(
    tmp_path: Path,
) -> None:
    with (
        Library.open(tmp_path, create=True) as library,
        sqlite3.connect(tmp_path / "library.sqlite3") as somebody,
    ):
        library.limit_writers(WriteLimits(wait_seconds=0.01))
        somebody.execute("BEGIN IMMEDIATE")
        assert library.track_ids() == []
        with pytest.raises(
            Busy, match="cannot be used; got 'database is locked'; another program writes to it"
        ):
            library.put_tracks([Track("t")])


@contextmanager
def held_by_somebody(location: str) -> Iterator[None]:
    """Another program writes to a library and is not done."""
    with Library.open(location) as somebody, somebody._database.write():
        yield


def test_only_so_many_writers_wait_and_readers_do_not(location: str, tmp_path: Path) -> None:
    refused: list[Busy] = []
    done: list[int] = []

    def write(n: int) -> None:
        try:
            library.add_plays([Play("u", "t", float(n))])
            done.append(n)
        except Busy as error:
            refused.append(error)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(16)]
    with Library.open(location, create=True, files=tmp_path / "files") as library:
        library.limit_writers(WriteLimits(SERVING.max_waiting, wait_seconds=60.0))
        with held_by_somebody(location):
            for thread in threads:
                thread.start()
            until = time.monotonic() + 30
            while len(refused) < 16 - 1 - SERVING.max_waiting and time.monotonic() < until:
                assert library.track_ids() == []
                time.sleep(0.001)
            assert len(refused) == 16 - 1 - SERVING.max_waiting
        for thread in threads:
            thread.join(60)
        assert len(done) == 1 + SERVING.max_waiting
        assert library.user_weights("u") == {"t": float(len(done))}
    assert "too many wait to write" in str(refused[0])


def test_a_writer_whose_turn_does_not_come_is_told_to_try_again(
    location: str, tmp_path: Path
) -> None:
    with Library.open(location, create=True, files=tmp_path / "files") as library:
        library.limit_writers(WriteLimits(wait_seconds=0.05))
        with (
            held_by_somebody(location),
            pytest.raises(Busy, match="another program writes to it") as error,
        ):
            library.put_tracks([Track("t")])
        assert error.value.retry_after_seconds > 0
        library.put_tracks([Track("t")])


def test_a_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LibraryError, match="directory cannot be made"):
        Library.open(tmp_path / "file" / "library", create=True)


def test_a_database_of_somebody_else_is_left_alone(location: str, tmp_path: Path) -> None:
    with (
        Library.open(location, create=True, files=tmp_path) as library,
        library.engine.begin() as connection,
    ):
        connection.execute(text("DROP TABLE hybridrec_migrations"))
        connection.execute(text("DROP TABLE hybridrec_revision"))
    with pytest.raises(LibraryError, match="other tables but no hybridrec library"):
        Library.open(location, create=True, files=tmp_path)


@pytest.mark.parametrize(
    "url",
    ["mysql://localhost/music", "sqlite:///x.sqlite3", "what://ever", "postgresql://h:port/d"],
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="URL"):
        Library.open(url)


def test_a_server_that_is_away_is_said_without_the_password() -> None:
    with pytest.raises(LibraryError, match="cannot be used") as error:
        Library.open("postgresql://me:secret@127.0.0.1:1/music")
    assert "secret" not in str(error.value)


@pytest.mark.slow
def test_several_processes_may_create_the_same_library_at_once(
    location: str, tmp_path: Path
) -> None:
    code = """
import pathlib, sys
from hybridrec.storage.library import Library
Library.open(sys.argv[1], create=True, files=pathlib.Path(sys.argv[2])).close()
"""
    command = [sys.executable, "-c", code, location, str(tmp_path)]
    children = [subprocess.Popen(command) for _ in range(3)]
    assert [child.wait() for child in children] == [0, 0, 0]
    Library.open(location, files=tmp_path).close()


def test_opening_a_library_of_the_present_schema_imports_nothing_slow(
    location: str, tmp_path: Path
) -> None:
    Library.open(location, create=True, files=tmp_path).close()
    code = """
import sys
from hybridrec.storage.library import Library
Library.open(sys.argv[1]).close()
assert not {"alembic", "torch", "librosa", "implicit", "pandas"} & set(sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code, location], cwd=tmp_path).returncode == 0
