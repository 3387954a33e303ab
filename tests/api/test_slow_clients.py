"""Slow, silent or hostile clients cost a socket each and no thread; others are answered."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from servers import ask, children

from hybridrec.api.connections.limits import most_connections
from hybridrec.storage.library import Library

pytestmark = pytest.mark.server

SERVE = """
import json, sys
from hybridrec.api.connections.limits import ConnectionLimits
from hybridrec.api.server import serve
from hybridrec.api.settings import ApiSettings
certificate, key = sys.argv[3:] or (None, None)
settings = ApiSettings(connections=ConnectionLimits(**json.loads(sys.argv[2])))
serve(sys.argv[1], port=0, threads=2, settings=settings, certificate=certificate, key=key)
"""
PATIENT: dict[str, float] = {"header_seconds": 600.0, "body_seconds": 600.0, "send_seconds": 600.0}


@dataclass
class Server:
    """A server of two threads."""

    process: subprocess.Popen[str]
    address: str

    def connect(self) -> socket.socket:
        host, port = re.findall(r"//(.*):(\d+)/", self.address)[0]
        return socket.create_connection((host, int(port)), timeout=600)

    @property
    def worker(self) -> int:
        (worker,) = children(self.process.pid)
        return worker


@contextmanager
def slow_server(
    library: Path, limits: dict[str, float], *tls: Path, files: int | None = None
) -> Iterator[Server]:
    """A server with deadlines of its own, and perhaps with few file descriptors."""
    command = [sys.executable, "-c", SERVE, str(library), json.dumps(limits), *map(str, tls)]
    if files is not None:
        command = ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", *command]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Server(process, process.stdout.readline().split()[-1])
        finally:
            process.terminate()
            process.wait(timeout=600)


def head(rest: str, path: str = "v1/plays", method: str = "POST") -> bytes:
    headers = "Host: localhost\r\nContent-Type: application/json"
    return f"{method} /{path} HTTP/1.1\r\n{headers}\r\n{rest}".encode()


STALLED = {
    "silent": b"",
    "in the header": head("X-Slow: 1"),
    "in a body": head("Content-Length: 100\r\n\r\n") + b"{",
    "in a chunk": head("Transfer-Encoding: chunked\r\n\r\n") + b"64\r\n{",
    "before a chunk": head("Transfer-Encoding: chunked\r\n\r\n"),
}


@pytest.mark.parametrize("sent", STALLED.values(), ids=STALLED)
def test_more_slow_clients_than_threads_delay_nobody(
    fitted_library: Library, tmp_path: Path, sent: bytes
) -> None:
    with slow_server(tmp_path / "library", PATIENT) as server, ExitStack() as connections:
        for _ in range(8):
            connections.enter_context(server.connect()).sendall(sent)
        assert ask(f"{server.address}readyz")["ready"]
        assert ask(f"{server.address}v1/users/user-00/recommendations")["basis"] == "behaviour"


def test_a_client_that_does_not_read_its_response_delays_nobody(
    fitted_library: Library, tmp_path: Path
) -> None:
    audio = tmp_path / "long.wav"
    with audio.open("wb") as file:
        file.truncate(200_000_000)
    (track,) = fitted_library.tracks(["calm-00"]).values()
    kept = fitted_library.files / "long.wav"
    shutil.move(audio, kept)
    fitted_library.put_tracks([type(track)(track.id, title="Long", path=str(kept))])
    with slow_server(tmp_path / "library", PATIENT) as server, ExitStack() as connections:
        for _ in range(8):
            client = connections.enter_context(server.connect())
            client.sendall(head("\r\n", "v1/tracks/calm-00/audio", "GET"))
            assert client.recv(12) == b"HTTP/1.1 200"
        assert ask(f"{server.address}readyz")["ready"]


@pytest.fixture
def tls(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl here to make a certificate with")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    asked = (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost"
    )
    command = [openssl, *asked.split(), "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


def test_an_unfinished_tls_handshake_delays_nobody(
    fitted_library: Library, tmp_path: Path, tls: tuple[Path, Path]
) -> None:
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    outgoing = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        trusting.wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
    half = outgoing.read()[:100]
    with slow_server(tmp_path / "library", PATIENT, *tls) as server, ExitStack() as connections:
        for _ in range(8):
            connections.enter_context(server.connect()).sendall(half)
        with server.connect() as plain, trusting.wrap_socket(plain) as connection:
            connection.sendall(head("Connection: close\r\n\r\n", "readyz", "GET"))
            assert connection.recv(12) == b"HTTP/1.1 200"


@pytest.mark.parametrize("sent", STALLED.values(), ids=STALLED)
def test_a_client_that_is_too_slow_gets_a_408(
    fitted_library: Library, tmp_path: Path, sent: bytes
) -> None:
    limits = PATIENT | {"header_seconds": 0.5, "body_seconds": 0.5}
    with slow_server(tmp_path / "library", limits) as server, server.connect() as client:
        client.sendall(sent)
        assert client.recv(4096).startswith(b"HTTP/1.1 408 ")


def test_a_slow_body_is_received_while_it_keeps_arriving(
    fitted_library: Library, tmp_path: Path
) -> None:
    body = json.dumps({"plays": [{"user": "slow", "track": "calm-00"}]}).encode() + b" " * 2000
    limits = PATIENT | {"body_seconds": 600.0, "body_bytes_per_second": 10}
    with slow_server(tmp_path / "library", limits) as server, server.connect() as client:
        client.sendall(head(f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"))
        for start in range(0, len(body), 500):
            client.sendall(body[start : start + 500])
            assert ask(f"{server.address}healthz")
        assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
    assert fitted_library.user_weights("slow") == {"calm-00": 1.0}


def test_buffered_bodies_are_bounded(fitted_library: Library, tmp_path: Path) -> None:
    limits = PATIENT | {"held_bytes": 1_000_000}
    with (
        slow_server(tmp_path / "library", limits) as server,
        server.connect() as one,
        server.connect() as another,
    ):
        for client in (one, another):
            client.sendall(head("Content-Length: 700000\r\n\r\n") + b" " * 699_999)
        (refused, *_), _, _ = select.select([one, another], [], [], 60)
        assert refused.recv(4096).startswith(b"HTTP/1.1 503 ")
        (kept,) = {one, another} - {refused}
        kept.sendall(b" ")
        assert kept.recv(4096).startswith(b"HTTP/1.1 400 ")


def test_bodies_are_buffered_only_for_callers_with_a_token(
    fitted_library: Library, tmp_path: Path
) -> None:
    """Else strangers could fill the disk."""
    fitted_library.create_token("ann", "write")
    serve = SERVE.replace("settings = ApiSettings(", "settings = ApiSettings(require_tokens=True, ")
    command = [sys.executable, "-c", serve, str(tmp_path / "library"), json.dumps(PATIENT)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        server = Server(process, process.stdout.readline().split()[-1])
        try:
            for length in ("Content-Length: 90000", "Transfer-Encoding: chunked"):
                with server.connect() as client:
                    client.sendall(head(f"{length}\r\n\r\n") + b"1\r\n{\r\n")
                    assert client.recv(4096).startswith(b"HTTP/1.1 401 ")
        finally:
            process.terminate()


# --- many connections ------------------------------------------------------------------------


@pytest.mark.parametrize("files", [256, 1024])
def test_more_silent_connections_than_descriptors_kill_no_worker(
    fitted_library: Library, tmp_path: Path, files: int
) -> None:
    with (
        slow_server(tmp_path / "library", PATIENT, files=files) as server,
        ExitStack() as connections,
    ):
        worker = server.worker
        for _ in range(files + 100):
            connections.enter_context(server.connect())
        for _ in range(3):
            assert ask(f"{server.address}v1/users/user-00/recommendations")["basis"] == "behaviour"
        held = len(os.listdir(f"/proc/{worker}/fd"))
        assert held < files - 20
        assert server.worker == worker


def test_an_upload_in_progress_survives_many_silent_connections(
    fitted_library: Library, tmp_path: Path
) -> None:
    body = json.dumps({"plays": [{"user": "early", "track": "calm-00"}]}).encode()
    with (
        slow_server(tmp_path / "library", PATIENT, files=256) as server,
        ExitStack() as connections,
    ):
        client = connections.enter_context(server.connect())
        client.sendall(head(f"Content-Length: {len(body)}\r\n\r\n") + body[:10])
        assert ask(f"{server.address}healthz")
        for _ in range(400):
            connections.enter_context(server.connect())
        assert ask(f"{server.address}healthz")
        client.sendall(body[10:])
        assert client.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_connections_stay_below_the_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    for descriptors, most in ((64, 32), (256, 128), (1024, 768), (2**30, 2**15), (-1, 2**15)):
        monkeypatch.setattr("resource.getrlimit", lambda _, soft=descriptors: (soft, soft))
        assert most_connections(threads=8) == most


# --- what is not HTTP ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (head("Transfer-Encoding: chunked\r\n\r\n") + b"zz\r\n{}\r\n", 400),
        (head("Transfer-Encoding: chunked\r\n\r\n") + b"-5\r\n{}\r\n", 400),
        (head("Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n") + b"{}", 400),
        (head("Content-Length: -1\r\n\r\n"), 400),
        (head("Content-Length: 99999999999999999999\r\n\r\n"), 413),
        (head("Transfer-Encoding: gzip\r\n\r\n"), 400),
        (b"\x16\x03\x01\x02\x00\r\n", 400),
        (b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\n\r\n", 414),
        (head("X: " + "a" * 10_000 + "\r\n\r\n"), 431),
    ],
)
def test_malformed_http_is_refused_without_a_server_error(
    fitted_library: Library, tmp_path: Path, sent: bytes, status: int
) -> None:
    with (
        slow_server(tmp_path / "library", PATIENT | {"header_seconds": 20.0}) as server,
        server.connect() as client,
    ):
        client.sendall(sent)
        assert client.recv(4096).startswith(f"HTTP/1.1 {status} ".encode())
