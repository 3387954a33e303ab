"""What one recommender is worth on held-out plays: hits by support, and how far it reaches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hybridrec.data.interactions import support_of
from hybridrec.data.splits import Split
from hybridrec.errors import InvalidInput
from hybridrec.evaluation.coverage import coverage, mean_popularity, novelty
from hybridrec.evaluation.metrics import Figures, Hits, hits_among, top_tracks

Rows = NDArray[np.int64]
Scorer = Callable[[Rows], NDArray[np.float32]]
"""From rows of users `(m,)` to scores `(m, n_tracks)`, -inf for what cannot be scored."""

ALL_TRACKS = "all"
USERS_AT_ONCE = 500


@dataclass(frozen=True)
class Quality:
    """Hits among all tracks, under the name `all`, and within each support bucket; and how far the rankings reach.

    The figure of a bucket is that of a ranking *within* the bucket: only its tracks
    are ranked, and only its held-out plays are wanted. In a ranking of everything,
    tracks that few have played almost never reach the first places, whoever ranks them:
    the figure would say how popular the bucket is, not how well its tracks are told apart.

    Attributes:
        hits: by bucket, each for the same users.
        coverage, novelty, mean_popularity: of the rankings of everything, see `evaluation.reach`.
    """

    hits: dict[str, Hits]
    coverage: float
    novelty: float
    mean_popularity: float

    def ndcg(self, bucket: str = ALL_TRACKS) -> Figures:
        """`(n_users,)` float64, NaN where a user had nothing to find."""
        return self.hits[bucket].ndcg()


def measure(score: Scorer, split: Split, users: Rows | None = None, k: int = 20, *, by_support: bool = True) -> Quality:
    """Rank for some users what they have not met in training, and look for what was held out.

    Args:
        score: the recommender, fitted to the training part.
        split: its positive held-out confidences are what is wanted.
        users: rows `(m,)`; None takes all who have something to find.
        k: places that count.
        by_support: also within each bucket.

    Raises:
        InvalidInput: if there are no such users.
    """
    buckets, support = split.buckets() if by_support else {}, support_of(split.train)
    hits: dict[str, list[Hits]] = {name: [] for name in (ALL_TRACKS, *buckets)}
    tops: list[Rows] = []
    for block in _blocks(wanting(split) if users is None else users):
        wanted = split.held_out[block].toarray() > 0
        unseen = np.where(split.train[block].toarray() != 0, np.float32(-np.inf), score(block))
        tops.append(top_tracks(unseen, k))
        hits[ALL_TRACKS].append(hits_among(tops[-1], wanted))
        for name, tracks in buckets.items():
            hits[name].append(hits_among(top_tracks(unseen[:, tracks], k), wanted[:, tracks]))
    top = np.concatenate(tops)
    return Quality(
        {name: _joined(parts) for name, parts in hits.items()},
        coverage(top, split.train.shape[1]),
        novelty(top, support, int(np.count_nonzero(np.diff(split.train.indptr)))),
        mean_popularity(top, support),
    )


def wanting(split: Split) -> Rows:
    """Rows of the users who have a held-out track to find, `(m,)` int64."""
    return np.flatnonzero(np.diff(sp.csr_matrix(split.held_out > 0).indptr))


def _blocks(users: Rows) -> Iterator[Rows]:
    if len(users) == 0:
        raise InvalidInput("no held-out play can be found by anybody", fix="more plays are needed, or another split")
    for start in range(0, len(users), USERS_AT_ONCE):
        yield users[start : start + USERS_AT_ONCE]


def _joined(parts: list[Hits]) -> Hits:
    return Hits(np.concatenate([part.places for part in parts]), np.concatenate([part.wanted for part in parts]))
