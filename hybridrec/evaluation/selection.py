"""Choosing between settings from validation metrics, allowing for their noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Figures = NDArray[np.float64]


def mean_over_folds(folds: Sequence[Figures]) -> Figures:
    """Mean of each user's metric over the folds in which the user has one.

    Args:
        folds: one array `(n_users,)` float64 per fold, NaN where a user has nothing held out.

    Returns:
        `(n_users,)` float64, NaN for users without a value in any fold.
    """
    values = np.array(folds)
    known = ~np.isnan(values)
    totals, counts = np.where(known, values, 0.0).sum(axis=0), known.sum(axis=0)
    means = np.full(values.shape[1], np.nan)
    # np.nanmean would warn about users without a value, who are expected here.
    np.divide(totals, counts, out=means, where=counts > 0)
    return means


def not_worse(figures: Figures, reference: Figures) -> bool:
    """Whether a mean is at most one standard error below the mean of the reference.

    This is the "one standard error rule" of Breiman, Friedman, Olshen and Stone (1984), with the
    standard error of the paired difference.

    Args:
        figures, reference: metrics of the same users, `(n_users,)` float64, NaN for users
            without a value.

    Returns:
        True if no user has both values: there is no evidence against the setting.
    """
    differences = figures - reference
    differences = differences[~np.isnan(differences)]
    if len(differences) == 0:
        return True
    n = len(differences)
    error = differences.std(ddof=1) / np.sqrt(n) if n > 1 else 0.0
    return bool(differences.mean() >= -error)
