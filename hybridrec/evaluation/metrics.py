"""How well held-out plays are ranked, user by user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

Figures = NDArray[np.float64]

ALL_TRACKS = "all"


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

    def hit_rate(self) -> Figures:
        """1 if any held-out track stands in the first k places, else 0."""
        return self._where_wanted(self.places.any(axis=1), self.wanted > 0)

    def _where_wanted(self, found: ArrayLike, best: ArrayLike) -> Figures:
        figures = np.full(len(self.wanted), np.nan)
        np.divide(found, best, out=figures, where=self.wanted > 0)
        return figures


def hits_at_k(scores: NDArray[np.float32], wanted: NDArray[np.bool_], k: int) -> Hits:
    """Rank by score and mark what was to be found.

    Args:
        scores: `(n_users, n_tracks)` float32; -inf for what must not be ranked. Equal
            scores are ordered arbitrarily, but every time alike.
        wanted: `(n_users, n_tracks)` bool, the held-out tracks.
        k: places of the ranking that count; at most n_tracks are used.
    """
    k = min(k, scores.shape[1])
    top = np.argpartition(-scores, k - 1, axis=1)[:, :k] if k else np.zeros((len(scores), 0), dtype=np.int64)
    top_scores = np.take_along_axis(scores, top, axis=1)
    order = np.argsort(-top_scores, axis=1, kind="stable")
    ranked = np.take_along_axis(wanted, top, axis=1) & np.isfinite(top_scores)
    return Hits(np.take_along_axis(ranked, order, axis=1), wanted.sum(axis=1))


def hits_by_bucket(
    scores: NDArray[np.float32],
    train: sp.csr_matrix,
    held_out: sp.csr_matrix,
    buckets: Mapping[str, NDArray[np.int64]],
    k: int = 20,
) -> dict[str, Hits]:
    """Hits among all tracks, under the name `all`, and among those of each bucket.

    The figure of a bucket is that of a ranking *within* the bucket: only its tracks
    are ranked, and only its held-out plays are wanted. In a ranking of everything,
    tracks that few have played almost never reach the first places, whoever ranks them:
    the figure would say how popular the bucket is, not how well its tracks are told apart.

    Args:
        scores: `(n_users, n_tracks)` float32, -inf for what cannot be scored.
        train: CSR `(n_users, n_tracks)`, what users are known to have met; it is not ranked.
        held_out: CSR `(n_users, n_tracks)`; its positive confidences are what is wanted.
        buckets: rows of tracks, `(n,)` int64, by name.
        k: places that count.
    """
    unseen = np.where(train.toarray() != 0, np.float32(-np.inf), scores)
    wanted = held_out.toarray() > 0
    within = {name: hits_at_k(unseen[:, rows], wanted[:, rows], k) for name, rows in buckets.items()}
    return {ALL_TRACKS: hits_at_k(unseen, wanted, k), **within}
