"""How far recommendations reach into the catalogue: beyond being right, are they ever anything but the same hits?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hybridrec.evaluation.metrics import NOTHING

Rows = NDArray[np.int64]


def coverage(top: Rows, n_tracks: int) -> float:
    """The share of the catalogue that stands in anybody's ranking, 0 to 1.

    Args:
        top: `(n_users, k)` rows of tracks, `NOTHING` where there is none.
        n_tracks: size of the catalogue.
    """
    return len(np.unique(top[top != NOTHING])) / max(1, n_tracks)


def novelty(top: Rows, support: NDArray[np.int64], n_users: int) -> float:
    """Mean self-information of the recommended tracks in bits (Vargas and Castells 2011): -log2 of a track's share.

    A track that half of all users play brings 1 bit, one that a thousandth plays about 10.
    A cold track counts as if one user had played it.

    Args:
        top: `(m, k)` rows of tracks, `NOTHING` where there is none.
        support: `(n_tracks,)` int64 in the training part.
        n_users: how many there are in the training part.
    """
    listeners = np.maximum(support[top[top != NOTHING]], 1)
    return float(-np.log2(listeners / max(1, n_users)).mean()) if len(listeners) else float("nan")


def mean_popularity(top: Rows, support: NDArray[np.int64]) -> float:
    """Mean support of the recommended tracks, in listeners; NaN where nothing is recommended."""
    listeners = support[top[top != NOTHING]]
    return float(listeners.mean()) if len(listeners) else float("nan")
