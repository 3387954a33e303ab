"""Plays that the server has acknowledged survive kill -9."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hybridrec.storage.library import Library

pytestmark = pytest.mark.slow

ACKNOWLEDGED_BEFORE_EACH_KILL = 25


@contextmanager
def serving(library: Path) -> Iterator[tuple[subprocess.Popen[str], http.client.HTTPConnection]]:
    """A server process and a connection to it; killed as a group by SIGKILL."""
    command = [sys.executable, "-m", "hybridrec", "serve", "--library", str(library), "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert server.stdout is not None
        host = server.stdout.readline().split("http://")[1].strip(" /\n")
        yield server, http.client.HTTPConnection(host, timeout=600)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        assert server.stdout is not None
        server.stdout.close()


def post_plays(connection: http.client.HTTPConnection, plays: list[dict[str, object]]) -> bool:
    """Whether the server acknowledged the plays."""
    try:
        connection.request(
            "POST", "/v1/plays", json.dumps({"plays": plays}), {"Content-Type": "application/json"}
        )
        answer = connection.getresponse()
        answer.read()
    except (http.client.HTTPException, OSError):
        return False
    return answer.status == 200


def test_acknowledged_plays_survive_kill_9_and_count_once(
    fitted_library: Library, tmp_path: Path
) -> None:
    def stored() -> list[tuple[object, ...]]:
        plays = fitted_library.user_plays("crash", limit=10_000)
        return [(play.track, play.played_at) for play in plays]

    sent: list[dict[str, object]] = []
    for life in range(3):
        with serving(tmp_path / "library") as (server, connection):
            first = len(sent)
            for n in range(ACKNOWLEDGED_BEFORE_EACH_KILL):
                play = {
                    "user": "crash",
                    "track": f"calm-{n % 18:02d}",
                    "played_at": 1_700_000_000 + 1000 * life + n,
                }
                assert post_plays(connection, [play])
                sent.append(play)
            unanswered = {"user": "crash", "track": "calm-00", "played_at": 1_800_000_000 + life}
            body = json.dumps({"plays": [unanswered]})
            connection.request("POST", "/v1/plays", body, {"Content-Type": "application/json"})
            os.killpg(server.pid, signal.SIGKILL)
        assert {(play["track"], play["played_at"]) for play in sent[first:]} <= set(stored())
        sent.append(unanswered)
    with serving(tmp_path / "library") as (_, connection):
        assert post_plays(connection, sent)
    assert sorted(stored()) == sorted((play["track"], play["played_at"]) for play in sent)
