"""The server as a process: startup, several workers, logs and shutdown."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from servers import ask, of_each_worker, running

from hybridrec.api.server import is_loopback, serve
from hybridrec.api.settings import ApiSettings
from hybridrec.data.embeddings import Embeddings
from hybridrec.errors import InvalidInput, LibraryError
from hybridrec.storage.backup import back_up, restore
from hybridrec.storage.library import Library

LOADED = (
    "import sys; from hybridrec.api import app; from hybridrec.api.server import serve;"
    "from hybridrec.serving.service import RecommendationService;"
    " from hybridrec.storage.library import Library;"
    "client = app.create_app(RecommendationService(Library.open(sys.argv[1]))).test_client();"
    "assert client.get('/v1/tracks/track-0/similar').status_code == 200;"
    "print(*sorted(set(sys.modules) & {'torch', 'librosa', 'av', 'soundfile', 'soxr'}))"
)


@pytest.mark.server
def test_it_answers_once_the_address_is_printed_and_stops_on_sigterm(
    fitted_library: Library, tmp_path: Path
) -> None:
    with running(tmp_path / "library") as (process, address):
        assert ask(f"{address}readyz")["tracks"] == 40
        assert ask(f"{address}v1/users/user-00/recommendations")["basis"] == "behaviour"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=600) == 0


@pytest.mark.server
def test_ids_with_slashes_pass_through_a_real_server(
    fitted_library: Library, tmp_path: Path
) -> None:
    with running(tmp_path / "library") as (_, address):
        assert ask(f"{address}v1/users/a%2Fb%252F%20c/plays") == {"user": "a/b%2F c", "plays": []}
        with pytest.raises(urllib.error.HTTPError, match="404"):
            ask(f"{address}v1/tracks/a%2Fb")


@pytest.mark.server
def test_several_workers_serve_one_library(fitted_library: Library, tmp_path: Path) -> None:
    with running(tmp_path / "library", workers=2) as (_, address):
        assert all(ask(f"{address}readyz")["ready"] for _ in range(8))


@pytest.mark.server
def test_an_address_that_other_machines_reach_requires_tokens_and_logs_requests(
    fitted_library: Library, tmp_path: Path
) -> None:
    token = fitted_library.create_token("ann", "write")
    with running(tmp_path / "library", options="--host 0.0.0.0") as (process, address):
        for refused in ({}, {"Authorization": "Bearer wrong"}):
            with pytest.raises(urllib.error.HTTPError, match="401"):
                ask(f"{address}v1/tracks", **refused)
        assert ask(
            f"{address}v1/tracks?limit=1", Authorization=f"Bearer {token}", X_Request_ID="mine-1"
        )["tracks"]
        body = json.dumps({"plays": [{"user": "ada", "track": "calm-00"}]}).encode()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        with urllib.request.urlopen(
            urllib.request.Request(f"{address}v1/plays", body, headers), timeout=600
        ) as answer:
            written_in = answer.headers["X-Request-ID"]
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=600)
    logged = [json.loads(line) for line in errors.splitlines()]
    requests = [
        (line["method"], line["status"], line["caller"])
        for line in logged
        if line["message"] == "request"
    ]
    assert requests == [("GET", 401, "anonymous")] * 2 + [("GET", 200, "ann"), ("POST", 200, "ann")]
    assert [line["request_id"] for line in logged][-2:] == ["mine-1", written_in]
    (write,) = [
        json.loads(line) for line in (tmp_path / "library" / "audit.jsonl").read_text().splitlines()
    ]
    assert (write["caller"], write["route"], write["added"]) == ("ann", "/v1/plays", 1)
    assert write["request_id"] == written_in
    assert token not in errors


@pytest.mark.server
def test_on_loopback_only_errors_are_logged(fitted_library: Library, tmp_path: Path) -> None:
    with running(tmp_path / "library") as (process, address):
        ask(f"{address}v1/users")
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=600)[1] == ""


@pytest.mark.server
def test_a_server_on_loopback_may_require_tokens(fitted_library: Library, tmp_path: Path) -> None:
    token = fitted_library.create_token("ann", "read")
    with running(tmp_path / "library", options="--tokens --no-log-requests") as (_, address):
        with pytest.raises(urllib.error.HTTPError, match="401"):
            ask(f"{address}v1/tracks")
        assert ask(f"{address}v1/tracks", Authorization=f"Token {token}", Host="music.example")[
            "tracks"
        ]


def figure(address: str, name: str) -> float:
    """The sum of a metric over its labels."""
    with urllib.request.urlopen(f"{address}metrics", timeout=600) as answer:
        lines = answer.read().decode().splitlines()
    return sum(
        float(line.split()[-1]) for line in lines if line.startswith((f"{name} ", f"{name}{{"))
    )


@pytest.mark.server
def test_metrics_of_all_workers_are_added_up(
    fitted_library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    with running(tmp_path / "library", workers=3) as (_, address):
        for _ in range(20):
            ask(f"{address}v1/users/user-00/recommendations?n=5")
        assert figure(address, "hybridrec_effective_audio_weight_count") == 100
        assert figure(address, "hybridrec_audio_weight_count") == 100  # the former name
        assert figure(address, "hybridrec_request_seconds_count") >= 20
        assert figure(address, "hybridrec_index_tracks") == 40
        assert figure(address, "hybridrec_cold_share") == pytest.approx(0.1)
    assert not list((tmp_path / "scratch").iterdir())


@pytest.mark.server
def test_a_request_in_progress_is_answered_before_the_server_stops(
    fitted_library: Library, tmp_path: Path
) -> None:
    body = json.dumps({"plays": [{"user": "late", "track": "calm-00"}]}).encode()
    with running(tmp_path / "library") as (process, address):
        host, port = address.removeprefix("http://").strip("/").split(":")
        with socket.create_connection((host, int(port)), timeout=600) as connection:
            head = f"POST /v1/plays HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
            connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:10])
            assert (
                status(f"{address}healthz") == 200
            )  # asked later, so that the server has read the head by now
            process.send_signal(signal.SIGTERM)
            connection.sendall(body[10:])
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert process.wait(timeout=600) == 0
    assert fitted_library.user_weights("late") == {"calm-00": 1.0}


@pytest.mark.server
def test_the_rate_limit_is_shared_by_all_workers(fitted_library: Library, tmp_path: Path) -> None:
    with running(tmp_path / "library", workers=2, options="--requests-per-minute 1") as (
        server,
        address,
    ):
        assert {status(f"{address}healthz") for _ in range(4)} == {200}
        answers = of_each_worker(
            server.pid, lambda: [status(f"{address}v1/users") for _ in range(2)]
        )
    assert answers == [[200, 429], [429, 429]]


@pytest.mark.server
def test_a_body_without_an_end_is_refused_at_the_limit(
    fitted_library: Library, tmp_path: Path
) -> None:
    with running(tmp_path / "library") as (_, address):
        host, port = address.removeprefix("http://").strip("/").split(":")
        for path, kind, limit, begin in (
            ("v1/plays", "application/json", ApiSettings().body_limit_bytes, '{"plays": ['),
            (
                "v1/tracks",
                "multipart/form-data; boundary=b",
                ApiSettings().upload_limit_bytes,
                AUDIO_FIELD,
            ),
        ):
            head = f"POST /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\n"
            with socket.create_connection((host, int(port)), timeout=600) as connection:
                connection.sendall(
                    f"{head}Transfer-Encoding: chunked\r\n\r\n"
                    f"{len(begin):x}\r\n{begin}\r\n".encode()
                )
                for _ in range(limit // 2**16 + 1):
                    connection.sendall(b"10000\r\n" + b" " * 2**16 + b"\r\n")
                assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


AUDIO_FIELD = '--b\r\nContent-Disposition: form-data; name="audio"; filename="a.mp3"\r\n\r\n'


def status(address: str) -> int:
    """With what status a GET is answered."""
    try:
        with urllib.request.urlopen(address, timeout=600) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.server
def test_a_backup_is_made_and_restored_while_a_server_runs(
    fitted_library: Library, tmp_path: Path
) -> None:
    with running(tmp_path / "library", workers=2) as (_, address):
        back_up(fitted_library, tmp_path / "backup")
        fitted_library.forget_user("user-00")
        fitted_library.delete_track("calm-00")
        assert all(
            ask(f"{address}v1/users/user-00/recommendations")["basis"] == "popularity"
            for _ in range(6)
        )
        restore(tmp_path / "backup", tmp_path / "library", replace=True)
        for _ in range(6):
            assert ask(f"{address}v1/users/user-00/recommendations")["basis"] == "behaviour"
            assert ask(f"{address}v1/tracks/calm-00/similar")["similar"]


@pytest.mark.slow
def test_stored_embeddings_are_served_without_loading_the_encoder(
    library: Library, tmp_path: Path
) -> None:
    vectors = np.random.default_rng(0).normal(size=(500, 128))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    library.put_embeddings(
        Embeddings("any", tuple(f"track-{n}" for n in range(500)), vectors.astype(np.float32))
    )
    library.set_fingerprint("any")
    command = [sys.executable, "-c", LOADED, str(tmp_path / "library")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "\n"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_addresses_are_recognised(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org", ""])
def test_other_addresses_are_refused_without_tokens(
    host: str, library: Library, tmp_path: Path
) -> None:
    library.create_token("gone", "admin")
    library.revoke_token("gone")
    with pytest.raises(
        InvalidInput, match=r"no access token yet.*; make one with `hybridrec token create"
    ):
        serve(tmp_path / "library", host)


def test_a_missing_library_is_reported_before_the_server_starts(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="there is no library here"):
        serve(tmp_path / "nowhere")
