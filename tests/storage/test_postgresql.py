"""What can happen to a library only because its database is a server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from sqlalchemy import Connection, event, insert, text
from sqlalchemy.exc import SQLAlchemyError

from hybridrec.cli import main
from hybridrec.data.embeddings import Embeddings
from hybridrec.data.plays import Play
from hybridrec.data.tracks import Track
from hybridrec.errors import ConnectionLost, HybridrecError, InvalidInput, LibraryError, NotReady
from hybridrec.serving.service import RecommendationService
from hybridrec.storage import schema
from hybridrec.storage.library import Library

psycopg = pytest.importorskip("psycopg")
pytestmark = pytest.mark.server


def test_a_library_goes_on_after_the_server_has_dropped_its_connections(
    postgresql_url: str, tmp_path: Path
) -> None:
    with Library.open(postgresql_url, create=True, files=tmp_path) as library:
        library.add_plays([Play("u", "t")])
        with (
            Library.open(postgresql_url, files=tmp_path) as other,
            other.engine.connect() as connection,
        ):
            others = text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid()"
            )
            connection.execute(others)
        assert library.user_weights("u") == {"t": 1.0}
        library.add_plays([Play("u", "t", 5.0)])
        assert library.user_weights("u") == {"t": 2.0}


def test_a_database_that_the_server_has_not_is_said(postgresql_server: str) -> None:
    with pytest.raises(
        LibraryError, match=r"cannot be used; got .*database \"nowhere\" does not exist"
    ):
        Library.open(f"postgresql://hybridrec@/nowhere?host={postgresql_server}")


def test_a_missing_driver_is_said_with_the_command_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(NotReady, match=r"not installed; pip install 'hybridrec\[postgresql\]'"):
        Library.open("postgresql://localhost/music")


def test_the_place_of_uploads_is_said_once_and_remembered(
    postgresql_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        InvalidInput,
        match=r"where does this library keep its uploads.*give --files DIRECTORY or set",
    ):
        Library.open(postgresql_url, create=True)
    with Library.open(postgresql_url, create=True, files=tmp_path / "files") as library:
        library.put_tracks([Track("t", path=str(library.files / "a.mp3"))])
    monkeypatch.chdir("/")
    with Library.open(postgresql_url) as library:
        assert (library.files, library.track("t").path) == (
            tmp_path / "files",
            str(tmp_path / "files" / "a.mp3"),
        )
    with pytest.raises(
        InvalidInput,
        match=r"keeps its uploads elsewhere; got '.*/moved'; give --files .*/files, or",
    ):
        Library.open(postgresql_url, files=tmp_path / "moved")
    monkeypatch.setenv("HYBRIDREC_FILES", str(tmp_path / "moved"))
    with Library.open(postgresql_url) as library:  # commands alone read the environment
        assert library.files == tmp_path / "files"
    answer = CliRunner().invoke(main, ["status", "--library", postgresql_url])
    assert (answer.exit_code, "keeps its uploads elsewhere" in answer.stderr) == (2, True)
    with Library.open(postgresql_url, files=tmp_path / "moved", files_moved=True) as library:
        assert library.track("t").path == str(tmp_path / "moved" / "a.mp3")
    with Library.open(postgresql_url) as library:
        assert library.files == tmp_path / "moved"


def test_the_commands_take_the_place_of_uploads(
    postgresql_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYBRIDREC_FILES", "")
    (tmp_path / "moved").mkdir()
    here = ["--library", postgresql_url]
    answer = CliRunner().invoke(
        main,
        ["token", "create", "ann", "--role", "read", *here, "--files", str(tmp_path / "files")],
    )
    assert (answer.exit_code, (tmp_path / "files").is_dir()) == (0, True)
    answer = CliRunner().invoke(main, ["token", "list", *here, "--files", str(tmp_path / "moved")])
    assert (answer.exit_code, "keeps its uploads elsewhere" in answer.stderr) == (2, True)
    answer = CliRunner().invoke(main, ["move-files", str(tmp_path / "moved"), *here])
    assert answer.stdout == f"the library keeps its uploads in {tmp_path / 'moved'}\n"
    answer = CliRunner().invoke(main, ["token", "list", *here, "--files", str(tmp_path / "moved")])
    assert answer.exit_code == 0


def test_what_is_acknowledged_while_connections_are_cut_is_known_without_a_restart(
    postgresql_url: str, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    cut = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    )
    with (
        Library.open(postgresql_url, create=True, files=tmp_path) as library,
        Library.open(postgresql_url, files=tmp_path) as writer,
    ):
        library.put_embeddings(Embeddings("encoder-1", ("a", "b"), np.eye(2, 8, dtype=np.float32)))
        library.set_fingerprint("encoder-1")
        stored = set()
        with RecommendationService(library) as service, writer.engine.connect() as knife:
            for n in range(30):
                with suppress(HybridrecError, SQLAlchemyError):
                    writer.put_embeddings(
                        Embeddings(
                            "encoder-1", (f"t{n}",), rng.normal(size=(1, 8)).astype(np.float32)
                        )
                    )
                    stored.add(f"t{n}")
                knife.execute(cut)
                with suppress(HybridrecError, SQLAlchemyError):
                    service.recommend("anyone")
            answer = {hit.track.id for hit in service.recommend("anyone", 100).hits}
            assert answer >= stored
            assert len(stored) > 5


@pytest.fixture
def library(postgresql_url: str, tmp_path: Path) -> Iterator[Library]:
    with Library.open(postgresql_url, create=True, files=tmp_path / "files") as opened:
        yield opened


def hang_up_at(library: Library, at: str, times: int = 1) -> list[str]:
    """Let the server close the connection when a statement that begins so is about to be sent."""
    hung: list[str] = []

    def hang_up(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith(at) and len(hung) < times:
            hung.append(statement)
            pid = connection.connection.driver_connection.info.backend_pid
            with psycopg.connect(
                host=library.engine.url.query["host"], user="hybridrec", dbname="postgres"
            ) as other:
                other.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])

    event.listen(library.engine, "before_cursor_execute", hang_up)
    return hung


@pytest.mark.parametrize(
    "at", ["SET LOCAL", "SELECT pg_advisory", "SELECT users", "INSERT INTO plays"]
)
def test_plays_are_stored_once_though_the_server_hangs_up(library: Library, at: str) -> None:
    hung = hang_up_at(library, at)
    assert library.add_plays(Play("u", "t", float(n)) for n in range(3)).added == 3
    assert (len(hung), library.user_weights("u")) == (1, {"t": 3.0})


def test_reads_are_tried_once_more_and_not_for_ever(library: Library) -> None:
    library.put_tracks([Track("t")])
    hung = hang_up_at(library, "SELECT tracks")
    assert library.track("t") == Track("t")
    assert len(hung) == 1
    hang_up_at(library, "SELECT tracks", times=2)
    with pytest.raises(ConnectionLost, match="cannot be used"):
        library.track("t")
    assert library.track("t") == Track("t")


def test_what_may_have_been_stored_is_not_stored_again(library: Library) -> None:
    calls: list[int] = []

    def lost(connection: Connection) -> None:
        calls.append(1)
        pid = connection.connection.driver_connection.info.backend_pid
        with psycopg.connect(
            host=library.engine.url.query["host"], user="hybridrec", dbname="postgres"
        ) as other:
            other.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])

    event.listen(library.engine, "commit", lost)
    with pytest.raises(LibraryError, match="cannot be used") as error:
        library.add_plays([Play("u", "t", 1.0)])
    assert (len(calls), isinstance(error.value, ConnectionLost)) == (1, False)
    event.remove(library.engine, "commit", lost)
    assert library.add_plays([Play("u", "t", 1.0)]).added == 1


def test_a_value_beyond_a_limit_of_the_database_is_said_and_logged(
    library: Library, caplog: pytest.LogCaptureFixture
) -> None:
    long = "".join(chr(0x4E00 + n * 7 % 20_000) for n in range(3000))
    with (
        pytest.raises(InvalidInput, match="too long for the database"),
        library._database.write() as connection,
    ):
        connection.execute(insert(schema.settings), {"name": long, "value": ""})
    assert "the database holds no such value" in caplog.text


def test_a_connection_that_is_cut_while_an_upload_is_taken_in_loses_no_upload(
    postgresql_url: str, tmp_path: Path
) -> None:
    cut = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    )
    with (
        Library.open(postgresql_url, create=True, files=tmp_path) as library,
        Library.open(postgresql_url, files=tmp_path) as writer,
        writer.engine.connect() as knife,
    ):
        writer.put_embeddings(Embeddings("encoder-1", ("a", "b"), np.eye(2, 8, dtype=np.float32)))
        writer.set_fingerprint("encoder-1")
        armed: list[bool] = []

        def strike(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if armed and "embeddings.vector" in statement:
                armed.clear()
                knife.execute(cut)

        with RecommendationService(library) as service:
            service.recommend("anyone")
            event.listen(library.engine, "before_cursor_execute", strike)
            writer.put_embeddings(
                Embeddings("encoder-1", ("upload",), np.ones((1, 8), dtype=np.float32))
            )
            armed.append(True)
            with suppress(HybridrecError):
                service.recommend("anyone")
            assert not armed
            assert "upload" in {hit.track.id for hit in service.recommend("anyone", 100).hits}
