"""What the tracks are ranked for: a user or a seed song, both scored through one interface."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from hybridrec.blend.calibration import CosineCalibration
from hybridrec.blend.tracks import BlendedTracks, RowsOrSlice, ScoreComponents
from hybridrec.blend.weighting import (
    ItemVectors,
    UserVectors,
    behaviour_trust,
    seed_query_vectors,
    user_query_vectors,
)
from hybridrec.data.arrays import Array, Mask


class Queries(Protocol):
    """Several queries of one kind: users or seed songs."""

    @property
    def kinds(self) -> Mask:
        """`(m, 2)` bool: whether audio is known of each query, and whether behaviour is."""

    @property
    def audio_weights(self) -> Array:
        """`(m,)` float32 in 0..1: the audio weight of a track with very many listeners."""

    def take(self, which: slice) -> Queries:
        """A slice of the queries."""

    def components(self, tracks: BlendedTracks, rows: RowsOrSlice) -> ScoreComponents:
        """The scores of rows for each query, `(m, n)`, by component."""

    def vectors(self) -> Array:
        """`(m, d)` float32, to search an index with."""


@dataclass(frozen=True)
class UserQueries:
    """Queries for what users should listen to next.

    Attributes:
        user_vectors: of m users.
        audio_weight: as asked for, 0 to 1.
    """

    user_vectors: UserVectors
    audio_weight: float

    @cached_property
    def kinds(self) -> Mask:
        """See `Queries`."""
        return np.column_stack([self.user_vectors.knows_audio, self.user_vectors.knows_behaviour])

    @property
    def audio_weights(self) -> Array:
        """See `Queries`."""
        return self.user_vectors.audio_weights(self.audio_weight)

    def take(self, which: slice) -> UserQueries:
        """See `Queries`."""
        return UserQueries(self.user_vectors.take(which), self.audio_weight)

    def components(self, tracks: BlendedTracks, rows: RowsOrSlice) -> ScoreComponents:
        """See `Queries`."""
        return tracks.user_components(self.user_vectors, self.audio_weight, rows)

    def vectors(self) -> Array:
        """See `Queries`."""
        return user_query_vectors(self.user_vectors, self.audio_weight)


@dataclass(frozen=True)
class SeedQueries:
    """Queries for tracks similar to seed songs.

    Attributes:
        seeds: m tracks of the catalogue, or files outside it.
        audio_weight: as asked for, 0 to 1.
        calibration: of the cosines of embeddings.
    """

    seeds: ItemVectors
    audio_weight: float
    calibration: CosineCalibration

    @cached_property
    def kinds(self) -> Mask:
        """See `Queries`."""
        return np.column_stack([self.seeds.has_audio, self.seeds.directions.any(axis=1)])

    @property
    def audio_weights(self) -> Array:
        """See `Queries`."""
        return 1.0 - behaviour_trust(self.seeds, self.audio_weight)

    def take(self, which: slice) -> SeedQueries:
        """See `Queries`."""
        return SeedQueries(self.seeds.take(which), self.audio_weight, self.calibration)

    def components(self, tracks: BlendedTracks, rows: RowsOrSlice) -> ScoreComponents:
        """See `Queries`."""
        return tracks.seed_components(self.seeds, self.audio_weight, self.calibration, rows)

    def vectors(self) -> Array:
        """See `Queries`."""
        return seed_query_vectors(self.seeds, self.audio_weight, self.calibration)
