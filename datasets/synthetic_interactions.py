"""A made-up catalogue of any size: listeners of a few tastes each, a few tracks that all know, many that few know.

It stands in for a large service where nobody hands out their plays: sizes and
times can be measured on it, the quality of recommendations can not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hybridrec.data.embeddings import unit_length
from hybridrec.data.interactions import build_interactions

GENRES_PER_STYLE = 20
GENRES_PER_USER = 4
STRAYING = 0.1
"""The share of plays that follow popularity alone, whatever the listener's tastes."""

POPULARITY_EXPONENT = 0.9
"""Of the power law between a track's rank within its genre and its plays."""


@dataclass(frozen=True)
class SyntheticInteractions:
    """Tracks, and who played them.

    Attributes:
        plays: CSR `(n_users, n_tracks)` float32 confidences.
        embeddings: `(n_tracks, d)` float32, unit length.
        genres: `(n_tracks,)` int64.
    """

    plays: sp.csr_matrix
    embeddings: NDArray[np.float32]
    genres: NDArray[np.int64]


def make_synthetic_interactions(
    n_tracks: int, n_users: int, plays_per_user: int, *, genres: int = 1000, dimensions: int = 128, seed: int = 0
) -> SyntheticInteractions:
    """Draw a catalogue and its plays.

    A genre is a Gaussian around a centre, the centres of a style lie around the centre
    of the style, and both have a few strong directions and many weak ones. A listener
    likes a few genres, in unequal shares, and plays their tracks by a power law.

    Args:
        n_tracks, n_users, plays_per_user: how many; repeated plays of a track are summed.
        genres: how many.
        dimensions: of the embeddings.
        seed: same seed, same crowd.
    """
    rng = np.random.default_rng(seed)
    genre_of = np.sort(rng.integers(genres, size=n_tracks))
    first = np.searchsorted(genre_of, np.arange(genres + 1))
    users = np.repeat(np.arange(n_users), plays_per_user)
    favourites = rng.integers(genres, size=(n_users, GENRES_PER_USER))
    shares = np.cumsum(rng.dirichlet(np.full(GENRES_PER_USER, 0.7), size=n_users), axis=1)
    which = (rng.random(len(users))[:, None] > shares[users]).sum(axis=1).clip(max=GENRES_PER_USER - 1)
    played = favourites[users, which]
    straying = rng.random(len(users)) < STRAYING
    played[straying] = rng.integers(genres, size=straying.sum())
    size = np.maximum(first[played + 1] - first[played], 1)
    tracks = np.minimum(first[played] + _power_law(rng, size), n_tracks - 1)
    matrix = build_interactions(users, tracks, np.ones(len(users)), (n_users, n_tracks))
    return SyntheticInteractions(matrix, _embeddings(rng, genre_of, genres, dimensions), genre_of)


def _power_law(rng: np.random.Generator, size: NDArray[np.int64]) -> NDArray[np.int64]:
    """A rank from 0 to each size, small ones far more often."""
    power = 1.0 - POPULARITY_EXPONENT
    drawn = (((size + 1.0) ** power - 1.0) * rng.random(len(size)) + 1.0) ** (1.0 / power)
    return drawn.astype(np.int64) - 1


def _embeddings(
    rng: np.random.Generator, genre_of: NDArray[np.int64], genres: int, dimensions: int
) -> NDArray[np.float32]:
    spread = (1.0 + np.arange(dimensions, dtype=np.float32)) ** -0.5
    styles = rng.normal(size=(genres // GENRES_PER_STYLE + 1, dimensions))
    centres = styles[np.arange(genres) // GENRES_PER_STYLE] + 0.7 * rng.normal(size=(genres, dimensions))
    sound = rng.standard_normal((len(genre_of), dimensions), dtype=np.float32)
    sound += centres[genre_of].astype(np.float32)
    return unit_length(sound * spread)
