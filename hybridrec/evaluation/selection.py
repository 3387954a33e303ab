"""Choosing among settings from validation figures, without believing in luck."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Figures = NDArray[np.float64]


def mean_over_folds(folds: Sequence[Figures]) -> Figures:
    """Users' figures `(n_users,)` averaged over the cuts in which they have one; NaN where they never do."""
    told = np.array(folds)
    known = ~np.isnan(told)
    means = np.full(told.shape[1], np.nan)
    np.divide(np.where(known, told, 0.0).sum(axis=0), known.sum(axis=0), out=means, where=known.any(axis=0))
    return means


def not_worse(figures: Figures, reference: Figures) -> bool:
    """Whether the mean is at most one standard error of the paired difference below that of the reference.

    This is the "one standard error rule" of Breiman, Friedman, Olshen and Stone (1984)
    for paired figures `(n_users,)`, NaN for users without one. Without a user it is True.
    """
    differences = figures - reference
    differences = differences[~np.isnan(differences)]
    if len(differences) == 0:
        return True
    error = differences.std(ddof=1) / np.sqrt(len(differences)) if len(differences) > 1 else 0.0
    return bool(differences.mean() >= -error)
