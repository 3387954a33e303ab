"""Evaluate one recommender on held-out plays: hits by item popularity bucket, coverage, novelty."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hybridrec.data.arrays import Rows
from hybridrec.data.interactions import support_of
from hybridrec.data.splits import Split
from hybridrec.errors import InvalidInput
from hybridrec.evaluation.coverage import coverage, mean_popularity, novelty
from hybridrec.evaluation.metrics import NOTHING, Figures, Hits, hits_among, top_tracks

Scorer = Callable[[Rows], NDArray[np.float32]]
"""From rows of users `(m,)` to scores `(m, n_tracks)` float32, -inf for tracks without a score."""

ALL_TRACKS = "all"
USERS_AT_ONCE = 500
"""Users per block; bounds the dense score matrix to `USERS_AT_ONCE x n_tracks`."""


@dataclass(frozen=True)
class Quality:
    """Hits among all tracks (bucket `all`) and within each item popularity bucket.

    The metric of a bucket is that of a ranking *within* the bucket: only its tracks are ranked,
    and only its held-out plays count. In a ranking of the whole catalogue, rarely played tracks
    almost never come first, whoever ranks them: the metric would say how popular the bucket is,
    not how well its tracks are ranked.

    Attributes:
        hits: by bucket, for the same users in the same order.
        coverage, novelty, mean_popularity: of the rankings of all tracks, see
            `evaluation.coverage`.
    """

    hits: dict[str, Hits]
    coverage: float
    novelty: float
    mean_popularity: float

    def ndcg(self, bucket: str = ALL_TRACKS) -> Figures:
        """NDCG `(n_users,)` float64, NaN for a user without held-out tracks in the bucket."""
        return self.hits[bucket].ndcg()


def measure(
    score: Scorer,
    split: Split,
    users: Rows | None = None,
    k: int = 20,
    *,
    by_support: bool = True,
) -> Quality:
    """Rank the tracks that users have not played in training, and look for the held-out ones.

    Equal scores are ranked at random, in the same way for every recommender: rows of tracks are
    often in the order of popularity or time, and ranking ties by row would let cold tracks, which
    all score alike for many recommenders, profit from it.

    Args:
        score: the recommender, fitted to the training part.
        split: positive held-out confidences are the tracks to find.
        users: rows `(m,)` int64; None takes all users with a held-out track.
        k: length of the rankings.
        by_support: whether to evaluate within each item popularity bucket as well.

    Raises:
        InvalidInput: if there are no such users.
    """
    buckets, support = _shuffled_buckets(split, by_support), support_of(split.train)
    hits: dict[str, list[Hits]] = {name: [] for name in buckets}
    tops: list[Rows] = []
    for block in _blocks(wanting(split) if users is None else users):
        # Skips are negative confidences: held out, they are nothing to find.
        wanted = split.held_out[block].toarray() > 0
        # Not only positive ones: a skipped track has been met as well.
        played = split.train[block].toarray() != 0
        unseen = np.where(played, np.float32(-np.inf), score(block))
        for name, tracks in buckets.items():
            within = top_tracks(unseen[:, tracks], k)
            hits[name].append(hits_among(within, wanted[:, tracks]))
            if name == ALL_TRACKS:
                tops.append(np.where(within == NOTHING, NOTHING, tracks[within]))
    top = np.concatenate(tops)
    return Quality(
        {name: _joined(parts) for name, parts in hits.items()},
        coverage(top, split.train.shape[1]),
        novelty(top, support, int(np.count_nonzero(np.diff(split.train.indptr)))),
        mean_popularity(top, support),
    )


def _shuffled_buckets(split: Split, by_support: bool) -> dict[str, Rows]:
    """Rows of the tracks of each bucket, `all` first, in a fixed random order."""
    # The seed is fixed, so that recommenders are compared on the same order of ties.
    buckets = {ALL_TRACKS: np.arange(split.train.shape[1])}
    if by_support:
        buckets |= split.buckets()
    return {name: np.random.default_rng(0).permutation(rows) for name, rows in buckets.items()}


def wanting(split: Split) -> Rows:
    """Rows of the users with a held-out track, `(m,)` int64, ascending."""
    return np.flatnonzero(np.diff(sp.csr_matrix(split.held_out > 0).indptr))


def _blocks(users: Rows) -> Iterator[Rows]:
    if len(users) == 0:
        raise InvalidInput(
            "no user has a held-out play to find",
            got="an empty held-out part",
            fix="ingest more plays, or choose another split",
        )
    for start in range(0, len(users), USERS_AT_ONCE):
        yield users[start : start + USERS_AT_ONCE]


def _joined(parts: list[Hits]) -> Hits:
    places = np.concatenate([part.places for part in parts])
    return Hits(places, np.concatenate([part.wanted for part in parts]))
