"""Plays parted into those that are learnt from and those that are held out, and tracks parted by support.

Four ways: by random pairs, by tracks, each user's last track, and all that came after one
moment. To choose settings, split the training part again: what is held out there is the
validation part, and it shares no pair with the test.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hybridrec.data.interactions import support_of
from hybridrec.data.play_table import PlayTable
from hybridrec.errors import InvalidInput

SUPPORT_BUCKETS = {"0": (0, 0), "1-2": (1, 2), "3-7": (3, 7), "8-19": (8, 19), "20+": (20, sys.maxsize)}
"""The fewest and the most listeners, in the training part, of the tracks of each bucket."""


@dataclass(frozen=True)
class Split:
    """Two CSR matrices `(n_users, n_tracks)` float32 of the same plays, without a pair in common."""

    train: sp.csr_matrix
    held_out: sp.csr_matrix

    def buckets(self) -> dict[str, NDArray[np.int64]]:
        """The rows of the tracks in each support bucket, `(n,)` int64; support is counted in the training part."""
        support = support_of(self.train)
        return {
            name: np.flatnonzero((support >= fewest) & (support <= most))
            for name, (fewest, most) in SUPPORT_BUCKETS.items()
        }


def split_pairs(interactions: sp.csr_matrix, share: float = 0.2, *, seed: int) -> Split:
    """Hold out each pair of user and track with the probability `share`, above 0 and below 1.

    Raises:
        InvalidInput: if the share is out of range.
    """
    _require_share(share)
    return _split(interactions, np.random.default_rng(seed).random(interactions.nnz) < share)


def split_cold_tracks(interactions: sp.csr_matrix, share: float = 0.2, *, seed: int) -> Split:
    """Hold out all plays of a share of the tracks, above 0 and below 1, rounded to whole tracks.

    Raises:
        InvalidInput: if the share is out of range.
    """
    _require_share(share)
    n_tracks = interactions.shape[1]
    hidden = np.random.default_rng(seed).choice(n_tracks, size=round(share * n_tracks), replace=False)
    return _split(interactions, np.isin(interactions.indices, hidden))


def split_last(plays: PlayTable) -> Split:
    """Hold out the track that each user was the last to take up; the times alone decide.

    A user who played one track keeps it; one whose last tracks came at the same moment
    loses one of them.

    Raises:
        InvalidInput: if times are missing.
    """
    _require_times(plays)
    interactions = plays.interactions()
    users, moments = _first_times_of(interactions, plays)
    liked = interactions.data > 0
    several = np.bincount(users[liked], minlength=plays.shape[0]) > 1
    candidates = np.flatnonzero(liked & several[users])
    latest_last = candidates[np.lexsort((moments[candidates], users[candidates]))]
    ends = np.flatnonzero(np.diff(users[latest_last], append=-1))
    return _split(interactions, np.isin(np.arange(interactions.nnz), latest_last[ends]))


def split_by_time(plays: PlayTable, share: float = 0.2) -> Split:
    """Learn from all plays before one moment, and hold out what users took up from then on.

    Args:
        plays: with their times, which alone decide.
        share: of the plays that come at that moment or after it, above 0 and below 1. Later
            plays of a track that the user knew by then are left out of both parts.

    Raises:
        InvalidInput: if the share is out of range, or times are missing.
    """
    _require_share(share)
    _require_times(plays)
    moment = np.quantile(plays.played_at, 1.0 - share, method="higher")
    moment = moment if moment > plays.played_at.min() else np.nextafter(moment, np.inf)
    everything = plays.interactions()
    _, first = _first_times_of(everything, plays)
    return Split(plays.interactions(plays.played_at < moment), _split(everything, first >= moment).held_out)


def _first_times_of(interactions: sp.csr_matrix, plays: PlayTable) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """User row and first moment of each stored pair, `(nnz,)` each, in the order of storage."""
    users = np.repeat(np.arange(plays.shape[0]), np.diff(interactions.indptr))
    pairs, moments = plays.first_times()
    return users, moments[np.searchsorted(pairs, users * plays.shape[1] + interactions.indices)]


def _require_times(plays: PlayTable) -> None:
    if not plays.has_times:
        raise InvalidInput("these plays cannot be split by time: not all say when", fix="split them by pairs")


def _require_share(share: float) -> None:
    if not 0.0 < share < 1.0:
        raise InvalidInput("the share to hold out must be above 0 and below 1", got=share)


def _split(interactions: sp.csr_matrix, held_out: NDArray[np.bool_]) -> Split:
    pairs = interactions.tocoo()

    def part(chosen: NDArray[np.bool_]) -> sp.csr_matrix:
        return sp.csr_matrix((pairs.data[chosen], (pairs.row[chosen], pairs.col[chosen])), shape=pairs.shape)

    return Split(part(~held_out), part(held_out))
