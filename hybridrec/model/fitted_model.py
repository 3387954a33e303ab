"""What fitting produces: users and tracks as vectors, and the maps between audio and factors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hybridrec.blend.calibration import CosineCalibration
from hybridrec.blend.tracks import BlendedTracks
from hybridrec.blend.weighting import ItemVectors, UserVectors
from hybridrec.collaborative.als import fold_in
from hybridrec.collaborative.projection import Projection
from hybridrec.config import CollaborativeConfig
from hybridrec.data.arrays import Array, Mask, Rows
from hybridrec.data.embeddings import aligned_embeddings
from hybridrec.errors import InvalidInput
from hybridrec.index.ann import AnnIndex
from hybridrec.model.queries import Queries, SeedQueries, UserQueries
from hybridrec.model.ranking import INDEXED_FOR, Indexes, Nearby

FEWEST_TO_INDEX = 1000
"""Fewer tracks cannot fill the index's cells."""

MOVED_SHARE = 0.2
"""A track whose factors changed by less than this share of their length stays where the index
has it; its scores are exact all the same."""

_QUERIES_PER_WEIGHT = 256


@dataclass
class FittedModel:
    """Users as factors and audio vectors, tracks as factors, features and embeddings.

    Attributes:
        collaborative: the settings that the factors were fitted with, all filled in.
        projection: between audio embeddings and factors.
        calibration: of the cosines of embeddings, for seed songs.
        tracks: the items.
        user_factors: `(n_users, f)` float32.
        user_audio_vectors: `(n_users, l)` float32, see `Projection.audio_of_plays`.
        user_gram: `(f, f)` float32, the users' inner products, for folding items in.
        mean_factors, mean_audio_vector: `(f,)` and `(l,)` float32, the mean user, who stands in
            for an unknown one.
        indexes: of the tracks, in a large catalogue.
    """

    collaborative: CollaborativeConfig
    projection: Projection
    calibration: CosineCalibration
    tracks: BlendedTracks
    user_factors: Array
    user_audio_vectors: Array
    user_gram: Array
    mean_factors: Array
    mean_audio_vector: Array
    indexes: Indexes | None = None

    def near(self, queries: Queries) -> Nearby | None:
        """The index that answers such queries, if there is one."""
        if self.indexes is None:
            return None
        is_user = isinstance(queries, UserQueries)
        index = self.indexes.users if is_user else self.indexes.seeds
        return Nearby(index, self.indexes.fresh)

    def user_vectors(self, factors: Array, audio_vectors: Array) -> UserVectors:
        """Scale factors `(m, f)` and audio vectors `(m, l)` to the scores of the catalogue.

        The audio half of a user vector is the mean of two estimates, each standardised first:
        a regression on the tracks played, and the features of tracks that score high by factors.
        """
        audio_scale = self.tracks.audio_scale
        of_plays = audio_scale.unit(audio_vectors)
        of_factors = audio_scale.unit(self.projection.audio_of_factors(factors))
        behaviour = self.tracks.behaviour_scale.unit(factors)
        return UserVectors(behaviour, audio_scale.unit(of_plays + of_factors))

    def fold_in_users(self, plays: sp.csr_matrix) -> tuple[Array, Array]:
        """Factors `(m, f)` and audio vectors `(m, l)` of users from CSR `(m, n_tracks)` plays."""
        tracks = self.tracks
        # Only the columns of played tracks are read: a catalogue may be mapped from disk.
        played, columns = np.unique(plays.indices, return_inverse=True)
        shape = (plays.shape[0], len(played))
        compact = sp.csr_matrix((plays.data, columns, plays.indptr), shape=shape)
        item_factors = tracks.factors[played].astype(np.float32)
        factors = fold_in(compact, item_factors, tracks.gram, self.collaborative)
        features, support = tracks.features[played].astype(np.float32), tracks.support[played]
        return factors, self.projection.audio_of_plays(compact, features, support)

    def fold_in_items(self, listeners: sp.csr_matrix) -> Array:
        """Factors `(m, f)` of items from CSR `(m, n_users)` confidences alone."""
        return fold_in(listeners, self.user_factors, self.user_gram, self.collaborative)

    def put_items(
        self,
        rows: Rows,
        *,
        factors: Array | None = None,
        support: Rows | None = None,
        embeddings: NDArray[np.floating] | None = None,
    ) -> None:
        """Add or change items; what is None stays as it was.

        Args:
            rows: `(m,)`; new rows extend the catalogue.
            factors: `(m, f)` float32.
            support: `(m,)` int64.
            embeddings: `(m, d)` floats; a row of NaN has no audio.
        """
        if len(rows) == 0:
            return
        self.tracks.grow(int(rows.max()) + 1)
        # The index keeps old vectors; rows that changed much are scored beside it from now on.
        if self.indexes is not None:
            changed = rows if embeddings is not None else rows[self._moved(rows, factors)]
            self.indexes.outdate(changed)
        if embeddings is None:
            self.tracks.put(rows, factors=factors, support=support)
            return
        known, has_audio = aligned_embeddings(embeddings, len(rows))
        features = np.where(has_audio[:, None], self.projection.features(known), np.float32(0.0))
        self.tracks.put(
            rows,
            factors=factors,
            support=support,
            features=features,
            embeddings=known,
            has_audio=has_audio,
        )

    def _moved(self, rows: Rows, factors: Array | None) -> Mask:
        """Rows whose new factors `(m, f)` are too far from those that the index holds, `(m,)`."""
        if factors is None:
            return np.zeros(len(rows), dtype=np.bool_)
        change = np.linalg.norm(factors - self.tracks.factors[rows], axis=1)
        return np.asarray(change > MOVED_SHARE * self.tracks.factor_lengths[rows])

    def index_tracks(self, seed: int) -> Indexes:
        """Index the tracks for users and for seed songs; see `HybridRecommender.index_tracks`."""
        rows = np.flatnonzero(self.tracks.scorable)
        if len(rows) < FEWEST_TO_INDEX:
            what = f"an index needs {FEWEST_TO_INDEX} tracks or more"
            raise InvalidInput(what, got=len(rows), fix="rank so few without an index")
        # Search parameters are measured for each audio weight: a weight of 1 needs more cells.
        rng = np.random.default_rng(seed)
        by_user = [UserQueries(self._sample_users(rng), weight).vectors() for weight in INDEXED_FOR]
        by_seed = [
            SeedQueries(self._sample_seeds(rng, weight), weight, self.calibration).vectors()
            for weight in INDEXED_FOR
        ]
        self.indexes = Indexes(
            AnnIndex.build(self.tracks.vectors_for_users, rows, by_user, seed=seed),
            AnnIndex.build(self.tracks.vectors_for_seeds, rows, by_seed, seed=seed),
        )
        return self.indexes

    def _sample_seeds(self, rng: np.random.Generator, audio_weight: float) -> ItemVectors:
        """Seed songs to build an index for: played ones, or any where only audio counts."""
        played = (self.tracks.support > 0) & (audio_weight < 1.0)
        rows = np.flatnonzero(played if played.any() else self.tracks.scorable)
        return self.tracks.item_vectors(rng.choice(rows, _QUERIES_PER_WEIGHT))

    def _sample_users(self, rng: np.random.Generator) -> UserVectors:
        """Users to build an index for; without any, users who have played one track each."""
        known = self.user_factors.any(axis=1) | self.user_audio_vectors.any(axis=1)
        users = np.flatnonzero(known)
        if len(users):
            rows = rng.choice(users, _QUERIES_PER_WEIGHT)
            return self.user_vectors(self.user_factors[rows], self.user_audio_vectors[rows])
        # A catalogue without plays, or a model loaded without its users.
        tracks = rng.choice(np.flatnonzero(self.tracks.scorable), _QUERIES_PER_WEIGHT)
        one_play_each = np.ones(len(tracks), np.float32), (np.arange(len(tracks)), tracks)
        plays = sp.csr_matrix(one_play_each, shape=(len(tracks), len(self.tracks)))
        return self.user_vectors(*self.fold_in_users(plays))
