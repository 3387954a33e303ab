"""Libraries for approximate search, compared as finders of candidates for the blend.

    python scripts/compare_indexes.py --tracks 100000 [--libraries faiss-ivfpq usearch-f16 ...] [--json F]

A crowd is made up and fitted, its tracks and queries are reduced linearly, and each library finds candidates among
them for listeners at audio weights 0, 0.1, 0.5 and 1. Recall is the share of the exact blend's ten best among the
candidates: what exact re-scoring of the candidates returns. The least effort that reaches the recall asked for, at
the worst of the weights, is chosen with some listeners; recall and times are those of other listeners, one query at
a time, one thread. Each library runs in a process of its own; Linux only.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from blended_search import AUDIO_WEIGHTS, Asked, Rows, Task, Vectors, fitted_synthetic, make_task
from compared_indexes import COMPARED_INDEXES, ComparedIndex
from numpy.typing import NDArray

from hybridrec.evaluation.text_table import text_table

WARMING = 20
"""Queries that are answered before times are taken."""

REPEATS = 3
"""Times that a query is asked; the least time counts, so that what else the machine does is not measured."""


@dataclass(frozen=True)
class Found:
    """How one library finds so many candidates, with the least effort that suffices.

    Attributes:
        candidates: how many.
        effort: cells that are looked into, or nodes of a graph (`ef`).
        recalls: at each of `AUDIO_WEIGHTS`.
        median_ms, slowest_ms: of single queries, the latter the 99th percentile.
        few_recall, few_ms: recall and median where a filter leaves one track in a hundred; None if it cannot filter.
    """

    candidates: int
    effort: int
    recalls: list[float]
    median_ms: float
    slowest_ms: float
    few_recall: float | None
    few_ms: float | None


@dataclass(frozen=True)
class Measured:
    """What one library costs and finds.

    Attributes:
        name: of `COMPARED_INDEXES`.
        version: of the library.
        build_seconds, build_cpu_seconds: of the clock, and of all processors together.
        load_seconds: of loading, which is mapping where the library can map.
        disk_mb, bytes_per_track: of the file.
        own_mb: memory that a process needs after loading and searching, and shares with no other.
        found: by number of candidates.
    """

    name: str
    version: str
    build_seconds: float
    build_cpu_seconds: float
    load_seconds: float
    disk_mb: float
    bytes_per_track: float
    own_mb: float
    found: list[Found]


def main() -> None:
    """Parse the arguments, prepare, measure each library, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, default=100_000)
    parser.add_argument(
        "--libraries", nargs="+", choices=sorted(COMPARED_INDEXES), default=list(COMPARED_INDEXES), metavar="NAME"
    )
    parser.add_argument("--candidates", type=int, nargs="+", default=[100, 500])
    parser.add_argument("--dimensions", type=int, default=256, help="after reduction (default 256)")
    parser.add_argument("--listeners", type=int, default=100, help="asked for, at each audio weight (default 100)")
    parser.add_argument("--recall", type=float, default=0.99, help="to be reached (default 0.99)")
    parser.add_argument("--threads", type=int, default=2, help="for building (default 2)")
    parser.add_argument("--links", type=int, default=16, help="M of graphs (default 16)")
    parser.add_argument("--build-effort", type=int, default=200, help="ef_construction of graphs (default 200)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=Path, help="where the fitted crowd is kept, and taken from if it is there")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    for name in chosen.libraries:
        COMPARED_INDEXES[name]()  # says what to install before anything takes time
    with tempfile.TemporaryDirectory() as scratch:
        task = alone(prepare, Path(scratch), chosen)
        measured = [measure(name, task, chosen) for name in chosen.libraries]
    print(table(measured))
    print(f"ranking all exactly: {task.exact_ms:.2f} ms")
    print("ranking candidates exactly:", ", ".join(f"{n}: {ms:.2f} ms" for n, ms in task.rescoring_ms.items()))
    if chosen.json:
        answer = {
            "tracks": chosen.tracks,
            "dimensions": chosen.dimensions,
            "exact_ms": task.exact_ms,
            "rescoring_ms": task.rescoring_ms,
            "libraries": [dataclasses.asdict(each) for each in measured],
        }
        chosen.json.write_text(json.dumps(answer, indent=2), encoding="utf-8")


def alone(work: Callable[..., Any], *arguments: Any) -> Any:
    """Do work in a new process, so that neither its memory nor its threads are in the way of what follows."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


def prepare(place: Path, chosen: argparse.Namespace) -> Task:
    """Make the task, with its files in a folder."""
    fitted_model = fitted_synthetic(chosen.tracks, chosen.seed, chosen.model)
    return make_task(fitted_model, place, chosen.listeners, chosen.dimensions, chosen.candidates, chosen.seed)


def measure(name: str, task: Task, chosen: argparse.Namespace) -> Measured:
    """Build an index in one process, and search it in another."""
    file = task.tracks.with_name(name)
    build_seconds, build_cpu_seconds = alone(
        build, name, (chosen.links, chosen.build_effort), task.tracks, file, chosen.threads
    )
    load_seconds, own_bytes, found = alone(search, name, task, file, chosen.candidates, chosen.recall)
    disk_bytes = file.stat().st_size
    file.unlink()
    measured = Measured(
        name=name,
        version=importlib.metadata.version(COMPARED_INDEXES[name].package),
        build_seconds=build_seconds,
        build_cpu_seconds=build_cpu_seconds,
        load_seconds=load_seconds,
        disk_mb=disk_bytes / 1e6,
        bytes_per_track=disk_bytes / len(task.allowed),
        own_mb=own_bytes / 1e6,
        found=found,
    )
    print(table([measured]), file=sys.stderr, flush=True)
    return measured


def build(name: str, settings: tuple[int, int], tracks_file: Path, file: Path, threads: int) -> tuple[float, float]:
    """Seconds of building, by the clock and of all processors; the index is then in a file."""
    compared, tracks = COMPARED_INDEXES[name](*settings), np.load(tracks_file)
    tracks = compared.prepared(tracks, longest=float(np.linalg.norm(tracks, axis=1).max()))
    begin, cpu_begin = time.perf_counter(), time.process_time()
    compared.build(tracks, threads)
    seconds = time.perf_counter() - begin, time.process_time() - cpu_begin
    compared.save(file)
    return seconds


def search(name: str, task: Task, file: Path, candidates: list[int], aim: float) -> tuple[float, int, list[Found]]:
    """Seconds and own bytes of the loaded index, and how it finds."""
    compared = COMPARED_INDEXES[name]()
    tuning, judged = ready(compared, task.tuning), ready(compared, task.judged)
    before, begin = own_bytes(), time.perf_counter()
    compared.load(file, tuning.queries.shape[2])
    seconds = time.perf_counter() - begin
    compared.find(tuning.queries[0], candidates[0], compared.effort(compared.efforts[0], candidates[0]))
    return (
        seconds,
        own_bytes() - before,
        [find_well(compared, tuning, judged, task.allowed, n, aim) for n in candidates],
    )


def ready(compared: ComparedIndex, asked: Asked) -> Asked:
    """The same, with the queries as an index wants them."""
    return dataclasses.replace(
        asked, queries=np.stack([compared.prepared(each, longest=0.0) for each in asked.queries])
    )


def own_bytes() -> int:
    """Memory of this process that no file stands behind, so that no other process can share it."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Anonymous:"))


