"""The factors of tracks whose plays changed since the fit: of many tracks at once, from a bounded sample of plays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from hybridrec.collaborative.als import fold_in
from hybridrec.collaborative.leave_one_out import fold_in_without_each
from hybridrec.data.arrays import Array
from hybridrec.data.ids import IdMap
from hybridrec.data.interactions import build_interactions, confidence
from hybridrec.model.fitted_model import FittedModel
from hybridrec.storage.database import batches
from hybridrec.storage.library import Library

MOST_LISTENERS = 50
"""Users by whom one track is placed; where it has more, a fixed sample of them."""

MOST_PLAYED = 500
"""Tracks by which one of these users is known; where she played more, a fixed sample of them."""

USERS_AT_ONCE = 2000
"""Users whose plays are read with one statement."""


def factors_of(
    library: Library, fitted_model: FittedModel, track_ids: IdMap, ids: Sequence[str]
) -> Array:
    """Place tracks by their listeners, each as the rest of her plays tells her taste.

    Two statements, and one more for every `USERS_AT_ONCE` listeners; one solve over all tracks.

    Args:
        library: whose plays count.
        fitted: the model; only read.
        track_ids: of its rows.
        ids: the tracks.

    Returns:
        `(n, f)` float32 in the order of the ids; zero where nobody played.
    """
    pairs = library.listeners_of(ids, MOST_LISTENERS)
    places, users = IdMap(ids), sorted({user for _, user, _ in pairs})
    found = np.zeros((len(pairs), fitted_model.tracks.factors.shape[1]), dtype=np.float32)
    order = np.argsort([user for _, user, _ in pairs], kind="stable")
    starts = np.searchsorted(
        np.array([pairs[pair][1] for pair in order.tolist()]), [*users, np.inf]
    )
    for first, block in zip(
        range(0, len(users), USERS_AT_ONCE), batches(users, USERS_AT_ONCE), strict=True
    ):
        some = order[starts[first] : starts[first + len(block)]]
        found[some] = _listeners(
            library, fitted_model, track_ids, block, [pairs[pair] for pair in some.tolist()]
        )
    weights = confidence(np.array([weight for _, _, weight in pairs], dtype=np.float64))
    rows = np.array([places.row(id_) for id_, _, _ in pairs], dtype=np.int64)
    listeners = sp.csr_matrix(
        (weights, (rows, np.arange(len(pairs)))), shape=(len(ids), len(pairs))
    )
    return fold_in(listeners, found, fitted_model.user_gram, fitted_model.collaborative)


def _listeners(
    library: Library,
    fitted_model: FittedModel,
    track_ids: IdMap,
    users: list[int],
    pairs: list[tuple[str, int, float]],
) -> Array:
    """The factors of each pair's user without her play of its track, `(pairs, f)`; pairs come ordered by user."""
    tracks = fitted_model.tracks
    users_of = {user: place for place, user in enumerate(users)}
    told = [
        (users_of[user], row, weight)
        for user, id_, weight in library.tracks_of(users, MOST_PLAYED)
        if weight and (row := track_ids.get(id_)) is not None and row < len(tracks)
    ]
    named = [(users_of[user], track_ids.row(id_)) for id_, user, _ in pairs]
    rows = np.array([row for _, row, _ in told] + [row for _, row in named], dtype=np.int64)
    known, columns = np.unique(rows, return_inverse=True)
    scorable = tracks.comparable(audio=True, behaviour=True, rows=known)[columns[: len(told)]]
    owners = np.array([user for user, _, _ in told], dtype=np.int64)[scorable]
    weights = np.array([weight for _, _, weight in told], dtype=np.float64)[scorable]
    shape = (len(users), len(known))
    plays = build_interactions(owners, columns[: len(told)][scorable], weights, shape)
    starts = np.searchsorted([user for user, _ in named], np.arange(len(users) + 1))
    ones = np.ones(len(named), dtype=np.float32)
    left_out = sp.csr_matrix((ones, columns[len(told) :], starts), shape=shape)
    factors = tracks.factors[known].astype(np.float32)
    return fold_in_without_each(plays, left_out, factors, tracks.gram, fitted_model.collaborative)
