"""What fitting leaves behind: the parts of a recommender that know users and tracks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hybridrec.blend.calibration import CosineCalibration, Standardisation
from hybridrec.blend.tracks import BlendedTracks
from hybridrec.blend.weighting import Array, ItemVectors, UserVectors
from hybridrec.collaborative.als import fold_in
from hybridrec.collaborative.projection import Projection, fit_projection
from hybridrec.config import BlendConfig, CollaborativeConfig, ProjectionConfig
from hybridrec.data.embeddings import aligned_embeddings, unit_length
from hybridrec.errors import InvalidInput
from hybridrec.index.ann import AnnIndex
from hybridrec.model.queries import Queries, SeedQueries, UserQueries
from hybridrec.model.ranking import INDEXED_FOR, Indexes, Nearby

WARM_LISTENERS = 5
FEWEST_TO_INDEX = 1000
MOVED_SHARE = 0.2
"""Of the length of its factors; a track that moved less is found where it was, and scored as it is."""

_QUERIES_PER_SHARE = 256
Rows = NDArray[np.int64]


@dataclass
class FittedModel:
    """Users by their factors and sounds, tracks by both their sides.

    Attributes:
        collaborative: the settings that the factors were fitted with, all filled in.
        projection: between sound and taste.
        calibration: of likeness by sound, for seed songs.
        tracks: the items.
        user_factors: `(n_users, f)` float32.
        user_sounds: `(n_users, l)` float32, see `Projection.audio_of_plays`.
        user_gram: `(f, f)` float32, the users' inner products, for folding items in.
        mean_factors, mean_sound: `(f,)` and `(l,)` float32, the listener of whom nothing is known.
        indexes: of the tracks, where there are many.
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
        index = self.indexes.users if isinstance(queries, UserQueries) else self.indexes.seeds
        return Nearby(index, self.indexes.fresh)

    def user_vectors(self, factors: Array, audio_vectors: Array) -> UserVectors:
        """Bring factors `(m, f)` and sounds of plays `(m, l)` to the scales of the catalogue.

        The sound of a taste is half what the user played, half what tracks of great
        affinity to her factors sound like; each is standardised before they are added.
        """
        audio_scale = self.tracks.audio_scale
        with_audio = audio_scale.unit(audio_vectors) + audio_scale.unit(self.projection.audio_of_factors(factors))
        return UserVectors(self.tracks.behaviour_scale.unit(factors), audio_scale.unit(with_audio))

    def fold_in_users(self, plays: sp.csr_matrix) -> tuple[Array, Array]:
        """Factors `(m, f)` and sounds `(m, l)` of users from CSR `(m, n_tracks)` confidences alone."""
        tracks = self.tracks
        played, places = np.unique(plays.indices, return_inverse=True)
        among_played = sp.csr_matrix((plays.data, places, plays.indptr), shape=(plays.shape[0], len(played)))
        factors = fold_in(among_played, tracks.factors[played].astype(np.float32), tracks.gram, self.collaborative)
        features, support = tracks.features[played].astype(np.float32), tracks.support[played]
        return factors, self.projection.audio_of_plays(among_played, features, support)

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
        """Tell of some items, new ones included: their factors, support and audio, as far as given.

        Args:
            rows: `(m,)`.
            factors: `(m, f)` float32.
            support: `(m,)` int64.
            embeddings: `(m, d)`; a row of NaN has no audio.
        """
        if len(rows) == 0:
            return
        self.tracks.grow(int(rows.max()) + 1)
        if self.indexes is not None:
            self.indexes.outdate(rows if embeddings is not None else rows[self._moved(rows, factors)])
        if embeddings is None:
            self.tracks.put(rows, factors=factors, support=support)
            return
        with_audio, has_audio = aligned_embeddings(embeddings, len(rows))
        features = np.where(has_audio[:, None], self.projection.features(with_audio), np.float32(0.0))
        self.tracks.put(
            rows,
            factors=factors,
            support=support,
            features=features,
            embeddings=with_audio,
            has_audio=has_audio,
        )

    def _moved(self, rows: Rows, factors: Array | None) -> NDArray[np.bool_]:
        """Which rows an index would no longer find by where they were, `(m,)` bool."""
        if factors is None:
            return np.zeros(len(rows), dtype=np.bool_)
        change = np.linalg.norm(factors - self.tracks.factors[rows], axis=1)
        return np.asarray(change > MOVED_SHARE * self.tracks.factor_lengths[rows])

    def index_tracks(self, seed: int) -> Indexes:
        """Index the tracks for users and for seed songs; see `HybridRecommender.index_tracks`."""
        rows = np.flatnonzero(self.tracks.scorable)
        if len(rows) < FEWEST_TO_INDEX:
            fix = "leave it: so few are ranked at once"
            raise InvalidInput(f"an index wants {FEWEST_TO_INDEX} tracks or more", got=len(rows), fix=fix)
        rng = np.random.default_rng(seed)
        by_user = [UserQueries(self._some_users(rng), share).vectors() for share in INDEXED_FOR]
        by_seed = [
            SeedQueries(self._some_seeds(rng, share), share, self.calibration).vectors() for share in INDEXED_FOR
        ]
        self.indexes = Indexes(
            AnnIndex.build(self.tracks.vectors_for_users, rows, by_user, seed=seed),
            AnnIndex.build(self.tracks.vectors_for_seeds, rows, by_seed, seed=seed),
        )
        return self.indexes

    def _some_seeds(self, rng: np.random.Generator, audio_weight: float) -> ItemVectors:
        """Seed songs; only sound can tell what is like one that nobody played, whatever share is asked for."""
        played = (self.tracks.support > 0) & (audio_weight < 1.0)
        rows = np.flatnonzero(played if played.any() else self.tracks.scorable)
        return self.tracks.item_vectors(rng.choice(rows, _QUERIES_PER_SHARE))

    def _some_users(self, rng: np.random.Generator) -> UserVectors:
        """Tastes as users have them; where none is known, of listeners who heard one track each."""
        users = np.flatnonzero(self.user_factors.any(axis=1) | self.user_audio_vectors.any(axis=1))
        if len(users):
            some = rng.choice(users, _QUERIES_PER_SHARE)
            return self.user_vectors(self.user_factors[some], self.user_audio_vectors[some])
        with_audio = rng.choice(np.flatnonzero(self.tracks.scorable), _QUERIES_PER_SHARE)
        one_each = np.ones(len(with_audio), np.float32), (np.arange(len(with_audio)), with_audio)
        return self.user_vectors(
            *self.fold_in_users(sp.csr_matrix(one_each, shape=(len(with_audio), len(self.tracks))))
        )


