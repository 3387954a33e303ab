"""Workers of a real server share what each accepts, and all reload a new model without failure."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from audio_files import short_tone
from servers import of_each_worker, running
from waiting import wait_for

from hybridrec.data.embeddings import Embeddings
from hybridrec.data.plays import Play
from hybridrec.datasets.synthetic_interactions import make_synthetic_interactions
from hybridrec.embedder.library_encoder import ensure_encoder
from hybridrec.storage.library import Library
from hybridrec.workflows.fit import fit

pytestmark = pytest.mark.server

CLIENTS = 4
INDEXED_FROM = 1000


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a library in a database keeps its uploads, as its servers are told."""
    monkeypatch.setenv("HYBRIDREC_FILES", str(tmp_path / "files"))
    return tmp_path / "files"


def test_what_one_worker_accepts_every_worker_knows_at_its_next_answer(
    location: str, files: Path
) -> None:
    with Library.open(location, create=True, files=files) as library:
        ensure_encoder(library)
        encoder = library.current("encoder")
        assert encoder is not None
        library.set_fingerprint(encoder.fingerprint)
    with running(location, workers=2) as (server, address):

        def each(path: str) -> list[Any]:
            answers = of_each_worker(
                server.pid, lambda: requests.get(f"{address}v1/{path}", timeout=600)
            )
            assert len(answers) == 2
            return [answer.json() if answer.ok else answer.status_code for answer in answers]

        def ids(path: str, of: str) -> list[set[str]]:
            return [{hit["track"]["id"] for hit in answer[of]} for answer in each(path)]

        assert each("tracks/low/similar") == [404, 404]
        for name, hertz in {"low": 110.0, "middle": 330.0, "high": 2000.0}.items():
            audio = {"audio": short_tone(hertz)}
            sent = requests.post(f"{address}v1/tracks", data={"id": name}, files=audio, timeout=600)
            assert sent.status_code == 201
        assert ids("tracks/low/similar", "similar") == [{"middle", "high"}] * 2

        plays = {"plays": [{"user": "ada", "track": "low"}]}
        assert requests.post(f"{address}v1/plays", json=plays, timeout=600).json() == {
            "added": 1,
            "repeated": 0,
        }
        assert ids("users/ada/recommendations", "recommendations") == [{"middle", "high"}] * 2
        assert [answer["basis"] for answer in each("users/ada/recommendations")] == ["audio"] * 2

        assert requests.delete(f"{address}v1/tracks/middle", timeout=600).status_code == 204
        assert ids("users/ada/recommendations", "recommendations") == [{"high"}] * 2
        assert each("tracks/middle/similar") == [404, 404]


@pytest.mark.parametrize("tracks", [100, INDEXED_FROM + 200])
def test_every_worker_goes_over_to_a_new_fit_while_no_request_fails(
    location: str, files: Path, tracks: int
) -> None:
    with Library.open(location, create=True, files=files) as library:
        put_synthetic_interactions(library, tracks)
        fit(library, index_from=INDEXED_FROM)
        with running(location, workers=2) as (server, address):
            stopping = threading.Event()
            with ThreadPoolExecutor(CLIENTS) as threads:
                clients = [threads.submit(ask_on, address, n, stopping) for n in range(CLIENTS)]
                try:
                    fit(library, index_from=INDEXED_FROM)
                    wait_for(
                        lambda: version(address) != 1 or any(client.done() for client in clients)
                    )
                    assert not any(client.done() for client in clients)
                finally:
                    stopping.set()
            seen = [client.result() for client in clients]
            wait_for(lambda: of_each_worker(server.pid, lambda: version(address)) == [2, 2])
    assert set().union(*seen) <= {1, 2}


def put_synthetic_interactions(library: Library, tracks: int) -> None:
    """Tracks of a few genres with vectors, and listeners who keep to some of them."""
    synthetic = make_synthetic_interactions(tracks, 100, 20, genres=10, dimensions=16)
    ids = tuple(f"t{row:04d}" for row in range(tracks))
    library.put_embeddings(Embeddings("external:synthetic", ids, synthetic.embeddings))
    library.set_fingerprint("external:synthetic")
    library.add_plays(
        Play(f"u{user}", ids[track], 1e9)
        for user, track in zip(*synthetic.plays.nonzero(), strict=True)
    )


def recommended(address: str, user: str) -> dict[str, Any]:
    """An answer on a connection of its own, which must be a full one."""
    answer = requests.get(f"{address}v1/users/{user}/recommendations", timeout=600)
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    assert len(content["recommendations"]) == 10
    return content


def version(address: str) -> int:
    """Of the model that answers."""
    return int(recommended(address, "u3")["model_version"])


def ask_on(address: str, number: int, stopping: threading.Event) -> set[int]:
    """Ask without pause; returns the versions that answered."""
    versions = set()
    while not stopping.is_set():
        versions.add(int(recommended(address, f"u{number}")["model_version"]))
    return versions
