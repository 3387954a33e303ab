"""Catalogue coverage, novelty and popularity of recommendation lists (beyond-accuracy metrics)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hybridrec.data.arrays import Rows
from hybridrec.evaluation.metrics import NOTHING


def coverage(top: Rows, n_tracks: int) -> float:
    """Catalogue coverage: the share of tracks recommended to at least one user, 0 to 1.

    Args:
        top: `(n_users, k)` int64 rows of tracks, `NOTHING` where a list is shorter.
        n_tracks: number of tracks in the catalogue.
    """
    return len(np.unique(top[top != NOTHING])) / max(1, n_tracks)


def novelty(top: Rows, support: NDArray[np.int64], n_users: int) -> float:
    """Mean self-information of the recommended tracks, in bits (Vargas and Castells 2011).

    The self-information of a track is -log2 of the share of users who played it: 1 bit if half
    of the users did, about 10 bits if one in a thousand did. A cold track, whose information
    would be infinite, counts as played by one user.

    Args:
        top: `(m, k)` int64 rows of tracks, `NOTHING` where a list is shorter.
        support: `(n_tracks,)` int64, users per track in the training part.
        n_users: users with plays in the training part.

    Returns:
        Bits, or NaN if nothing is recommended.
    """
    users = np.maximum(support[top[top != NOTHING]], 1)
    return float(-np.log2(users / max(1, n_users)).mean()) if len(users) else float("nan")


def mean_popularity(top: Rows, support: NDArray[np.int64]) -> float:
    """Mean support of the recommended tracks, in users; NaN if nothing is recommended."""
    users = support[top[top != NOTHING]]
    return float(users.mean()) if len(users) else float("nan")
