"""Ranking metrics at k, user by user.

Own code, checked against trec_eval in the tests: trec_eval and its bindings need a dictionary entry
per user and track, which is far slower than these array operations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hybridrec.data.arrays import Rows
from hybridrec.data.top_k import top_k

Figures = NDArray[np.float64]

NOTHING = -1
"""Fills a ranking where no further track can be scored."""


@dataclass(frozen=True)
class Hits:
    """The ranks at which the held-out tracks of each user appear.

    Each metric below is `(n_users,)` float64 in 0..1, NaN for a user without held-out tracks.

    Attributes:
        places: `(n_users, k)` bool, best rank first: whether a held-out track has that rank.
        wanted: `(n_users,)` int64, number of held-out tracks.
    """

    places: NDArray[np.bool_]
    wanted: NDArray[np.int64]

    def ndcg(self) -> Figures:
        """Normalised discounted cumulative gain (Jarvelin and Kekalainen 2002), binary gains."""
        discounts = 1.0 / np.log2(np.arange(2, self.places.shape[1] + 2))
        # ideal[n]: n relevant tracks ranked first, of which at most k count.
        ideal = np.concatenate([[0.0], np.cumsum(discounts)])
        best = ideal[np.minimum(self.wanted, len(discounts))]
        return self._where_wanted(self.places @ discounts, best)

    def recall(self) -> Figures:
        """The share of the held-out tracks that are among the first k."""
        return self._where_wanted(self.places.sum(axis=1), self.wanted)

    def average_precision(self) -> Figures:
        """Sum of the precision at each hit in the first k, over the held-out count; mean: MAP@k."""
        ranks = np.arange(1, self.places.shape[1] + 1)
        precision = np.cumsum(self.places, axis=1) / ranks
        return self._where_wanted((precision * self.places).sum(axis=1), self.wanted)

    def reciprocal_rank(self) -> Figures:
        """1 / rank of the first hit, 0 if there is none in the first k; its mean is MRR@k."""
        ranks = np.arange(1, self.places.shape[1] + 1)
        return self._where_wanted((self.places / ranks).max(axis=1, initial=0.0), self.wanted > 0)

    def hit_rate(self) -> Figures:
        """1 if any held-out track is among the first k, else 0."""
        return self._where_wanted(self.places.any(axis=1), self.wanted > 0)

    def _where_wanted(self, found: ArrayLike, best: ArrayLike) -> Figures:
        # NaN and not 0: a user without held-out tracks must not lower the mean.
        figures = np.full(len(self.wanted), np.nan)
        np.divide(found, best, out=figures, where=self.wanted > 0)
        return figures


def top_tracks(scores: NDArray[np.float32], k: int) -> Rows:
    """The tracks with the highest scores, best first; equal scores are ordered by row.

    Args:
        scores: `(n_users, n_tracks)` float32; -inf for tracks that must not be ranked.
        k: length of the rankings; at most n_tracks are returned.

    Returns:
        `(n_users, min(k, n_tracks))` int64 rows of tracks, `NOTHING` where no more can be ranked.
    """
    tracks, found = top_k(scores, k)
    return np.where(np.isfinite(found), tracks, NOTHING)


def hits_among(top: Rows, wanted: NDArray[np.bool_]) -> Hits:
    """Mark the held-out tracks in rankings.

    Args:
        top: `(n_users, k)` int64 rows of tracks or `NOTHING`, from `top_tracks`.
        wanted: `(n_users, n_tracks)` bool, the held-out tracks.
    """
    # NOTHING is -1 and would look up the last track, so it is masked out afterwards.
    places = np.take_along_axis(wanted, np.maximum(top, 0), axis=1) & (top != NOTHING)
    return Hits(places, wanted.sum(axis=1))
