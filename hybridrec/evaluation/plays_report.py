"""Report of an evaluation on held-out plays: metrics with intervals, and paired differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybridrec.evaluation.former_keys import with_former_keys
from hybridrec.evaluation.metrics import Figures, Hits
from hybridrec.evaluation.quality import Quality
from hybridrec.evaluation.significance import (
    Difference,
    Mean,
    holm_corrected,
    mean_with_interval,
    paired_difference,
)

FEWEST_USERS = 2
"""Fewer users give no interval."""

ENOUGH_USERS = 30
"""With fewer users, intervals and p-values are unreliable; reports mark such buckets."""

FIGURES = {
    "ndcg": Hits.ndcg,
    "recall": Hits.recall,
    "map": Hits.average_precision,
    "mrr": Hits.reciprocal_rank,
    "hit_rate": Hits.hit_rate,
}
"""The metrics, all at 20."""

FORMER_KEYS = {"trials": "tried", "p_holm": "p_corrected"}
"""Former names of JSON keys, by present name."""

Runs = Sequence[Quality]
"""One recommender's quality on each split, for the same users in the same order."""


@dataclass(frozen=True)
class RecommenderFigures:
    """The metrics of one recommender: means over users of their means over runs.

    Attributes:
        name: of the recommender.
        setting: the chosen setting of each run, in words.
        trials: number of settings that it was chosen from.
        figures: `ndcg`, `recall`, `map`, `mrr` and `hit_rate` at 20, each by item popularity
            bucket; buckets with fewer than `FEWEST_USERS` users are missing.
        coverage, novelty, mean_popularity: of the first 20, means over runs; see
            `evaluation.coverage`.
    """

    name: str
    setting: list[str]
    trials: int
    figures: dict[str, dict[str, Mean]]
    coverage: float
    novelty: float
    mean_popularity: float


@dataclass(frozen=True)
class Gain:
    """The paired difference of NDCG@20, hybridrec - another recommender.

    Attributes:
        other: name of the other recommender.
        bucket: item popularity bucket.
        difference: with its interval and the p-value of the randomisation test.
        p_holm: that p-value, corrected after Holm for the number of comparisons in the table.
        by_run: the mean difference of each run.
    """

    other: str
    bucket: str
    difference: Difference
    p_holm: float
    by_run: list[float]


@dataclass(frozen=True)
class PlaysReport:
    """An evaluation on held-out plays.

    Attributes:
        about: data, split and seeds, in words.
        bucket_users: number of users with a held-out track, by item popularity bucket.
        recommenders: hybridrec first.
        overall: differences over all tracks, one per recommender.
        by_support: differences in each bucket.
        notes: what a reader must know to judge the figures.
        seconds: wall-clock time of the run.
    """

    about: str
    bucket_users: dict[str, int]
    recommenders: list[RecommenderFigures]
    overall: list[Gain]
    by_support: list[Gain]
    notes: list[str]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON; renamed keys are repeated under their former names."""
        found: dict[str, Any] = with_former_keys(asdict(self), FORMER_KEYS)
        return found


def bucket_users(runs: Runs) -> dict[str, int]:
    """Number of users with a held-out track, in any run, by item popularity bucket."""
    return {bucket: len(_user_means(_ndcg(runs, bucket))) for bucket in runs[0].hits}


def figures_of(
    name: str, settings: Sequence[str], trials: int, runs: Runs, *, seed: int
) -> RecommenderFigures:
    """All metrics of one recommender.

    Args:
        name: of the recommender.
        settings: the chosen setting of each run, in words.
        trials: number of settings that it was chosen from.
        runs: its quality in each run.
        seed: of the bootstrap.
    """
    return RecommenderFigures(
        name,
        list(settings),
        trials,
        {figure: _by_bucket(runs, metric, seed) for figure, metric in FIGURES.items()},
        float(np.mean([run.coverage for run in runs])),
        float(np.mean([run.novelty for run in runs])),
        float(np.mean([run.mean_popularity for run in runs])),
    )


def gains(
    ours: Runs, others: Mapping[str, Runs], buckets: Sequence[str], *, seed: int
) -> list[Gain]:
    """Differences to each of the others in each bucket, corrected together after Holm.

    Buckets with fewer than `FEWEST_USERS` users are left out.

    Args:
        ours: of hybridrec.
        others: by name, for the same users.
        buckets: item popularity buckets.
        seed: of the bootstrap and of the randomisation test.
    """
    counts = bucket_users(ours)
    # NaN stays in: paired_difference leaves out users without both values.
    pairs = [
        (other, bucket, _ndcg(ours, bucket), _ndcg(runs, bucket))
        for other, runs in others.items()
        for bucket in buckets
        if counts[bucket] >= FEWEST_USERS
    ]
    found = [paired_difference(own, theirs, seed=seed) for _, _, own, theirs in pairs]
    # All rows of a table are read together, so they are corrected together.
    corrected = holm_corrected(np.array([difference.p_value for difference in found]))
    return [
        Gain(other, bucket, difference, float(p), _run_means(own - theirs))
        for (other, bucket, own, theirs), difference, p in zip(pairs, found, corrected, strict=True)
    ]


def _by_bucket(runs: Runs, metric: Callable[[Hits], Figures], seed: int) -> dict[str, Mean]:
    # Runs of a user are averaged first: they are not independent of each other.
    values = {
        bucket: _user_means(np.array([metric(run.hits[bucket]) for run in runs]))
        for bucket in runs[0].hits
    }
    return {
        bucket: mean_with_interval(each, seed=seed)
        for bucket, each in values.items()
        if len(each) >= FEWEST_USERS
    }


def _ndcg(runs: Runs, bucket: str) -> NDArray[np.float64]:
    """`(n_runs, n_users)` float64."""
    return np.array([run.ndcg(bucket) for run in runs])


def _user_means(figures: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means over runs of the users with a value in any run, `(n_runs, n)` to `(m,)`."""
    # Users known in no run are dropped first: np.nanmean would warn about them.
    known = ~np.isnan(figures).all(axis=0)
    return np.asarray(np.nanmean(figures[:, known], axis=0))


def _run_means(runs: NDArray[np.float64]) -> list[float]:
    return [float(np.nanmean(each)) for each in runs if not np.isnan(each).all()]
