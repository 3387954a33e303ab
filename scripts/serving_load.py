"""Load test: a catalogue in a library, served by workers, requested by several connections."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from hybridrec import HybridRecommender
from hybridrec.data.embeddings import Embeddings
from hybridrec.data.ids import IdMap
from hybridrec.data.plays import Play
from hybridrec.data.tracks import Track
from hybridrec.datasets.synthetic_interactions import SyntheticInteractions
from hybridrec.model.store import save_model
from hybridrec.serving.service import RecommendationService
from hybridrec.storage.library import Library

ENCODER = "external:synthetic"
WORKERS = 2
CONNECTIONS = 8
ALBUM_TRACKS = 10
_BATCH = 50_000


def over_http(
    synthetic: SyntheticInteractions, model: HybridRecommender, place: Path, calls: int
) -> dict[str, Any]:
    """Store, open, serve and request: seconds, megabytes and milliseconds of each."""
    begin = time.perf_counter()
    with Library.open(place, create=True) as library:
        _store(library, synthetic, model)
    stored = time.perf_counter()
    with RecommendationService(Library.open(place)) as service:
        first = time.perf_counter()
        users = [
            f"user-{user}"
            for user in np.random.default_rng(1).choice(synthetic.plays.shape[0], calls)
        ]
        service.recommend(users[0])
        used = time.process_time()
        alone = [_milliseconds(lambda user=user: service.recommend(user)) for user in users]
        own_ms = 1000 * (time.process_time() - used) / calls
    figures = {
        "store_seconds": stored - begin,
        "first_open_seconds": first - stored,
        "in_process_ms": _summary(alone),
        "in_process_processor_ms": own_ms,
    }
    return figures | _served(place, users, own_ms)


def _store(library: Library, synthetic: SyntheticInteractions, model: HybridRecommender) -> None:
    ids = [f"track-{row:07d}" for row in range(len(synthetic.genres))]
    for start in range(0, len(ids), _BATCH):
        some = range(start, min(start + _BATCH, len(ids)))
        library.put_tracks(
            Track(ids[row], f"song {row}", f"band {row // ALBUM_TRACKS}") for row in some
        )
    library.put_embeddings(Embeddings(ENCODER, tuple(ids), synthetic.embeddings))
    library.set_fingerprint(ENCODER)
    users, tracks = synthetic.plays.nonzero()
    for start in range(0, len(users), _BATCH):
        batch = slice(start, start + _BATCH)
        pairs = zip(users[batch].tolist(), tracks[batch].tolist(), strict=True)
        library.add_plays(
            [Play(f"user-{user}", ids[track], played_at=1e9 + track) for user, track in pairs]
        )
    save_model(library, model, IdMap(ids), {}, ENCODER)


def _served(place: Path, users: list[str], own_ms: float) -> dict[str, Any]:
    begin = time.perf_counter()
    command = [sys.executable, "-m", "hybridrec", "serve", "--library", str(place), "--port", "0"]
    server = subprocess.Popen(
        [*command, "--workers", str(WORKERS)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        address = server.stdout.readline().split("http://")[1].strip(" /\n")
        _ask(http.client.HTTPConnection(address), users[0])
        started = time.perf_counter() - begin
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()
        workers = [int(pid) for pid in children.split()]
        _load(address, users[: len(users) // 4])
        before, clock = sum(map(_processor_seconds, workers)), time.perf_counter()
        latencies = _load(address, users)
        seconds = time.perf_counter() - clock
        used_ms = 1000 * (sum(map(_processor_seconds, workers)) - before) / len(latencies)
        return {
            "start_seconds": started,
            "latency_ms": _summary(latencies),
            "answers_a_second": len(latencies) / seconds,
            "processor_ms": used_ms,
            "added_processor_ms": used_ms - own_ms,
            "resident_mb": [_memory(pid, "Rss") for pid in workers],
            "own_and_share_of_mapped_mb": [_memory(pid, "Pss") for pid in workers],
        }
    finally:
        server.terminate()
        server.wait()


def _load(address: str, users: list[str]) -> list[float]:
    """Milliseconds of each answer; the connections share the users."""
    latencies: list[float] = []

    def ask(some: list[str]) -> None:
        connection = http.client.HTTPConnection(address, timeout=60)
        latencies.extend([_milliseconds(lambda user=user: _ask(connection, user)) for user in some])

    threads = [
        threading.Thread(target=ask, args=(users[k::CONNECTIONS],)) for k in range(CONNECTIONS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return latencies


def _ask(connection: http.client.HTTPConnection, user: str) -> None:
    connection.request("GET", f"/v1/users/{user}/recommendations?n=10")
    answer = connection.getresponse()
    content = json.loads(answer.read())
    if answer.status != 200 or len(content["recommendations"]) != 10:
        raise SystemExit(f"unexpected answer {answer.status}: {content}")


def _milliseconds(call: Any) -> float:
    begin = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - begin)


def _summary(milliseconds: list[float]) -> dict[str, float]:
    return {"median": float(np.median(milliseconds)), "p99": float(np.percentile(milliseconds, 99))}


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int, kind: str) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(f"{kind}:")) / 1024
