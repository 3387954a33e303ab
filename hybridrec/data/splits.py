"""Splits of plays into a training and a held-out part, and of tracks into buckets by support.

Four kinds: random pairs, whole tracks, each user's last track, and everything after a point in
time. To choose settings, split the training part again: what is held out there is the validation
part, and it has no pair in common with the test part.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hybridrec.data.arrays import Mask, Rows
from hybridrec.data.interactions import support_of
from hybridrec.data.play_table import PlayTable
from hybridrec.errors import InvalidInput

SUPPORT_BUCKETS = {
    "0": (0, 0),
    "1-2": (1, 2),
    "3-7": (3, 7),
    "8-19": (8, 19),
    "20+": (20, sys.maxsize),
}
"""Fewest and most listeners in the training part of the tracks of each bucket."""


@dataclass(frozen=True)
class Split:
    """Two CSR matrices `(n_users, n_tracks)` float32 that have no pair in common."""

    train: sp.csr_matrix
    held_out: sp.csr_matrix

    def buckets(self) -> dict[str, Rows]:
        """Rows of the tracks in each bucket, `(n,)`; support is counted in the training part."""
        support = support_of(self.train)
        return {
            name: np.flatnonzero((support >= fewest) & (support <= most))
            for name, (fewest, most) in SUPPORT_BUCKETS.items()
        }


def split_pairs(interactions: sp.csr_matrix, share: float = 0.2, *, seed: int) -> Split:
    """Hold out each pair of user and track with probability `share`, above 0 and below 1.

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
    hidden = np.random.default_rng(seed).choice(
        n_tracks, size=round(share * n_tracks), replace=False
    )
    return _split(interactions, np.isin(interactions.indices, hidden))


def split_last(plays: PlayTable) -> Split:
    """Hold out, for each user, the track whose first play came last.

    A user with a single track keeps it; of several tracks first played at the same time, one is
    held out.

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
    """Train on all plays before a point in time; hold out what users first played after it.

    Args:
        plays: with their times.
        share: of the plays that come at that time or after it, above 0 and below 1. Later plays
            of a track that the user had played before are in neither part.

    Raises:
        InvalidInput: if the share is out of range, or times are missing.
    """
    _require_share(share)
    _require_times(plays)
    cutoff = np.quantile(plays.played_at, 1.0 - share, method="higher")
    if cutoff <= plays.played_at.min():  # the training part must not be empty
        cutoff = np.nextafter(cutoff, np.inf)
    all_plays = plays.interactions()
    _, first = _first_times_of(all_plays, plays)
    train = plays.interactions(plays.played_at < cutoff)
    return Split(train, _split(all_plays, first >= cutoff).held_out)


def _first_times_of(
    interactions: sp.csr_matrix, plays: PlayTable
) -> tuple[Rows, NDArray[np.float64]]:
    """User row and time of the first play of each stored pair, `(nnz,)` each, in storage order."""
    users = np.repeat(np.arange(plays.shape[0]), np.diff(interactions.indptr))
    pairs, moments = plays.first_times()
    return users, moments[np.searchsorted(pairs, users * plays.shape[1] + interactions.indices)]


def _require_times(plays: PlayTable) -> None:
    if not plays.has_times:
        what = "these plays cannot be split by time: some have no time"
        raise InvalidInput(what, fix="split them by pairs")


def _require_share(share: float) -> None:
    if not 0.0 < share < 1.0:
        what = "the share to hold out must be above 0 and below 1"
        raise InvalidInput(what, got=share)


def _split(interactions: sp.csr_matrix, held_out: Mask) -> Split:
    pairs = interactions.tocoo()

    def part(chosen: Mask) -> sp.csr_matrix:
        places = pairs.row[chosen], pairs.col[chosen]
        return sp.csr_matrix((pairs.data[chosen], places), shape=pairs.shape)

    return Split(part(~held_out), part(held_out))
