"""The library as a whole: opening, what it says of itself, and what it refuses to open."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from hybridrec.data.embeddings import Embeddings
from hybridrec.data.plays import Play
from hybridrec.data.tracks import Track
from hybridrec.errors import InvalidInput, LibraryError
from hybridrec.storage import database
from hybridrec.storage.library import Library


def test_what_was_stored_is_there_after_opening_again(location: str, tmp_path: Path) -> None:
    with Library.open(location, create=True, files=tmp_path / "kept") as library:
        library.put_tracks([Track("t", title="Blue")])
        library.add_plays([Play("u", "t")])
    with Library.open(location, files=tmp_path / "kept") as library:
        assert library.track("t").title == "Blue"
        assert library.user_weights("u") == {"t": 1.0}


def test_status_counts_what_is_there(library: Library) -> None:
    library.add_plays([Play("u", "t"), Play("u", "s"), Play("v", "t")])
    library.put_embeddings(Embeddings("ears-1", ("t",), np.ones((1, 4), np.float32)))
    library.save_artefact("model", b"m", "ears-1", {})

    status = library.status()

    assert {name: status[name] for name in ("tracks", "users", "plays")} == {"tracks": 2, "users": 2, "plays": 3}
    assert status["embeddings"] == {"ears-1": 1}
    assert (status["model"], status["encoder"], status["ears"]) == (1, None, None)


def test_creating_a_library_twice_opens_it(location: str, tmp_path: Path) -> None:
    with Library.open(location, create=True, files=tmp_path) as library:
        library.put_tracks([Track("t")])
    with Library.open(location, create=True, files=tmp_path) as library:
        assert library.track_ids() == ["t"]


def test_an_empty_database_is_no_library_unless_asked_to_make_one(postgresql_url: str) -> None:
    with pytest.raises(LibraryError, match="there is no library here"):
        Library.open(postgresql_url)


def test_a_missing_directory_is_said_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match=r"there is no library here; got '.*nowhere'; make one"):
        Library.open(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_a_creation_that_was_cut_short_is_no_library_yet_and_can_be_repeated(tmp_path: Path) -> None:
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
    with Library.open(tmp_path) as library, pytest.raises(LibraryError, match=r"cannot be used; got .*malformed"):
        library.find_tracks("y")


def test_a_library_that_somebody_keeps_busy_can_be_read_but_says_why_it_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_PRAGMAS", ("busy_timeout=1", "journal_mode=WAL"))
    with Library.open(tmp_path, create=True) as library, sqlite3.connect(tmp_path / "library.sqlite3") as somebody:
        somebody.execute("BEGIN IMMEDIATE")
        assert library.track_ids() == []
        with pytest.raises(LibraryError, match="cannot be used; got 'database is locked'"):
            library.put_tracks([Track("t")])


def test_a_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LibraryError, match="directory cannot be made"):
        Library.open(tmp_path / "file" / "library", create=True)


def test_a_database_of_somebody_else_is_left_alone(location: str, tmp_path: Path) -> None:
    with Library.open(location, create=True, files=tmp_path) as library, library.engine.begin() as connection:
        connection.execute(text("DROP TABLE hybridrec_migrations"))
    with pytest.raises(LibraryError, match="other tables but no hybridrec library"):
        Library.open(location, create=True, files=tmp_path)


@pytest.mark.parametrize(
    "url", ["mysql://localhost/music", "sqlite:///x.sqlite3", "what://ever", "postgresql://h:port/d"]
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="URL"):
        Library.open(url)


def test_a_server_that_is_away_is_said_without_the_password() -> None:
    with pytest.raises(LibraryError, match="cannot be used") as error:
        Library.open("postgresql://me:secret@127.0.0.1:1/music")
    assert "secret" not in str(error.value)


def test_several_processes_may_create_the_same_library_at_once(location: str, tmp_path: Path) -> None:
    code = "import sys; from hybridrec.storage.library import Library; Library.open(sys.argv[1], create=True).close()"
    children = [subprocess.Popen([sys.executable, "-c", code, location], cwd=tmp_path) for _ in range(3)]
    assert [child.wait() for child in children] == [0, 0, 0]
    Library.open(location, files=tmp_path).close()


def test_opening_loads_neither_torch_nor_librosa(location: str, tmp_path: Path) -> None:
    Library.open(location, create=True, files=tmp_path).close()
    code = """
import sys
from hybridrec.storage.library import Library
Library.open(sys.argv[1]).close()
assert not {"torch", "librosa", "implicit", "pandas"} & set(sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code, location], cwd=tmp_path).returncode == 0
