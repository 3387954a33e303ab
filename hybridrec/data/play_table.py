"""Plays as columns, with their times, from which splits by time are made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hybridrec.data.arrays import Mask, Rows
from hybridrec.data.interactions import build_interactions


@dataclass(frozen=True)
class PlayTable:
    """User, track, time and weight of each play.

    Attributes:
        user_rows, track_rows: `(n_plays,)` int64.
        played_at: `(n_plays,)` float64, UTC, in seconds since 1970; NaN where unknown.
        weights: `(n_plays,)` float64, signed.
        shape: `(n_users, n_tracks)`.
    """

    user_rows: Rows
    track_rows: Rows
    played_at: NDArray[np.float64]
    weights: NDArray[np.float64]
    shape: tuple[int, int]

    @property
    def has_times(self) -> bool:
        """Whether the time of every play is known, and not all are the same."""
        return len(self.played_at) > 0 and bool(np.ptp(self.played_at) > 0)

    def interactions(self, chosen: Mask | None = None) -> sp.csr_matrix:
        """The plays summed by pair, CSR `(n_users, n_tracks)` float32 confidences.

        Args:
            chosen: `(n_plays,)` bool, which plays count; None: all.
        """
        rows = slice(None) if chosen is None else chosen
        users, tracks = self.user_rows[rows], self.track_rows[rows]
        return build_interactions(users, tracks, self.weights[rows], self.shape)

    def first_times(self) -> tuple[Rows, NDArray[np.float64]]:
        """When each user first played each track.

        Returns:
            pairs: `(n_pairs,)` int64, user row * n_tracks + track row, ascending.
            moments: `(n_pairs,)` float64, the earliest `played_at` of each.
        """
        keys = self.user_rows * self.shape[1] + self.track_rows
        pairs, of_pair = np.unique(keys, return_inverse=True)
        moments = np.full(len(pairs), np.inf)
        np.minimum.at(moments, of_pair, self.played_at)
        return pairs, moments
