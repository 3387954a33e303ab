"""Workers of a real server are killed under load: what was acknowledged is stored, once."""

from __future__ import annotations

import itertools
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import pytest
import requests
from audio_files import short_tone
from servers import children, running
from waiting import attempts, wait_for

from hybridrec.embedder.library_encoder import ensure_encoder
from hybridrec.storage.clean_up import clean_up
from hybridrec.storage.library import Library

pytestmark = pytest.mark.server

KILLS = int(os.environ.get("HYBRIDREC_KILLS", "3"))
"""How many workers are killed; 100 make a thorough run."""

PLAYS_A_USER = 500
PATIENCE_SECONDS = 600


class Load:
    """Clients that send plays and files without pause, each again until it is acknowledged.

    Args:
        address: of the server.
    """

    def __init__(self, address: str) -> None:
        self.plays: list[tuple[str, str, float]] = []
        self.tracks: list[str] = []
        self.broken = 0
        self._address = address
        self._stopping = False
        self._news = threading.Condition()
        self._threads = ThreadPoolExecutor()
        self._clients: list[Future[None]] = []

    def __enter__(self) -> Self:
        for number, client in enumerate(
            (self._play, self._play, self._play, self._upload, self._upload)
        ):
            self._clients.append(self._threads.submit(self._go_on, client, number))
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        for client in self._clients:
            client.result()

    def wait_for(self, plays: int, tracks: int) -> None:
        """Until so many more are acknowledged."""
        plays, tracks = plays + len(self.plays), tracks + len(self.tracks)

        def are_there() -> bool:
            failed = any(client.done() for client in self._clients)
            return failed or (len(self.plays) >= plays and len(self.tracks) >= tracks)

        with self._news:
            assert self._news.wait_for(are_there, PATIENCE_SECONDS)

    def _go_on(self, client: Callable[[int, int], None], number: int) -> None:
        for n in itertools.takewhile(lambda _: not self._stopping, itertools.count()):
            client(number, n)

    def _play(self, number: int, n: int) -> None:
        user, track, played_at = (
            f"user-{number}-{n // PLAYS_A_USER}",
            f"song-{n % 50}",
            1_700_000_000.0 + n,
        )
        self._send(
            "plays", json={"plays": [{"user": user, "track": track, "played_at": played_at}]}
        )
        self._acknowledged(self.plays, (user, track, played_at))

    def _upload(self, number: int, n: int) -> None:
        track = f"upload-{number}-{n}"
        self._send(
            "tracks", data={"id": track}, files={"audio": short_tone(100.0 + 5 * number + 20 * n)}
        )
        self._acknowledged(self.tracks, track)

    def _send(self, kind: str, **what: Any) -> None:
        """Until it is acknowledged; a connection may break, but nothing may be refused."""
        for _ in attempts():
            try:
                answer = requests.post(f"{self._address}v1/{kind}", timeout=600, **what)
            except requests.RequestException:
                self.broken += 1
            else:
                assert answer.status_code in (200, 201), answer.text
                return

    def _acknowledged(self, items: list[Any], item: object) -> None:
        with self._news:
            items.append(item)
            self._news.notify_all()


def descendants(process: int) -> set[int]:
    """What a process has started, and what that has started."""
    started = children(process)
    return started.union(*(descendants(child) for child in started))


def wait_until_gone(processes: set[int]) -> None:
    """Until processes have ended, zombies among them."""
    wait_for(lambda: all(state_of(process) in "ZX" for process in processes), PATIENCE_SECONDS)


def state_of(process: int) -> str:
    """`Z` for a zombie, `X` for one that is gone; see proc(5)."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def stored_plays(address: str, users: set[str]) -> list[tuple[str, str, float]]:
    """All plays of the users, as the API tells them."""
    answers = {
        user: requests.get(f"{address}v1/users/{user}/plays?limit=1000", timeout=600).json()
        for user in users
    }
    return [
        (user, play["track"]["id"], play["played_at"])
        for user in users
        for play in answers[user]["plays"]
    ]


def stored_tracks(address: str) -> list[str]:
    """The ids of all uploads, as the API lists them."""
    found: list[str] = []
    after: dict[str, str] = {}
    while True:
        answer = requests.get(
            f"{address}v1/tracks?q=upload&limit=200", params=after, timeout=600
        ).json()
        found += [track["id"] for track in answer["tracks"] if track["has_audio"]]
        if answer["next"] is None:
            return found
        after = {"after": answer["next"]}


@pytest.fixture
def scratch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where a server keeps its temporary files. A short name, for there will be sockets in it."""
    with TemporaryDirectory() as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


@pytest.mark.timeout(1800 + 60 * KILLS)
def test_killing_workers_loses_nothing_and_leaves_nothing_behind(
    location: str, scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = tmp_path / "files"
    monkeypatch.setenv("HYBRIDREC_FILES", str(files))
    with Library.open(location, create=True, files=files) as library:
        library.set_fingerprint(ensure_encoder_of(library))
    rng, helpers = random.Random(0), set[int]()
    with running(location, workers=3, stderr=None) as (server, address):
        with Load(address) as load:
            for n in range(KILLS):
                embeds = n % 2 == 0
                load.wait_for(plays=rng.randrange(1, 30), tracks=int(embeds))
                workers = sorted(children(server.pid))
                victim = rng.choice(
                    [worker for worker in workers if descendants(worker)] if embeds else workers
                )
                helpers |= descendants(victim)
                os.kill(victim, signal.SIGKILL)
            load.wait_for(plays=10, tracks=1)
        wait_until_gone(helpers)
        folders = {str(worker) for worker in children(server.pid)} | {"metrics"}
        assert {folder.name for folder in scratch.glob("*/*")} == folders

        plays = stored_plays(address, {user for user, _, _ in load.plays})
        tracks = stored_tracks(address)
        assert sorted(plays) == sorted(load.plays)
        assert sorted(tracks) == sorted(load.tracks)
        print(
            f"\n{KILLS} kills, {load.broken} broken requests,"
            f" {len(plays)} plays, {len(tracks)} uploads: all stored"
        )
    assert not list(scratch.iterdir())
    with Library.open(location) as library:
        assert library.status()["plays"] == len(load.plays)
        clean_up(library, settled_seconds=0)
        assert sum(path.is_file() for path in library.files.rglob("*")) == len(load.tracks)


def ensure_encoder_of(library: Library) -> str:
    """The fingerprint of the shipped encoder."""
    ensure_encoder(library)
    encoder = library.current("encoder")
    assert encoder is not None
    return encoder.fingerprint
