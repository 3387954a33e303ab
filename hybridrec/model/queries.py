"""What is asked of the tracks: a user's taste or a seed song, both scored in one way."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hybridrec.blend.calibration import CosineCalibration
from hybridrec.blend.tracks import BlendedTracks, Rows, ScoreComponents
from hybridrec.blend.weighting import ItemVectors, UserVectors, behaviour_trust, seed_query_vectors, user_query_vectors

Array = NDArray[np.float32]


class Queries(Protocol):
    """Several queries of one kind, users' tastes or seed songs."""

    @property
    def kinds(self) -> NDArray[np.bool_]:
        """`(m, 2)` bool, whether each knows sound, and whether it knows behaviour."""

    @property
    def audio_shares(self) -> Array:
        """`(m,)` float32, how much of the score of a much-played track comes from sound, 0 to 1."""

    def take(self, which: slice) -> Queries:
        """Some of them."""

    def components(self, tracks: BlendedTracks, rows: Rows) -> ScoreComponents:
        """How rows score for them, `(m, n)`."""

    def vectors(self) -> Array:
        """`(m, d)` float32, for an index."""


@dataclass(frozen=True)
class UserQueries:
    """What users should hear next.

    Attributes:
        tastes: of m users.
        audio_share: the share of sound, 0 to 1.
    """

    user_vectors: UserVectors
    audio_weight: float

    @cached_property
    def kinds(self) -> NDArray[np.bool_]:
        """See `Queries`."""
        return np.column_stack([self.user_vectors.knows_audio, self.user_vectors.knows_behaviour])

    @property
    def audio_shares(self) -> Array:
        """See `Queries`."""
        return self.user_vectors.shares(self.audio_weight)

    def take(self, which: slice) -> UserQueries:
        """See `Queries`."""
        return UserQueries(
            UserVectors(self.user_vectors.behaviour[which], self.user_vectors.audio[which]), self.audio_weight
        )

    def components(self, tracks: BlendedTracks, rows: Rows) -> ScoreComponents:
        """See `Queries`."""
        return tracks.user_components(self.user_vectors, self.audio_weight, rows)

    def vectors(self) -> Array:
        """See `Queries`."""
        return user_query_vectors(self.user_vectors, self.audio_weight)


@dataclass(frozen=True)
class SeedQueries:
    """What is like some seed songs.

    Attributes:
        seeds: m tracks, or files that are none.
        audio_share: the share of sound, 0 to 1.
        calibration: of likeness by sound.
    """

    seeds: ItemVectors
    audio_weight: float
    calibration: CosineCalibration

    @cached_property
    def kinds(self) -> NDArray[np.bool_]:
        """See `Queries`."""
        return np.column_stack([self.seeds.has_audio, self.seeds.directions.any(axis=1)])

    @property
    def audio_shares(self) -> Array:
        """See `Queries`."""
        return 1.0 - behaviour_trust(self.seeds, self.audio_weight)

    def take(self, which: slice) -> SeedQueries:
        """See `Queries`."""
        return SeedQueries(self.seeds.take(which), self.audio_weight, self.calibration)

    def components(self, tracks: BlendedTracks, rows: Rows) -> ScoreComponents:
        """See `Queries`."""
        return tracks.seed_components(self.seeds, self.audio_weight, self.calibration, rows)

    def vectors(self) -> Array:
        """See `Queries`."""
        return seed_query_vectors(self.seeds, self.audio_weight, self.calibration)