def find_well(
    compared: ComparedIndex, tuning: Asked, judged: Asked, allowed: NDArray[np.bool_], n: int, aim: float
) -> Found:
    """Choose the effort by some listeners, then search for others."""
    for step in compared.efforts:
        effort = compared.effort(step, n)
        if min(recalls(compared, tuning, n, effort)) >= aim:
            break
    times, reached = timed(compared, judged.queries, judged.best, n, effort)
    few = timed(compared, judged.queries, judged.best_allowed, n, effort, allowed) if compared.filters else None
    return Found(
        candidates=n,
        effort=effort,
        recalls=reached.mean(axis=1).tolist(),
        median_ms=float(np.median(times)),
        slowest_ms=float(np.percentile(times, 99)),
        few_recall=float(few[1].mean()) if few else None,
        few_ms=float(np.median(few[0])) if few else None,
    )


def recalls(compared: ComparedIndex, asked: Asked, n: int, effort: int) -> list[float]:
    """Recall at each audio share."""
    found = [compared.find(queries, n, effort) for queries in asked.queries]
    return [
        float(np.mean([np.isin(*pair).mean() for pair in zip(best, rows, strict=True)]))
        for best, rows in zip(asked.best, found, strict=True)
    ]


def timed(
    compared: ComparedIndex, queries: Vectors, best: Rows, n: int, effort: int, allowed: NDArray[np.bool_] | None = None
) -> tuple[Vectors, Vectors]:
    """Milliseconds and recall of each query, `(shares, m)`, asked for alone."""
    times, reached = np.zeros(queries.shape[:2], np.float32), np.zeros(queries.shape[:2], np.float32)
    for query in queries[0, :WARMING]:
        compared.find(query[None], n, effort, allowed)
    for place in np.ndindex(times.shape):
        seconds = []
        for _ in range(REPEATS):
            begin = time.perf_counter()
            rows = compared.find(queries[place][None], n, effort, allowed)
            seconds.append(time.perf_counter() - begin)
        times[place] = 1000 * min(seconds)
        reached[place] = np.isin(best[place], rows).mean()
    return times, reached


def table(measured: list[Measured]) -> str:
    """A line for each library and number of candidates."""
    header = ["library", "build s", "CPU s", "load s", "MB", "B/track", "own MB", "n", "effort"]
    header += [*(f"w={share:g}" for share in AUDIO_WEIGHTS), "ms", "p99 ms", "1 %: recall", "ms"]
    rows = []
    for each in measured:
        costs = [f"{each.build_seconds:.1f}", f"{each.build_cpu_seconds:.1f}", f"{each.load_seconds:.2f}"]
        costs += [f"{each.disk_mb:.0f}", f"{each.bytes_per_track:.0f}", f"{each.own_mb:.0f}"]
        rows += [[f"{each.name} {each.version}", *costs, *in_words(found)] for found in each.found]
    return text_table(header, rows)


def in_words(found: Found) -> list[str]:
    """The cells that tell how a library finds."""
    cells = [str(found.candidates), str(found.effort), *(f"{recall:.3f}" for recall in found.recalls)]
    cells += [f"{found.median_ms:.2f}", f"{found.slowest_ms:.2f}"]
    if found.few_recall is None:
        return [*cells, "-", "-"]
    return [*cells, f"{found.few_recall:.3f}", f"{found.few_ms:.2f}"]


if __name__ == "__main__":
    main()
