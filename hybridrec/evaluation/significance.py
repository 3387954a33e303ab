"""Whether one way of ranking is better than another, or only luckier: paired over users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybridrec.errors import InvalidInput


@dataclass(frozen=True)
class Mean:
    """A mean over users or queries, with the ends of its 95 % interval."""

    mean: float
    low: float
    high: float


def mean_with_interval(figures: NDArray[np.float64], *, seed: int, rounds: int = 2000) -> Mean:
    """The mean of `(n,)` float64 figures, with the percentile bootstrap's interval (Efron 1979).

    Args:
        figures: one a user or query, without NaN.
        seed: draws the resamples.
        rounds: how many resamples.

    Raises:
        InvalidInput: for fewer than two figures.
    """
    if len(figures) < 2:
        raise InvalidInput("an interval needs two figures or more", got=len(figures), fix="measure on more")
    mean = float(figures.mean())
    if np.ptp(figures) == 0:
        return Mean(mean, mean, mean)
    from scipy import stats  # half a second to import, and answering has no use for it

    interval = stats.bootstrap((figures,), np.mean, method="percentile", **_resampling(seed, rounds))
    return Mean(mean, float(interval.confidence_interval.low), float(interval.confidence_interval.high))


@dataclass(frozen=True)
class Difference:
    """The mean of ours less theirs over users.

    Attributes:
        mean: above 0 where ours is better.
        low, high: ends of the 95 % interval.
        p_value: two-sided, of no difference.
        n_users: who had a figure in both.
    """

    mean: float
    low: float
    high: float
    p_value: float
    n_users: int


def paired_difference(
    ours: NDArray[np.float64], theirs: NDArray[np.float64], *, seed: int, rounds: int = 2000
) -> Difference:
    """Compare figures of the same users.

    The interval is the percentile bootstrap over users (Efron 1979), the p-value that of
    the randomisation test which flips the signs of users' differences (Fisher 1935), as
    Smucker, Allan and Carterette (2007) advise for rankings.

    Args:
        ours, theirs: `(n_users,)` or `(n_runs, n_users)` float64, NaN where a user has no
            figure. A user's runs are averaged first: users are independent of each other,
            runs over the same users are not.
        seed: draws the resamples.
        rounds: how many of each.

    Raises:
        InvalidInput: if fewer than two users have both figures.
    """
    runs = np.atleast_2d(ours) - np.atleast_2d(theirs)
    differences = np.nanmean(runs[:, ~np.isnan(runs).all(axis=0)], axis=0)
    if len(differences) < 2:
        raise InvalidInput("two users or more must have both figures", got=len(differences))
    mean = float(differences.mean())
    if not differences.any():
        return Difference(0.0, 0.0, 0.0, 1.0, len(differences))
    interval = mean_with_interval(differences, seed=seed, rounds=rounds)
    drawn = _resampling(seed, rounds)
    from scipy import stats

    p_value = stats.permutation_test((differences,), np.mean, permutation_type="samples", **drawn).pvalue
    return Difference(mean, interval.low, interval.high, float(p_value), len(differences))


def _resampling(seed: int, rounds: int) -> dict[str, Any]:
    return {"n_resamples": rounds, "vectorized": True, "batch": 200, "random_state": seed}


def holm_corrected(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """p-values `(n,)` of n comparisons made at once, corrected for their number (Holm 1979)."""
    order = np.argsort(p_values)
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected
