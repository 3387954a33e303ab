"""The server as a process: it says when it answers, starts light, and stops gently."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from hybridrec.api.server import require_loopback, serve
from hybridrec.data.embeddings import Embeddings
from hybridrec.errors import InvalidInput, LibraryError
from hybridrec.storage.library import Library

SERVE = "import sys; from hybridrec.api.server import serve; serve(sys.argv[1], port=0, workers=int(sys.argv[2]))"
LOADED = (
    "import sys; from hybridrec.api import app; from hybridrec.api.server import serve;"
    "from hybridrec.service import RecommendationService; from hybridrec.storage.library import Library;"
    "client = app.create_app(RecommendationService(Library.open(sys.argv[1]))).test_client();"
    "assert client.get('/v1/tracks/track-0/similar').status_code == 200;"
    "print(*sorted(set(sys.modules) & {'torch', 'librosa', 'av', 'soundfile', 'soxr'}))"
)


@contextmanager
def running(location: Path, workers: int = 1) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server of a library, and its address as it prints it."""
    command = [sys.executable, "-c", SERVE, str(location), str(workers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("hybridrec answers on http://127.0.0.1:"), process.communicate()[1]
            yield process, line.split()[-1]
        finally:
            process.terminate()
            process.wait(timeout=60)


def ask(address: str) -> dict[str, object]:
    with urllib.request.urlopen(address, timeout=60) as answer:
        result: dict[str, object] = json.load(answer)
    return result


def test_it_answers_when_it_says_so_and_stops_when_told(fitted_library: Library, tmp_path: Path) -> None:
    with running(tmp_path / "library") as (process, address):
        assert ask(f"{address}readyz")["tracks"] == 40
        assert ask(f"{address}v1/users/user-00/recommendations")["basis"] == "behaviour"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0


def test_ids_with_slashes_pass_through_a_real_server(fitted_library: Library, tmp_path: Path) -> None:
    with running(tmp_path / "library") as (_, address):
        assert ask(f"{address}v1/users/a%2Fb%252F%20c/plays") == {"user": "a/b%2F c", "plays": []}
        with pytest.raises(urllib.error.HTTPError, match="404"):
            ask(f"{address}v1/tracks/a%2Fb")


def test_several_workers_serve_one_library(fitted_library: Library, tmp_path: Path) -> None:
    with running(tmp_path / "library", workers=2) as (_, address):
        assert all(ask(f"{address}readyz")["ready"] for _ in range(8))


def test_stored_vectors_are_served_without_loading_what_hears(library: Library, tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(500, 128))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    library.put_embeddings(Embeddings("any", tuple(f"track-{n}" for n in range(500)), vectors.astype(np.float32)))
    library.set_ears("any")
    command = [sys.executable, "-c", LOADED, str(tmp_path / "library")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "\n"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_addresses_are_served(host: str) -> None:
    require_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org", ""])
def test_other_addresses_are_refused_without_tokens(host: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="loopback addresses only"):
        serve(tmp_path, host)


def test_a_missing_library_is_said_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="there is no library here"):
        serve(tmp_path / "nowhere")