def fit_projections(
    embeddings: Array,
    has_audio: NDArray[np.bool_],
    factors: Array,
    support: Rows,
    config: ProjectionConfig,
    seed: int,
) -> tuple[Projection, CosineCalibration]:
    """Learn what tastes sound like from the items `(n, ...)` that can be heard."""
    rng = np.random.default_rng(seed)
    with_audio = embeddings[has_audio]
    projection = fit_projection(with_audio, factors[has_audio], support[has_audio], config, rng)
    warm = has_audio & (support >= WARM_LISTENERS)
    return projection, CosineCalibration.fit(unit_length(factors[warm]), unit_length(embeddings[warm]), rng)


def empty_tracks(projection: Projection, factors: Array, with_audio: Array, blend: BlendConfig) -> BlendedTracks:
    """A catalogue without rows, scaled to the items' `(n, f)` factors and the heard items' `(m, d)` embeddings."""
    behaviour_scale = Standardisation.fit(factors)
    audio_scale = Standardisation.fit(projection.features(with_audio))
    return BlendedTracks(behaviour_scale, audio_scale, with_audio.shape[1], blend.half_life)


def assemble(
    config: CollaborativeConfig,
    projection: Projection,
    calibration: CosineCalibration,
    tracks: BlendedTracks,
    users: Array,
    items: Array,
    support: Rows,
    embeddings: Array,
    plays: sp.csr_matrix,
) -> FittedModel:
    """Put users and items together with what was learnt of them.

    Args:
        config: the settings of ALS, all filled in.
        projection, calibration, tracks: from `fit_projections` and `empty_tracks`.
        users, items: factors `(n_users, f)` and `(n_items, f)`.
        support: `(n_items,)`.
        embeddings: `(n_items, d)`, a row of NaN without audio.
        plays: CSR `(n_users, n_items)` confidences.
    """
    active = np.diff(plays.indptr) > 0
    fitted_model = FittedModel(
        collaborative=config,
        projection=projection,
        calibration=calibration,
        tracks=tracks,
        user_factors=users,
        user_audio_vectors=np.zeros((len(users), projection.features.length), dtype=np.float32),
        user_gram=users.T @ users,
        mean_factors=_mean(users[active]),
        mean_audio_vector=np.zeros(projection.features.length, dtype=np.float32),
    )
    fitted_model.put_items(np.arange(len(items)), factors=items, support=support, embeddings=embeddings)
    fitted_model.user_audio_vectors = projection.audio_of_plays(plays, tracks.features, support)
    fitted_model.mean_audio_vector = _mean(
        fitted_model.user_audio_vectors[active] if active.any() else tracks.features @ projection.solver
    )
    return fitted_model


def _mean(vectors: Array) -> Array:
    return np.asarray(vectors.sum(axis=0) / max(1, len(vectors)), dtype=np.float32)
