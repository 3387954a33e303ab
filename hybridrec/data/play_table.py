"""Plays as columns, with their times: what splits by time are made from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hybridrec.data.interactions import build_interactions


@dataclass(frozen=True)
class PlayTable:
    """Who played what, when, and how much it counts.

    Attributes:
        user_rows, track_rows: `(n_plays,)` int64.
        played_at: `(n_plays,)` float64, UTC in seconds since 1970; NaN where that is unknown.
        weights: `(n_plays,)` float64, signed.
        shape: `(n_users, n_tracks)`.
    """

    user_rows: NDArray[np.int64]
    track_rows: NDArray[np.int64]
    played_at: NDArray[np.float64]
    weights: NDArray[np.float64]
    shape: tuple[int, int]

    @property
    def has_times(self) -> bool:
        """Whether the time of every play is known, and they are not all the same."""
        return len(self.played_at) > 0 and bool(np.ptp(self.played_at) > 0)

    def interactions(self, chosen: NDArray[np.bool_] | None = None) -> sp.csr_matrix:
        """The plays summed up, CSR `(n_users, n_tracks)` float32 confidences.

        Args:
            chosen: `(n_plays,)` bool, which plays count; None takes all.
        """
        rows = slice(None) if chosen is None else chosen
        return build_interactions(self.user_rows[rows], self.track_rows[rows], self.weights[rows], self.shape)

    def first_times(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """When each user first met each of her tracks.

        Returns:
            pairs: `(n_pairs,)` int64, user row * n_tracks + track row, ascending.
            moments: `(n_pairs,)` float64, the earliest `played_at` of each.
        """
        pairs, of_pair = np.unique(self.user_rows * self.shape[1] + self.track_rows, return_inverse=True)
        moments = np.full(len(pairs), np.inf)
        np.minimum.at(moments, of_pair, self.played_at)
        return pairs, moments
