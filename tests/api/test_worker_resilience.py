"""Workers keep running without their library and on a full disk."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_client import values
from servers import ask, children, running

from hybridrec.api import worker_files
from hybridrec.api.library_startup import StartupApplication
from hybridrec.errors import LibraryError
from hybridrec.storage.library import Library

pytestmark = pytest.mark.server

PATIENCE_SECONDS = 600


def status(address: str) -> int | None:
    """With what a GET is answered; None where nobody answers."""
    try:
        with urllib.request.urlopen(address, timeout=600) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def wait_for(address: str, wanted: int) -> None:
    """Until a GET is answered so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (got := status(address)) != wanted:
        assert time.monotonic() < deadline, got
        time.sleep(0.05)


def test_a_worker_starts_without_the_library_and_opens_it_later(
    fitted_library: Library, tmp_path: Path
) -> None:
    fitted_library.close()
    database, away = tmp_path / "library", tmp_path / "away"
    with running(database, stderr=subprocess.DEVNULL) as (server, address):
        database.rename(away)
        (worker,) = children(server.pid)
        os.kill(worker, signal.SIGKILL)
        wait_for(f"{address}readyz", 503)
        assert status(f"{address}healthz") == 200
        assert status(f"{address}v1/users") == 503
        assert ask_error(f"{address}readyz")["ready"] is False
        away.rename(database)
        wait_for(f"{address}readyz", 200)
        assert ask(f"{address}v1/users/user-00/recommendations")["basis"] == "behaviour"
        assert server.poll() is None


def ask_error(address: str) -> dict[str, object]:
    """The problem that a GET is answered with."""
    import json

    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(address)
    problem: dict[str, object] = json.load(refused.value)
    return problem


def test_an_unreachable_database_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hybridrec.api.library_startup.RETRY_SECONDS", 0.01)
    opened, tries = threading.Event(), []

    def make() -> object:
        tries.append(1)
        if len(tries) < 3:
            Library.open("postgresql://nobody@127.0.0.1:1/nothing")
        opened.set()
        return lambda environ, start: [b"here"]

    application = StartupApplication(make)
    assert opened.wait(PATIENCE_SECONDS)
    application.close()
    assert len(tries) == 3
    with pytest.raises(LibraryError):
        Library.open("postgresql://nobody@127.0.0.1:1/nothing")


def test_a_worker_without_space_for_its_metrics_counts_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "metrics"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    (tmp_path / "metrics").mkdir()
    worker_files.prepare_worker_files(tmp_path, 1)
    kept = sorted(path.name for path in (tmp_path / "metrics").iterdir())
    assert kept == ["gauge_livesum_1.db", "histogram_1.db"]
    full = tmp_path / "metrics" / "histogram_1.db"
    assert full.stat().st_blocks * 512 >= worker_files.METRICS_FILE_BYTES
    worker_files.remove_worker_files(tmp_path, 1)
    assert [path.stat().st_size for path in (tmp_path / "metrics").iterdir()] == [0]

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", refuse)
    worker_files.prepare_worker_files(tmp_path, 2)
    assert values.ValueClass is values.MutexValue
    assert not list((tmp_path / "metrics").glob("*_2.db"))
    assert "no space for this worker's metrics" in caplog.text


SERVE_ON_A_SMALL_DISK = """
set -e
mount -t tmpfs -o size=3m none "$1"
export TMPDIR="$1"
exec "$2" -m hybridrec serve --library "$3" --port 0 --workers 2
"""


@pytest.mark.skipif(
    not shutil.which("unshare")
    or subprocess.run(
        ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True
    ).returncode
    != 0,
    reason="a small disk cannot be mounted here",
)
def test_a_full_temporary_folder_stops_no_worker(fitted_library: Library, tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    command = [
        "unshare",
        "-rm",
        "sh",
        "-c",
        SERVE_ON_A_SMALL_DISK,
        "sh",
        str(tmp_path / "small"),
        sys.executable,
    ]
    with subprocess.Popen(
        [*command, str(tmp_path / "library")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split()[-1]
            wait_for(f"{address}readyz", 200)
            workers = children(server.pid)
            with Path(f"/proc/{server.pid}/root{tmp_path}/small/filler").open("wb") as filler:
                fill(filler.fileno())
            for n in range(40):
                assert status(f"{address}healthz") == 200
                assert status(f"{address}v1/users/user-0{n % 10}/recommendations") == 200
                assert status(f"{address}v1/nowhere") == 404
            assert status(f"{address}metrics") == 200
            assert children(server.pid) == workers
            os.kill(min(workers), signal.SIGKILL)
            deadline = time.monotonic() + PATIENCE_SECONDS
            while min(workers) in children(server.pid) or len(children(server.pid)) < 2:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            for _ in range(40):
                assert status(f"{address}healthz") == 200
        finally:
            server.terminate()
            server.wait(timeout=600)


def fill(file: int) -> None:
    """Write until there is no space."""
    for size in (2**16, 2**10, 1):
        try:
            while True:
                os.write(file, b"x" * size)
        except OSError:
            continue
