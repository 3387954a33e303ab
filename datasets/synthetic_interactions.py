"""Synthetic interactions of any size: users with a few favourite genres, skewed popularity.

They stand in for the plays of a large service, which are not public. Sizes and times can be
measured on them; the quality of recommendations cannot.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from hybridrec.data.arrays import Array, Rows
from hybridrec.data.embeddings import unit_length
from hybridrec.data.interactions import build_interactions

GENRES_PER_STYLE = 20
GENRES_PER_USER = 4
STRAYING = 0.1
"""The share of plays outside the user's favourite genres."""

POPULARITY_EXPONENT = 0.9
"""Of the power law between the plays of a track and its rank within its genre."""


@dataclass(frozen=True)
class SyntheticInteractions:
    """Plays and embeddings of a synthetic catalogue.

    Attributes:
        plays: CSR `(n_users, n_tracks)` float32 confidences.
        embeddings: `(n_tracks, d)` float32, unit length.
        genres: `(n_tracks,)` int64.
    """

    plays: sp.csr_matrix
    embeddings: Array
    genres: Rows


def make_synthetic_interactions(
    n_tracks: int,
    n_users: int,
    plays_per_user: int,
    *,
    genres: int = 1000,
    dimensions: int = 128,
    seed: int = 0,
) -> SyntheticInteractions:
    """Draw a catalogue and its plays.

    A genre is a Gaussian around a centre, the centres of a style are a Gaussian around the centre
    of the style, and both vary strongly in a few directions and weakly in many. A user plays a
    few genres, in unequal shares, and their tracks by a power law.

    Args:
        n_tracks, n_users, plays_per_user: how many; repeated plays of a track are summed.
        genres: how many.
        dimensions: of the embeddings.
        seed: same seed, same catalogue and plays.
    """
    rng = np.random.default_rng(seed)
    genre_of = np.sort(rng.integers(genres, size=n_tracks))
    first_track = np.searchsorted(genre_of, np.arange(genres + 1))
    users = np.repeat(np.arange(n_users), plays_per_user)
    played = _genres_played(rng, users, n_users, genres)
    size = np.maximum(first_track[played + 1] - first_track[played], 1)
    tracks = np.minimum(first_track[played] + _power_law(rng, size), n_tracks - 1)
    matrix = build_interactions(users, tracks, np.ones(len(users)), (n_users, n_tracks))
    return SyntheticInteractions(matrix, _embeddings(rng, genre_of, genres, dimensions), genre_of)


def _genres_played(rng: np.random.Generator, users: Rows, n_users: int, genres: int) -> Rows:
    """The genre of each play, `(n_plays,)` int64, given its user."""
    favourites = rng.integers(genres, size=(n_users, GENRES_PER_USER))
    shares = np.cumsum(rng.dirichlet(np.full(GENRES_PER_USER, 0.7), size=n_users), axis=1)
    which = (rng.random(len(users))[:, None] > shares[users]).sum(axis=1)
    played = favourites[users, which.clip(max=GENRES_PER_USER - 1)]
    straying = rng.random(len(users)) < STRAYING
    played[straying] = rng.integers(genres, size=straying.sum())
    return np.asarray(played, dtype=np.int64)


def _power_law(rng: np.random.Generator, size: Rows) -> Rows:
    """A rank from 0 to below each size, `(n_plays,)`, by a power law."""
    power = 1.0 - POPULARITY_EXPONENT
    drawn = (((size + 1.0) ** power - 1.0) * rng.random(len(size)) + 1.0) ** (1.0 / power)
    return drawn.astype(np.int64) - 1


def _embeddings(rng: np.random.Generator, genre_of: Rows, genres: int, dimensions: int) -> Array:
    spread = (1.0 + np.arange(dimensions, dtype=np.float32)) ** -0.5
    styles = rng.normal(size=(genres // GENRES_PER_STYLE + 1, dimensions))
    centres = styles[np.arange(genres) // GENRES_PER_STYLE]
    centres = centres + 0.7 * rng.normal(size=(genres, dimensions))
    vectors = rng.standard_normal((len(genre_of), dimensions), dtype=np.float32)
    vectors += centres[genre_of].astype(np.float32)
    return unit_length(vectors * spread)
