"""Comparison of libraries for approximate search as sources of candidates for the blend.

    python scripts/compare_indexes.py --tracks 100000 [--libraries faiss-ivfpq ...] [--json F]

A model is fitted to synthetic interactions, its tracks and queries are reduced linearly, and each
library returns candidates for users at audio weights 0, 0.1, 0.5 and 1. Recall is the share of the
exact blend's ten best tracks among the candidates: what exact re-scoring of them returns. The
least effort with the required recall at the worst of the weights is chosen with some users; recall
and times are reported for other users, one query at a time, on one thread. Each library runs in a
process of its own; Linux only.
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
from blended_search import AUDIO_WEIGHTS, QuerySet, Task, fitted_synthetic, make_task
from compared_indexes import COMPARED_INDEXES, ComparedIndex

from hybridrec.data.arrays import Array, Mask, Rows
from hybridrec.pages.table import text_table

WARM_UP_QUERIES = 20
"""Queries that are answered before times are measured."""

REPEATS = 3
"""Repetitions of a query; the least time counts, which excludes other load of the machine."""


@dataclass(frozen=True)
class Found:
    """How one library finds a number of candidates, with the least sufficient effort.

    Attributes:
        candidates: how many.
        effort: cells searched, or visited nodes of a graph (`ef`).
        recalls: at each of `AUDIO_WEIGHTS`.
        median_ms, slowest_ms: of single queries, the latter the 99th percentile.
        few_recall, few_ms: recall and median with a filter that leaves one track in a hundred;
            None if it cannot filter.
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
    """The cost and the recall of one library.

    Attributes:
        name: of `COMPARED_INDEXES`.
        version: of the library.
        build_seconds, build_cpu_seconds: wall-clock time, and processor time of all threads.
        load_seconds: of loading, or of memory-mapping where the library can.
        disk_mb, bytes_per_track: of the file.
        own_mb: memory of a process after loading and searching that it shares with no other.
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
    """Prepare, measure each library, print the table."""
    chosen = parsed_arguments()
    for name in chosen.libraries:
        COMPARED_INDEXES[name]()  # ends with what to install before anything takes time
    with tempfile.TemporaryDirectory() as scratch:
        task = alone(prepare, Path(scratch), chosen)
        measured = [measure(name, task, chosen) for name in chosen.libraries]
    print(table(measured))
    print(f"ranking all exactly: {task.exact_ms:.2f} ms")
    rescoring = ", ".join(f"{n}: {ms:.2f} ms" for n, ms in task.rescoring_ms.items())
    print("ranking candidates exactly:", rescoring)
    if chosen.json:
        answer = {
            "tracks": chosen.tracks,
            "dimensions": chosen.dimensions,
            "exact_ms": task.exact_ms,
            "rescoring_ms": task.rescoring_ms,
            "libraries": [dataclasses.asdict(each) for each in measured],
        }
        chosen.json.write_text(json.dumps(answer, indent=2), encoding="utf-8")


def parsed_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tracks", type=int, default=100_000)
    names = sorted(COMPARED_INDEXES)
    parser.add_argument(
        "--libraries", nargs="+", choices=names, default=list(COMPARED_INDEXES), metavar="NAME"
    )
    parser.add_argument("--candidates", type=int, nargs="+", default=[100, 500])
    parser.add_argument("--dimensions", type=int, default=256, help="after reduction (256)")
    parser.add_argument(
        "--listeners", type=int, default=100, help="users searched for, at each audio weight (100)"
    )
    parser.add_argument("--recall", type=float, default=0.99, help="required recall (0.99)")
    parser.add_argument("--threads", type=int, default=2, help="for building (2)")
    parser.add_argument("--links", type=int, default=16, help="M of graphs (16)")
    parser.add_argument(
        "--build-effort", type=int, default=200, help="ef_construction of graphs (200)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=Path, help="file of the fitted model, made if missing")
    parser.add_argument("--json", type=Path, help="file for the figures")
    return parser.parse_args()


def alone(work: Callable[..., Any], *arguments: Any) -> Any:
    """Run a function in a new process, so that its memory and threads do not affect the rest."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


def prepare(place: Path, chosen: argparse.Namespace) -> Task:
    """Make the task, with its files in a folder."""
    fitted_model = fitted_synthetic(chosen.tracks, chosen.seed, chosen.model)
    return make_task(
        fitted_model,
        place,
        chosen.listeners,
        chosen.dimensions,
        chosen.candidates,
        chosen.seed,
    )


def measure(name: str, task: Task, chosen: argparse.Namespace) -> Measured:
    """Build an index in one process, and search it in another."""
    file = task.tracks.with_name(name)
    build_seconds, build_cpu_seconds = alone(
        build, name, (chosen.links, chosen.build_effort), task.tracks, file, chosen.threads
    )
    load_seconds, own_bytes, found = alone(
        search, name, task, file, chosen.candidates, chosen.recall
    )
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


def build(
    name: str, settings: tuple[int, int], tracks_file: Path, file: Path, threads: int
) -> tuple[float, float]:
    """Build an index into a file; wall-clock and processor seconds of building."""
    compared, tracks = COMPARED_INDEXES[name](*settings), np.load(tracks_file)
    tracks = compared.prepared(tracks, longest=float(np.linalg.norm(tracks, axis=1).max()))
    begin, cpu_begin = time.perf_counter(), time.process_time()
    compared.build(tracks, threads)
    seconds = time.perf_counter() - begin, time.process_time() - cpu_begin
    compared.save(file)
    return seconds


def search(
    name: str, task: Task, file: Path, candidates: list[int], target: float
) -> tuple[float, int, list[Found]]:
    """Load an index and search it: seconds of loading, own bytes, and what it finds."""
    compared = COMPARED_INDEXES[name]()
    tuning, test = prepared(compared, task.tuning), prepared(compared, task.test)
    before, begin = own_bytes(), time.perf_counter()
    compared.load(file, tuning.queries.shape[2])
    seconds = time.perf_counter() - begin
    least = compared.effort(compared.efforts[0], candidates[0])
    compared.find(tuning.queries[0], candidates[0], least)  # touches the pages of a mapped file
    needed = own_bytes() - before
    found = [find_well(compared, tuning, test, task.allowed, n, target) for n in candidates]
    return seconds, needed, found


def prepared(compared: ComparedIndex, asked: QuerySet) -> QuerySet:
    """The same queries as an index needs them."""
    queries = np.stack([compared.prepared(each, longest=0.0) for each in asked.queries])
    return dataclasses.replace(asked, queries=queries)


def own_bytes() -> int:
    """Anonymous memory of this process, which no other process can share."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Anonymous:"))


def find_well(
    compared: ComparedIndex,
    tuning: QuerySet,
    test: QuerySet,
    allowed: Mask,
    n: int,
    target: float,
) -> Found:
    """Choose the effort with some users, then search for others."""
    for step in compared.efforts:
        effort = compared.effort(step, n)
        if min(recalls(compared, tuning, n, effort)) >= target:
            break
    times, found = timed(compared, test.queries, test.best, n, effort)
    few = None
    if compared.filters:
        few = timed(compared, test.queries, test.best_allowed, n, effort, allowed)
    return Found(
        candidates=n,
        effort=effort,
        recalls=found.mean(axis=1).tolist(),
        median_ms=float(np.median(times)),
        slowest_ms=float(np.percentile(times, 99)),
        few_recall=float(few[1].mean()) if few else None,
        few_ms=float(np.median(few[0])) if few else None,
    )


def recalls(compared: ComparedIndex, asked: QuerySet, n: int, effort: int) -> list[float]:
    """Recall at each audio weight."""
    found = [compared.find(queries, n, effort) for queries in asked.queries]
    return [
        float(np.mean([np.isin(*pair).mean() for pair in zip(best, rows, strict=True)]))
        for best, rows in zip(asked.best, found, strict=True)
    ]


def timed(
    compared: ComparedIndex,
    queries: Array,
    best: Rows,
    n: int,
    effort: int,
    allowed: Mask | None = None,
) -> tuple[Array, Array]:
    """Milliseconds and recall of each query, `(weights, m)`, one query at a time."""
    times, recall = (np.zeros(queries.shape[:2], np.float32) for _ in range(2))
    for query in queries[0, :WARM_UP_QUERIES]:
        compared.find(query[None], n, effort, allowed)
    for place in np.ndindex(times.shape):
        seconds = []
        for _ in range(REPEATS):
            begin = time.perf_counter()
            rows = compared.find(queries[place][None], n, effort, allowed)
            seconds.append(time.perf_counter() - begin)
        times[place] = 1000 * min(seconds)
        recall[place] = np.isin(best[place], rows).mean()
    return times, recall


def table(measured: list[Measured]) -> str:
    """A line for each library and number of candidates."""
    header = ["library", "build s", "CPU s", "load s", "MB", "B/track", "own MB", "n", "effort"]
    header += [*(f"w={weight:g}" for weight in AUDIO_WEIGHTS), "ms", "p99 ms", "1 %: recall", "ms"]
    rows = []
    for each in measured:
        costs = [f"{each.build_seconds:.1f}", f"{each.build_cpu_seconds:.1f}"]
        costs += [
            f"{each.load_seconds:.2f}",
            f"{each.disk_mb:.0f}",
            f"{each.bytes_per_track:.0f}",
            f"{each.own_mb:.0f}",
        ]
        rows += [[f"{each.name} {each.version}", *costs, *in_words(found)] for found in each.found]
    return text_table(header, rows)


def in_words(found: Found) -> list[str]:
    """The cells of one number of candidates."""
    recalls = [f"{recall:.3f}" for recall in found.recalls]
    cells = [str(found.candidates), str(found.effort), *recalls]
    cells += [f"{found.median_ms:.2f}", f"{found.slowest_ms:.2f}"]
    if found.few_recall is None:
        return [*cells, "-", "-"]
    return [*cells, f"{found.few_recall:.3f}", f"{found.few_ms:.2f}"]


if __name__ == "__main__":
    main()
