"""What an evaluation on plays found: every figure by support with its interval, every recommender beside ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hybridrec.evaluation.metrics import Hits
from hybridrec.evaluation.quality import Quality
from hybridrec.evaluation.significance import (
    Difference,
    Mean,
    holm_corrected,
    mean_with_interval,
    paired_difference,
)

FEWEST_USERS = 2
"""Fewer give no interval; buckets with fewer are left out."""

FIGURES = {
    "ndcg": Hits.ndcg,
    "recall": Hits.recall,
    "map": Hits.average_precision,
    "mrr": Hits.reciprocal_rank,
    "hit_rate": Hits.hit_rate,
}

Runs = Sequence[Quality]
"""One recommender's quality on each split, for the same users in the same order."""


@dataclass(frozen=True)
class RecommenderFigures:
    """How one recommender does, means over users of their means over runs.

    Attributes:
        name: of the recommender.
        setting: what was chosen for it in each run.
        tried: among how many settings.
        figures: `ndcg`, `recall`, `map`, `mrr` and `hit_rate` at 20, each by bucket.
        coverage, novelty, mean_popularity: of its first 20, means over runs; see `evaluation.reach`.
    """

    name: str
    setting: list[str]
    tried: int
    figures: dict[str, dict[str, Mean]]
    coverage: float
    novelty: float
    mean_popularity: float


@dataclass(frozen=True)
class Gain:
    """Ours less another recommender, NDCG@20, paired over users.

    Attributes:
        other: its name.
        bucket: among which tracks.
        difference: with its interval and the p-value of the randomisation test.
        p_corrected: that p-value, corrected for the number of comparisons in the table after Holm.
        by_run: the mean difference in each run.
    """

    other: str
    bucket: str
    difference: Difference
    p_corrected: float
    by_run: list[float]


@dataclass(frozen=True)
class PlaysReport:
    """An evaluation on held-out plays.

    Attributes:
        about: the data, the split and the seeds, in words.
        recommenders: ours first.
        overall: gains of ours over all tracks, one a recommender.
        by_support: gains of ours in each bucket.
        notes: what a reader must know to judge the figures.
        seconds: wall-clock time of the run.
    """

    about: str
    recommenders: list[RecommenderFigures]
    overall: list[Gain]
    by_support: list[Gain]
    notes: list[str]
    seconds: float


def figures_of(name: str, settings: Sequence[str], tried: int, runs: Runs, *, seed: int) -> RecommenderFigures:
    """All figures of one recommender; `seed` draws the resamples."""
    return RecommenderFigures(
        name,
        list(settings),
        tried,
        {
            figure: {
                bucket: mean_with_interval(each, seed=seed)
                for bucket in runs[0].hits
                if len(each := _told(np.array([of(run.hits[bucket]) for run in runs]))) >= FEWEST_USERS
            }
            for figure, of in FIGURES.items()
        },
        float(np.mean([run.coverage for run in runs])),
        float(np.mean([run.novelty for run in runs])),
        float(np.mean([run.mean_popularity for run in runs])),
    )


def gains(ours: Runs, others: Mapping[str, Runs], buckets: Sequence[str], *, seed: int) -> list[Gain]:
    """Ours less each of the others in each bucket, corrected together for how many comparisons there are.

    Buckets in which fewer than two users had anything to find are left out.
    """
    pairs = [
        (other, bucket, _ndcg(ours, bucket), _ndcg(runs, bucket))
        for other, runs in others.items()
        for bucket in buckets
        if len(_told(_ndcg(ours, bucket))) >= FEWEST_USERS
    ]
    found = [paired_difference(mine, theirs, seed=seed) for _, _, mine, theirs in pairs]
    corrected = holm_corrected(np.array([difference.p_value for difference in found]))
    return [
        Gain(other, bucket, difference, float(p), [float(each) for each in _means(mine - theirs)])
        for (other, bucket, mine, theirs), difference, p in zip(pairs, found, corrected, strict=True)
    ]


def _ndcg(runs: Runs, bucket: str) -> NDArray[np.float64]:
    return np.array([run.ndcg(bucket) for run in runs])


def _told(figures: NDArray[np.float64]) -> NDArray[np.float64]:
    """Users' means over runs, of those who have any figure."""
    some = ~np.isnan(figures).all(axis=0)
    return np.asarray(np.nanmean(figures[:, some], axis=0))


def _means(runs: NDArray[np.float64]) -> list[float]:
    return [float(np.nanmean(each)) for each in runs if not np.isnan(each).all()]
