"""What requests that mean ill cost a server, and who asks beside them.

    python scripts/bench_hostile.py [--python OTHER/.venv/bin/python] [--case WORD] [--json]

Prints one row a request: its answer, the processor time and the SQL statements of the server
(with those of the neighbour's requests meanwhile), how much the largest memory of a worker
grew, and how long at most the neighbour, who asks for recommendations all the while, waited for
an answer. Each request meets a server of its own, with one worker, over a small library.
`--python` names the interpreter of an older checkout, to compare. Linux only."""

from __future__ import annotations

import argparse
import json
import mmap
import os
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from hostile.http import CASES as HTTP_CASES
from hostile.http import Case

CASES: tuple[Case, ...] = (*HTTP_CASES,)
NEIGHBOUR_PATH = "/v1/users/user-03/recommendations"
NEIGHBOUR_SECONDS = 30.0
"""How long the neighbour waits for an answer before it gives up."""

QUIET_SECONDS = 0.5
DESCRIPTORS = 1024  # the usual limit

BUILD = """
import sys
import numpy as np
from hybridrec.data.embeddings import Embeddings, unit_length
from hybridrec.data.plays import Play
from hybridrec.data.tracks import Track
from hybridrec.storage.library import Library
rng = np.random.default_rng(0)
ids = tuple(f"track-{n:04d}" for n in range(500))
with Library.open(sys.argv[1], create=True) as library:
    library.put_tracks(
        Track(id_, title=f"song {id_}", artist=f"artist {n % 40}") for n, id_ in enumerate(ids)
    )
    vectors = unit_length(rng.normal(size=(len(ids), 128)))
    library.put_embeddings(Embeddings("external:bench", ids, vectors))
    # Older checkouts have the second name.
    choose = getattr(library, "set_fingerprint", None) or library.set_ears
    choose("external:bench")
    library.add_plays(
        Play(f"user-{user:02d}", ids[track], 1.7e9 + track)
        for user in range(50) for track in rng.choice(len(ids), 20, replace=False)
    )
"""
SERVE = """
import mmap, struct, sys
from sqlalchemy import Engine, event
file = open(sys.argv[2], "r+b")
counter = mmap.mmap(file.fileno(), 8)
@event.listens_for(Engine, "before_cursor_execute")
def count(*_):
    counter[:8] = struct.pack("q", struct.unpack("q", counter[:8])[0] + 1)
from hybridrec.api.server import serve
serve(sys.argv[1], port=0)
"""


@dataclass(frozen=True)
class Cost:
    """What one request cost.

    Attributes:
        request: in words.
        answer: what came of it.
        cpu_seconds: of the server's processes.
        statements: of SQL.
        grown_megabytes: by how much the largest memory of the worker grew.
        neighbour_seconds: the longest that another client waited for an answer.
        lost_workers: how many ended.
    """

    request: str
    answer: str
    cpu_seconds: float
    statements: int
    grown_megabytes: float
    neighbour_seconds: float
    lost_workers: int


class Server:
    """A server of one worker, and what it has used so far.

    Args:
        process: its first process.
        counter: of SQL statements.
        place: host and port.
    """

    def __init__(self, process: subprocess.Popen[str], counter: mmap.mmap, place: str) -> None:
        self.process = process
        self.place = place
        self._counter = counter

    def workers(self) -> list[int]:
        """The processes that answer."""
        return [
            int(pid)
            for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
            .read_text()
            .split()
        ]

    def cpu_seconds(self) -> float:
        """Of all its processes, those that ended among them."""
        ticks = 0
        for pid in (self.process.pid, *self.workers()):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15] if pid == self.process.pid else fields[11:13]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def peak_megabytes(self) -> float:
        """The largest memory of a worker so far."""
        statuses = [Path(f"/proc/{pid}/status").read_text().splitlines() for pid in self.workers()]
        return max(
            int(line.split()[1]) / 1024
            for lines in statuses
            for line in lines
            if line.startswith("VmHWM")
        )

    def statements(self) -> int:
        """Of SQL, so far."""
        return int(struct.unpack("q", self._counter[:8])[0])


@contextmanager
def serving(python: str) -> Iterator[Server]:
    """A server over a library of its own, warm."""
    with tempfile.TemporaryDirectory() as scratch:
        library, counter = f"{scratch}/library", Path(scratch) / "statements"
        counter.write_bytes(bytes(8))
        subprocess.run([python, "-c", BUILD, library], check=True)
        command = [
            "sh",
            "-c",
            f'ulimit -n {DESCRIPTORS}; exec "$@"',
            "sh",
            python,
            "-c",
            SERVE,
            library,
            str(counter),
        ]
        with (
            counter.open("r+b") as file,
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
        ):
            try:
                assert process.stdout is not None
                place = process.stdout.readline().split("//")[1].strip(" /\n")
                server = Server(process, mmap.mmap(file.fileno(), 8), place)
                longest_wait(place, threading.Event(), QUIET_SECONDS)
                yield server
            finally:
                process.terminate()


def longest_wait(place: str, over: threading.Event, at_least_seconds: float) -> float:
    """Ask repeatedly; the longest wait, where a refused or lost request counts as the timeout."""
    longest, begin = 0.0, time.monotonic()
    while not over.is_set() and (
        at_least_seconds == 0 or time.monotonic() - begin < at_least_seconds
    ):
        began = time.monotonic()
        client = HTTPConnection(place, timeout=NEIGHBOUR_SECONDS)
        try:
            client.request("GET", NEIGHBOUR_PATH)
            right = client.getresponse().status == 200
        except (OSError, HTTPException):
            right = False
        finally:
            client.close()
        longest = max(longest, time.monotonic() - began if right else NEIGHBOUR_SECONDS)
    return longest


def cost_of(case: Case, python: str) -> Cost:
    """Send one request, with a neighbour beside it."""
    with serving(python) as server:
        workers, cpu, peak, sql = (
            server.workers(),
            server.cpu_seconds(),
            server.peak_megabytes(),
            server.statements(),
        )
        over, waits = threading.Event(), list[float]()
        neighbour = threading.Thread(
            target=lambda: waits.append(longest_wait(server.place, over, 0))
        )
        answer = case.send(server.place, neighbour.start)
        over.set()
        neighbour.join()
        lost = len(set(workers) - set(server.workers()))
        used, statements = server.cpu_seconds() - cpu, server.statements() - sql
        return Cost(
            case.request, answer, used, statements, server.peak_megabytes() - peak, max(waits), lost
        )


def main() -> None:
    """Send, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--python", default=sys.executable, help="interpreter of the checkout that is measured"
    )
    parser.add_argument("--case", default="", help="only requests whose description holds this")
    parser.add_argument("--json", action="store_true", help="one object a line")
    options = parser.parse_args()
    if not options.json:
        print(
            f"{'request':52} {'answer':16} {'CPU s':>7} {'SQL':>6} {'MB':>7} "
            f"{'neighbour s':>11} {'lost':>5}"
        )
    for case in CASES:
        if options.case in case.request:
            show(cost_of(case, options.python), options.json)


def show(cost: Cost, as_json: bool) -> None:
    """One row."""
    if as_json:
        print(json.dumps(asdict(cost)), flush=True)
        return
    server = f"{cost.cpu_seconds:7.2f} {cost.statements:6d} {cost.grown_megabytes:7.1f}"
    figures = f"{server} {cost.neighbour_seconds:11.2f}"
    print(f"{cost.request:52} {cost.answer:16} {figures} {cost.lost_workers:5d}", flush=True)


if __name__ == "__main__":
    main()
