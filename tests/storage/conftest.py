"""Libraries to test on: each on SQLite and on a PostgreSQL server that the run starts itself."""

from __future__ import annotations

import glob
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hybridrec.storage.library import Library

_numbers = itertools.count()


def _binaries() -> Path | None:
    """Where initdb and its like are: Debian keeps them off the PATH."""
    on_path = shutil.which("initdb")
    folders = (
        [str(Path(on_path).resolve().parent)]
        if on_path
        else sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    )
    return Path(folders[-1]) if folders else None


def _server_user() -> str | None:
    """PostgreSQL refuses to run as root; None stands for the user of this process."""
    if os.getuid() != 0:
        return None
    return next(
        (
            name
            for name in ("postgres", "nobody")
            if name in {user.pw_name for user in pwd.getpwall()}
        ),
        "nobody",
    )


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The folder of the socket of a running server, whose superuser is `hybridrec`."""
    binaries = _binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server here; on Debian: apt-get install postgresql")
    pytest.importorskip("psycopg")
    user = _server_user()
    folder = tempfile.mkdtemp(prefix="hybridrec-pg-", dir="/tmp")
    if user is not None:
        shutil.chown(folder, user)

    def run(program: str, *arguments: str) -> None:
        command = [str(binaries / program), "-D", f"{folder}/data", *arguments]
        subprocess.run(
            command,
            check=True,
            user=user,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin"},
        )

    settings = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    run("initdb", "--username=hybridrec", "--auth=trust", "--encoding=UTF8", "--no-sync")
    run("pg_ctl", "start", "--wait", "-l", f"{folder}/log", "-o", settings)
    yield folder
    run("pg_ctl", "stop", "--mode=immediate")
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgresql_url(postgresql_server: str) -> str:
    """The URL of a new schema in the server's database, which costs less than a new database."""
    import psycopg

    name = f"library_{next(_numbers)}"
    with psycopg.connect(
        host=postgresql_server, user="hybridrec", dbname="postgres", autocommit=True
    ) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    return (
        f"postgresql://hybridrec@/postgres?host={postgresql_server}&options=-csearch_path%3D{name}"
    )


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a library can be made, on each back end."""
    if request.param == "sqlite":
        return str(tmp_path / "library")
    return str(request.getfixturevalue("postgresql_url"))


@pytest.fixture
def library(location: str, tmp_path: Path) -> Iterator[Any]:
    """An empty library, on each back end."""
    with Library.open(location, create=True, files=tmp_path / "files") as opened:
        yield opened
