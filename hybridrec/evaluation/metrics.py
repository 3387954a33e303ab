"""How well held-out plays are ranked, user by user."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Figures = NDArray[np.float64]
Rows = NDArray[np.int64]

NOTHING = -1
"""Stands in a ranking where no further track can be scored."""


@dataclass(frozen=True)
class Hits:
    """Where the tracks that a user went on to play stand in her ranking.

    Each figure below is `(n_users,)` float64 in 0..1, NaN for a user without anything to find.

    Attributes:
        places: `(n_users, k)` bool, best place first: whether a held-out track stands there.
        wanted: `(n_users,)` int64, how many held-out tracks there were to find.
    """

    places: NDArray[np.bool_]
    wanted: NDArray[np.int64]

    def ndcg(self) -> Figures:
        """Normalised discounted cumulative gain (Jarvelin and Kekalainen 2002), every held-out track worth 1."""
        discounts = 1.0 / np.log2(np.arange(2, self.places.shape[1] + 2))
        best = np.concatenate([[0.0], np.cumsum(discounts)])[np.minimum(self.wanted, len(discounts))]
        return self._where_wanted(self.places @ discounts, best)

    def recall(self) -> Figures:
        """The share of the held-out tracks that stand in the first k places."""
        return self._where_wanted(self.places.sum(axis=1), self.wanted)

    def average_precision(self) -> Figures:
        """Precision at each hit among the first k places, averaged over all that was to be found; its mean is MAP@k."""
        ranks = np.arange(1, self.places.shape[1] + 1)
        precision = np.cumsum(self.places, axis=1) / ranks
        return self._where_wanted((precision * self.places).sum(axis=1), self.wanted)

    def reciprocal_rank(self) -> Figures:
        """1 / the place of the first hit, 0 if none is among the first k; its mean is MRR."""
        ranks = np.arange(1, self.places.shape[1] + 1)
        return self._where_wanted((self.places / ranks).max(axis=1, initial=0.0), self.wanted > 0)

    def hit_rate(self) -> Figures:
        """1 if any held-out track stands in the first k places, else 0."""
        return self._where_wanted(self.places.any(axis=1), self.wanted > 0)

    def _where_wanted(self, found: ArrayLike, best: ArrayLike) -> Figures:
        figures = np.full(len(self.wanted), np.nan)
        np.divide(found, best, out=figures, where=self.wanted > 0)
        return figures


def top_tracks(scores: NDArray[np.float32], k: int) -> Rows:
    """The tracks of the highest scores, best first.

    Args:
        scores: `(n_users, n_tracks)` float32; -inf for what must not be ranked. Equal
            scores are ordered arbitrarily, but every time alike.
        k: how many; at most n_tracks are given.

    Returns:
        `(n_users, k)` int64 rows of tracks, `NOTHING` where no more can be ranked.
    """
    k = min(k, scores.shape[1])
    top = np.argpartition(-scores, k - 1, axis=1)[:, :k] if k else np.zeros((len(scores), 0), dtype=np.int64)
    top_scores = np.take_along_axis(scores, top, axis=1)
    order = np.argsort(-top_scores, axis=1, kind="stable")
    ranked = np.where(np.isfinite(top_scores), top, NOTHING)
    return np.take_along_axis(ranked, order, axis=1)


def hits_among(top: Rows, wanted: NDArray[np.bool_]) -> Hits:
    """Mark what was to be found in rankings `(n_users, k)`, `wanted` being `(n_users, n_tracks)` bool."""
    places = np.take_along_axis(wanted, np.maximum(top, 0), axis=1) & (top != NOTHING)
    return Hits(places, wanted.sum(axis=1))
