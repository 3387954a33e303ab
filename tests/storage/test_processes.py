"""Several processes on one library: nothing acknowledged is lost, missed or counted twice."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import attempts

from hybridrec.data.plays import Play
from hybridrec.storage.library import Library
from hybridrec.storage.plays import PlaysAdded

pytestmark = pytest.mark.slow

BATCH_PLAYS = 40
WRITER = """
import sys
from hybridrec.data.plays import Play
from hybridrec.storage.library import Library
location, size, first, last, step = sys.argv[1], *map(int, sys.argv[2:])
with Library.open(location) as library:
    for batch in range(first, last, step):
        library.add_plays([Play(f"u{batch % 7}", f"t{batch}", float(n)) for n in range(size)])
        print(batch, flush=True)
"""


def plays_of(batch: int) -> list[Play]:
    return [Play(f"u{batch % 7}", f"t{batch}", float(number)) for number in range(BATCH_PLAYS)]


def writer(
    location: str, folder: Path, first: int, last: int, step: int = 1
) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, location, *map(str, (BATCH_PLAYS, first, last, step))]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder)


def test_kill_9_loses_nothing_that_was_acknowledged(location: str, tmp_path: Path) -> None:
    Library.open(location, create=True, files=tmp_path).close()
    acknowledged: list[int] = []
    for round_ in range(2):
        child = writer(location, tmp_path, first=round_ * 1_000_000, last=(round_ + 1) * 1_000_000)
        assert child.stdout is not None
        for line in child.stdout:
            acknowledged.append(int(line))
            if len(acknowledged) % 12 == 11:
                child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL

    with Library.open(location, files=tmp_path) as library:
        weights = {
            user: library.user_weights(user) for user in (f"u{number}" for number in range(7))
        }
        for batch in acknowledged:
            assert weights[f"u{batch % 7}"][f"t{batch}"] == BATCH_PLAYS
        stored = [weight for of_user in weights.values() for weight in of_user.values()]
        assert set(stored) == {BATCH_PLAYS}, "a batch is there as a whole or not at all"
        assert len(acknowledged) <= len(stored) <= len(acknowledged) + 2
        for batch in acknowledged:
            assert library.add_plays(plays_of(batch)) == PlaysAdded(added=0, repeated=BATCH_PLAYS)


def test_processes_that_write_at_once_lose_nothing_and_count_nothing_twice(
    location: str, tmp_path: Path
) -> None:
    with Library.open(location, create=True, files=tmp_path) as library:
        children = [
            writer(location, tmp_path, 0, 30),
            writer(location, tmp_path, 15, 45),
            writer(location, tmp_path, 44, -1, -1),
        ]
        assert [child.wait() for child in children] == [0, 0, 0]
        assert library.status()["plays"] == 45 * BATCH_PLAYS
        assert library.support() == {f"t{batch}": 1 for batch in range(45)}


def test_a_reader_that_follows_the_feed_misses_nothing(location: str, tmp_path: Path) -> None:
    with Library.open(location, create=True, files=tmp_path) as library:
        children = [writer(location, tmp_path, start, 40, 2) for start in range(2)]
        seq, tracks, plays = 0, set[str](), set[str]()
        for _ in attempts():
            running = any(child.poll() is None for child in children)
            found = library.changes_since(seq)
            seq, tracks, plays = found.seq, tracks | found.tracks, plays | found.plays
            if not running:
                break
        assert tracks == plays == {f"t{batch}" for batch in range(40)}
