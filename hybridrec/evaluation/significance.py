"""Confidence intervals and paired significance tests over users or queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybridrec.errors import InvalidInput


@dataclass(frozen=True)
class Mean:
    """A mean over users or queries, with the ends of its 95 % confidence interval."""

    mean: float
    low: float
    high: float


def mean_with_interval(figures: NDArray[np.float64], *, seed: int, rounds: int = 2000) -> Mean:
    """The mean with its percentile bootstrap interval (Efron 1979).

    Args:
        figures: `(n,)` float64, one per user or query, without NaN.
        seed: of the resampling.
        rounds: number of resamples.

    Raises:
        InvalidInput: if there are fewer than two values.
    """
    if len(figures) < 2:
        raise InvalidInput(
            "a confidence interval needs two values or more",
            got=len(figures),
            fix="evaluate on more users or queries",
        )
    mean = float(figures.mean())
    if np.ptp(figures) == 0:  # SciPy warns about a degenerate distribution
        return Mean(mean, mean, mean)
    from scipy import stats  # takes half a second to import, and serving never needs it

    drawn = _resampling(seed, rounds)
    interval = stats.bootstrap((figures,), np.mean, method="percentile", **drawn)
    low, high = interval.confidence_interval
    return Mean(mean, float(low), float(high))


@dataclass(frozen=True)
class Difference:
    """The mean paired difference, ours - theirs.

    Attributes:
        mean: above 0 where ours is better.
        low, high: ends of the 95 % confidence interval.
        p_value: two-sided, under the hypothesis of no difference.
        n_users: users (or queries) with a value in both.
    """

    mean: float
    low: float
    high: float
    p_value: float
    n_users: int


def paired_difference(
    ours: NDArray[np.float64], theirs: NDArray[np.float64], *, seed: int, rounds: int = 2000
) -> Difference:
    """Compare a metric of two rankings over the same users.

    The interval is the percentile bootstrap over users (Efron 1979). The p-value is that of the
    randomisation test that flips the signs of the users' differences (Fisher 1935), as Smucker,
    Allan and Carterette (2007) recommend for rankings.

    Args:
        ours, theirs: `(n_users,)` or `(n_runs, n_users)` float64, NaN where a user has no
            value. The runs of a user are averaged first: users are independent of each other,
            runs over the same users are not.
        seed: of the resampling.
        rounds: number of resamples, for the interval and for the test.

    Raises:
        InvalidInput: if fewer than two users have both values.
    """
    runs = np.atleast_2d(ours) - np.atleast_2d(theirs)
    differences = np.nanmean(runs[:, ~np.isnan(runs).all(axis=0)], axis=0)
    if len(differences) < 2:
        raise InvalidInput(
            "a paired comparison needs two users or more with both values",
            got=len(differences),
            fix="evaluate on more users or queries",
        )
    mean = float(differences.mean())
    if not differences.any():
        return Difference(0.0, 0.0, 0.0, 1.0, len(differences))
    interval = mean_with_interval(differences, seed=seed, rounds=rounds)
    drawn = _resampling(seed, rounds)
    from scipy import stats

    test = stats.permutation_test((differences,), np.mean, permutation_type="samples", **drawn)
    return Difference(mean, interval.low, interval.high, float(test.pvalue), len(differences))


def _resampling(seed: int, rounds: int) -> dict[str, Any]:
    # Batches bound the memory: all resamples at once would be a matrix of rounds x users.
    return {"n_resamples": rounds, "vectorized": True, "batch": 200, "random_state": seed}


def holm_corrected(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjust the p-values `(n,)` of n simultaneous comparisons (Holm 1979)."""
    order = np.argsort(p_values)
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected
