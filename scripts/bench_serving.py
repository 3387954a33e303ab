"""Time of an answer from a large catalogue: in the library, and over HTTP.

For each size, a model is fitted to synthetic interactions (see
hybridrec.datasets.synthetic_interactions) and its tracks are indexed. Then it measures, with one
user per call: `recommend` through the index, the same by scoring every track, implicit's own
`recommend` on the same factors, and the recall of the index among the ten best tracks. The largest
catalogue is then stored in a library and served by two workers under the load of eight
connections.

Prints the figures, and writes figures.json and cost.png.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault(
    "OPENBLAS_NUM_THREADS", "1"
)  # as implicit advises, for it has its own threads

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from serving_load import over_http

from hybridrec import HybridRecommender
from hybridrec.config import CollaborativeConfig
from hybridrec.datasets.synthetic_interactions import (
    SyntheticInteractions,
    make_synthetic_interactions,
)
from hybridrec.model.ranking import Indexes

PLAYS_PER_USER = 40
TRACKS_PER_USER = 20
N = 10


def milliseconds(ask: Callable[[int], object], users: np.ndarray) -> dict[str, float]:
    """Median and 99th percentile of the times of calls, one user each."""
    times = []
    for user in users.tolist():
        begin = time.perf_counter()
        ask(user)
        times.append(1000 * (time.perf_counter() - begin))
    return {"median": float(np.median(times)), "p99": float(np.percentile(times, 99))}


def fitted_model(
    synthetic: SyntheticInteractions, iterations: int
) -> tuple[HybridRecommender, float]:
    """A model of the synthetic interactions, and the seconds that fitting took."""
    begin = time.perf_counter()
    model = HybridRecommender(CollaborativeConfig(iterations=iterations), random_state=0)
    model.fit(synthetic.plays, show_progress=False, item_embeddings=synthetic.embeddings)
    return model, time.perf_counter() - begin


def implicit_model(model: HybridRecommender) -> AlternatingLeastSquares:
    """implicit's ALS with the factors of a model."""
    als = AlternatingLeastSquares(factors=model.item_factors.shape[1])
    als.user_factors, als.item_factors = (
        model.user_factors,
        np.ascontiguousarray(model.item_factors),
    )
    return als


def recall(
    model: HybridRecommender,
    synthetic: SyntheticInteractions,
    indexes: Indexes,
    users: np.ndarray,
    weight: float | None,
) -> float:
    """Share of the ten exactly best tracks that the index finds."""
    shares = []
    for user in users.tolist():
        played = synthetic.plays[user]
        model.fitted_model.indexes = None
        best, _ = model.recommend(user, played, N, audio_weight=weight)
        model.fitted_model.indexes = indexes
        found, _ = model.recommend(user, played, N, audio_weight=weight)
        shares.append(np.isin(best, found).mean())
    return float(np.mean(shares))


def in_the_library(
    synthetic: SyntheticInteractions, model: HybridRecommender, calls: int
) -> dict[str, Any]:
    """Times of answers without HTTP, recall, and time of building the index."""
    n_users = synthetic.plays.shape[0]
    users = np.random.default_rng(0).choice(n_users, calls)
    few = users[: max(20, calls // 20)]

    def ask(user: int) -> object:
        return model.recommend(user, synthetic.plays[user], N)

    exact = milliseconds(ask, few)
    als = implicit_model(model)
    theirs = milliseconds(lambda user: als.recommend(user, synthetic.plays[user], N), few)
    begin = time.perf_counter()
    indexes = model.index_tracks()
    built = time.perf_counter() - begin
    ask(0)
    ours = milliseconds(ask, users)
    weights = (None, 0.0, 0.5, 1.0)
    recalls = {str(weight): recall(model, synthetic, indexes, few, weight) for weight in weights}
    return {
        "exact_ms": exact,
        "index_ms": ours,
        "implicit_ms": theirs,
        "times_faster_than_implicit": theirs["median"] / ours["median"],
        "recall_at_10": recalls,
        "index_seconds": built,
        "search_parameters": [
            dataclasses.asdict(search) for search in indexes.users.search_parameters
        ],
    }


def plot(figures: dict[int, dict[str, Any]], path: Path) -> None:
    """Milliseconds per answer against the number of tracks, both logarithmic."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    sizes = sorted(figures)
    figure, axes = pyplot.subplots(figsize=(6.4, 4.0), layout="constrained")
    lines = {"implicit_ms": "implicit", "exact_ms": "scoring every track", "index_ms": "index"}
    for name, label in lines.items():
        times = [figures[size][name]["median"] for size in sizes]
        (line,) = axes.plot(sizes, times, marker="o", label=label)
        axes.annotate(
            f"{times[-1]:.1f} ms",
            (sizes[-1], times[-1]),
            textcoords="offset points",
            xytext=(6, -3),
        )
        if name == "index_ms":
            worst = [figures[size][name]["p99"] for size in sizes]
            style = {"linestyle": ":", "color": line.get_color()}
            axes.plot(sizes, worst, label="index, 99th percentile", **style)
    axes.set(xscale="log", yscale="log", xlim=(None, sizes[-1] * 2))
    axes.set(xlabel="tracks", ylabel="milliseconds per answer")
    axes.set_title("Time to recommend ten tracks", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Measure each size, serve the largest, write the figures."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("output", type=Path, help="directory for figures.json and cost.png")
    parser.add_argument("--tracks", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--calls", type=int, default=1000, help="of each kind")
    parser.add_argument("--iterations", type=int, default=5, help="of ALS")
    yes_no = argparse.BooleanOptionalAction
    parser.add_argument("--http", action=yes_no, default=True, help="serve the largest")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    figures: dict[int, dict[str, Any]] = {}
    for n in sorted(options.tracks):
        synthetic = make_synthetic_interactions(n, n // TRACKS_PER_USER, PLAYS_PER_USER)
        model, seconds = fitted_model(synthetic, options.iterations)
        figures[n] = {"fit_seconds": seconds} | in_the_library(synthetic, model, options.calls)
        print(f"{n} tracks: {json.dumps(figures[n], indent=1)}", flush=True)
    if options.http:
        with tempfile.TemporaryDirectory() as scratch:
            place = Path(scratch) / "library"
            figures[n]["http"] = over_http(synthetic, model, place, options.calls)
        print(f"over HTTP: {json.dumps(figures[n]['http'], indent=1)}")
    (options.output / "figures.json").write_text(json.dumps(figures, indent=1))
    plot(figures, options.output / "cost.png")


if __name__ == "__main__":
    main()
