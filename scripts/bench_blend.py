"""The blend against its two sides and the usual baselines, on real plays of Last.fm-2K.

    python scripts/bench_blend.py --data FOLDER [--seeds 0 1 2] [--vectors spotify] [--hide pairs]

FOLDER holds the data sets as datasets/lastfm2k.md describes them. A fifth of the pairs (or all plays of a fifth of the
tracks) is held out; figures are means over users, then over seeds. A bucket's figure is NDCG@20 of a ranking within it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hybridrec.data.splits import split_cold_tracks, split_pairs
from hybridrec.datasets.lastfm2k import load_neural, load_spotify
from hybridrec.datasets.real_plays import RealPlays
from hybridrec.evaluation.metrics import ALL_TRACKS, Hits
from hybridrec.evaluation.significance import Difference, holm_corrected, paired_difference
from hybridrec.workflows.compare import ALS, BLEND, baseline_hits, fit_blend, fold_error, hybrid_hits

SPLITS = {"pairs": split_pairs, "tracks": split_cold_tracks}
SHUFFLED = "blend, audio shuffled"
FOLD_WEIGHTS = (0.0, 0.15, 0.5, 1.0)
FOLD_USERS = 50
Run = dict[str, dict[str, Hits]]


def main() -> None:
    """Parse the arguments, run each seed, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--vectors", choices=["spotify", "vggish", "whisper"], default="spotify")
    parser.add_argument("--hide", choices=sorted(SPLITS), default="pairs")
    chosen = parser.parse_args()
    neural = chosen.vectors != "spotify"
    plays = load_neural(chosen.data, chosen.vectors) if neural else load_spotify(chosen.data)
    n_users, n_tracks = plays.interactions.shape
    print(f"Last.fm-2K, {chosen.vectors} vectors: {n_users} users, {n_tracks} tracks, {plays.interactions.nnz} pairs")
    print(f"20 % of {chosen.hide} held out, seeds {chosen.seeds}\n")
    results = [run(plays, chosen.hide, seed) for seed in chosen.seeds]
    runs = [figures for figures, _ in results]
    print_quality(runs)
    print_differences(runs)
    print(f"\nfolded search against side by side, largest difference of a score: {max(e for _, e in results):.1e}")


def run(plays: RealPlays, hide: str, seed: int) -> tuple[Run, float]:
    """All figures of one seed, and how far the folded search is off at any of a few audio weights."""
    split = SPLITS[hide](plays.interactions, seed=seed)
    model = fit_blend(split, plays.item_embeddings, seed=seed)
    users = np.linspace(0, plays.interactions.shape[0] - 1, FOLD_USERS).astype(np.int64)
    error = max(fold_error(model, weight, users) for weight in FOLD_WEIGHTS)
    order = np.random.default_rng(seed).permutation(plays.interactions.shape[1])
    deaf = fit_blend(split, plays.item_embeddings[order], seed=seed)
    shuffled = {SHUFFLED: hybrid_hits(split, deaf)[BLEND]}
    return {**hybrid_hits(split, model), **baseline_hits(split), **shuffled}, error


def filled_buckets(runs: list[Run]) -> list[str]:
    """The buckets, `all` among them, in which two users or more have something to find with every seed."""
    return [bucket for bucket in runs[0][BLEND] if np.isfinite(ndcg(runs, BLEND, bucket)).sum(axis=1).min() >= 2]


def print_quality(runs: list[Run]) -> None:
    """One line a recommender: NDCG@20 in all and by support, then recall@20 and hit rate@20 in all."""
    buckets = filled_buckets(runs)
    print("NDCG@20".ljust(24), *(name.rjust(7) for name in [*buckets, "recall", "hits"]))
    for name in runs[0]:
        ndcgs = [np.mean([np.nanmean(run[name][bucket].ndcg()) for run in runs]) for bucket in buckets]
        recall = np.mean([np.nanmean(run[name][ALL_TRACKS].recall()) for run in runs])
        hits = np.mean([np.nanmean(run[name][ALL_TRACKS].hit_rate()) for run in runs])
        print(name.ljust(24), *(f"{figure:7.4f}" for figure in [*ndcgs, recall, hits]))


def print_differences(runs: list[Run]) -> None:
    """Blend less ALS by bucket, with intervals; then in each seed; then with audio that means nothing."""
    buckets = filled_buckets(runs)
    found = [compared(runs, BLEND, bucket) for bucket in buckets]
    corrected = holm_corrected(np.array([difference.p_value for difference in found]))
    print("\nblend less ALS, NDCG@20, a user's mean over seeds, 95 % interval over users, p corrected after Holm")
    for bucket, difference, p_corrected in zip(buckets, found, corrected, strict=True):
        print(f"{bucket.ljust(24)} {told(difference)}  corrected {p_corrected:.4f}")
    each = [np.nanmean(ndcg([run], BLEND, ALL_TRACKS) - ndcg([run], ALS, ALL_TRACKS)) for run in runs]
    print("in each seed".ljust(24), *(f"{figure:+.4f}" for figure in each))
    print("all, audio shuffled".ljust(24), told(compared(runs, SHUFFLED, ALL_TRACKS)))


def compared(runs: list[Run], name: str, bucket: str) -> Difference:
    """A recommender less ALS, all seeds together."""
    return paired_difference(ndcg(runs, name, bucket), ndcg(runs, ALS, bucket), seed=0)


def ndcg(runs: list[Run], name: str, bucket: str) -> NDArray[np.float64]:
    """Users' figures in each run, `(n_runs, n_users)` float64, NaN where there was nothing to find."""
    return np.array([run[name][bucket].ndcg() for run in runs])


def told(difference: Difference) -> str:
    """A difference in one line."""
    return (
        f"{difference.mean:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]"
        f"  p {difference.p_value:.4f}  {difference.n_users} users"
    )


if __name__ == "__main__":
    main()
