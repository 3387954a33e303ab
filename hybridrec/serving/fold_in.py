"""Factors of tracks whose plays changed since the fit, from a bounded sample of those plays.

A track's factors are folded in from the factors of its listeners, and a listener's factors
from the tracks they played, except the track itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hybridrec.collaborative.als import fold_in
from hybridrec.collaborative.leave_one_out import fold_in_without_each
from hybridrec.data.arrays import Array, Rows
from hybridrec.data.ids import IdMap
from hybridrec.data.interactions import build_interactions, confidence
from hybridrec.model.fitted_model import FittedModel
from hybridrec.storage.library import Library

MAX_LISTENERS = 50
"""Listeners that one track is folded in from; where it has more, a fixed sample of them."""

MAX_PLAYED = 500
"""Tracks that one of these listeners is folded in from; where they played more, a fixed sample."""

USERS_PER_STATEMENT = 2000
"""Users whose plays are read with one statement."""


@dataclass(frozen=True)
class _Pairs:
    """Pairs of a track and one of its listeners, in the order of the listeners.

    Attributes:
        tracks: `(n,)` ids of the tracks.
        users: `(n,)` int64 keys of the listeners, ascending.
        weights: `(n,)` float64, the listener's summed signed weight for the track.
    """

    tracks: list[str]
    users: Rows
    weights: NDArray[np.float64]

    def __getitem__(self, which: slice) -> _Pairs:
        return _Pairs(self.tracks[which], self.users[which], self.weights[which])


def fold_in_tracks(
    library: Library, fitted_model: FittedModel, track_ids: IdMap, ids: Sequence[str]
) -> Array:
    """Fold tracks in from their listeners, each known by the other tracks they played.

    Sends two statements, and one more for every `USERS_PER_STATEMENT` listeners; solves once for
    all tracks.

    Args:
        library: holds the plays.
        fitted_model: only read.
        track_ids: ids of the model's rows.
        ids: the tracks.

    Returns:
        `(n, f)` float32 in the order of the ids; zero for a track that nobody played.
    """
    pairs = _listeners_of(library, ids)
    n_factors = fitted_model.tracks.factors.shape[1]
    factors = np.zeros((len(pairs.tracks), n_factors), dtype=np.float32)
    for block in _blocks(pairs.users):
        factors[block] = _listener_factors(library, fitted_model, track_ids, pairs[block])
    rows = IdMap(ids).rows(pairs.tracks)
    # A column for each pair, not each user: whoever played two tracks has other factors for each.
    columns = np.arange(len(rows))
    shape = (len(ids), len(rows))
    listeners = sp.csr_matrix((confidence(pairs.weights), (rows, columns)), shape=shape)
    return fold_in(listeners, factors, fitted_model.user_gram, fitted_model.collaborative)


def _listeners_of(library: Library, ids: Sequence[str]) -> _Pairs:
    pairs = sorted(library.listeners_of(ids, MAX_LISTENERS), key=lambda pair: pair[1])
    users = np.array([user for _, user, _ in pairs], dtype=np.int64)
    weights = np.array([weight for _, _, weight in pairs], dtype=np.float64)
    return _Pairs([id_ for id_, _, _ in pairs], users, weights)


def _blocks(users: Rows) -> Iterator[slice]:
    """Slices of ascending user keys, each of at most `USERS_PER_STATEMENT` different users."""
    _, starts = np.unique(users, return_index=True)
    bounds = [*starts[::USERS_PER_STATEMENT].tolist(), len(users)]
    yield from (slice(start, end) for start, end in pairwise(bounds))


def _listener_factors(
    library: Library, fitted_model: FittedModel, track_ids: IdMap, pairs: _Pairs
) -> Array:
    """The factors of each pair's listener without the plays of the pair's track, `(n, f)`."""
    tracks = fitted_model.tracks
    users, owners = np.unique(pairs.users, return_inverse=True)
    listeners, played, weights = _played_by(library, fitted_model, track_ids, users)
    # Only the tracks that occur become columns: a catalogue may be mapped from disk.
    every_row = np.concatenate([played, track_ids.rows(pairs.tracks)])
    rows, columns = np.unique(every_row, return_inverse=True)
    shape = (len(users), len(rows))
    plays = build_interactions(listeners, columns[: len(played)], weights, shape)
    ones = np.ones(len(owners), dtype=np.float32)
    # `owners` ascends, so that the pairs are the rows of a CSR matrix in order.
    starts = np.searchsorted(owners, np.arange(len(users) + 1))
    left_out = sp.csr_matrix((ones, columns[len(played) :], starts), shape=shape)
    factors = tracks.factors[rows].astype(np.float32)
    return fold_in_without_each(plays, left_out, factors, tracks.gram, fitted_model.collaborative)


def _played_by(
    library: Library, fitted_model: FittedModel, track_ids: IdMap, users: Rows
) -> tuple[Rows, Rows, NDArray[np.float64]]:
    """Plays of users as positions among the users, rows of the model and weights, `(n,)` each."""
    tracks, positions = fitted_model.tracks, {user: n for n, user in enumerate(users.tolist())}
    plays = [
        (positions[user], row, weight)
        for user, id_, weight in library.tracks_of(users.tolist(), MAX_PLAYED)
        if weight and (row := track_ids.get(id_)) is not None and row < len(tracks)
    ]
    listeners = np.array([position for position, _, _ in plays], dtype=np.int64)
    rows = np.array([row for _, row, _ in plays], dtype=np.int64)
    weights = np.array([weight for _, _, weight in plays], dtype=np.float64)
    scorable = tracks.comparable(audio=True, behaviour=True, rows=rows)
    return listeners[scorable], rows[scorable], weights[scorable]
