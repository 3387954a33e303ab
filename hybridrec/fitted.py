"""What fitting leaves behind: the parts of a recommender that know users and tracks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hybridrec.blend.calibration import CosineCalibration, Standardisation
from hybridrec.blend.tracks import BlendedTracks
from hybridrec.blend.weighting import Array, Tastes
from hybridrec.collaborative.als import fold_in
from hybridrec.collaborative.projection import Projection, fit_projection
from hybridrec.config import BlendConfig, CollaborativeConfig, ProjectionConfig
from hybridrec.data.embeddings import aligned_embeddings, unit_length

WARM_LISTENERS = 5
Rows = NDArray[np.int64]


@dataclass
class Fitted:
    """Users by their factors and sounds, tracks by both their sides.

    Attributes:
        collaborative: the settings that the factors were fitted with, all filled in.
        projection: between sound and taste.
        calibration: of likeness by sound, for seed songs.
        tracks: the items.
        user_factors: `(n_users, f)` float32.
        user_sounds: `(n_users, l)` float32, see `Projection.sound_of_plays`.
        user_gram: `(f, f)` float32, the users' inner products, for folding items in.
        mean_factors, mean_sound: `(f,)` and `(l,)` float32, the listener of whom nothing is known.
    """

    collaborative: CollaborativeConfig
    projection: Projection
    calibration: CosineCalibration
    tracks: BlendedTracks
    user_factors: Array
    user_sounds: Array
    user_gram: Array
    mean_factors: Array
    mean_sound: Array

    def tastes(self, factors: Array, sounds: Array) -> Tastes:
        """Bring factors `(m, f)` and sounds of plays `(m, l)` to the scales of the catalogue.

        The sound of a taste is half what the user played, half what tracks of great
        affinity to her factors sound like; each is standardised before they are added.
        """
        sound_scale = self.tracks.sound_scale
        heard = sound_scale.unit(sounds) + sound_scale.unit(self.projection.sound_of_factors(factors))
        return Tastes(self.tracks.behaviour_scale.unit(factors), sound_scale.unit(heard))

    def fold_in_users(self, plays: sp.csr_matrix) -> tuple[Array, Array]:
        """Factors `(m, f)` and sounds `(m, l)` of users from CSR `(m, n_tracks)` confidences alone."""
        tracks = self.tracks
        factors = fold_in(plays, tracks.factors, tracks.gram, self.collaborative)
        return factors, self.projection.sound_of_plays(plays, tracks.features, tracks.support)

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
        if embeddings is None:
            self.tracks.put(rows, factors=factors, support=support)
            return
        heard, has_audio = aligned_embeddings(embeddings, len(rows))
        features = np.where(has_audio[:, None], self.projection.features(heard), np.float32(0.0))
        self.tracks.put(
            rows,
            factors=factors,
            support=support,
            features=features,
            embeddings=heard,
            has_audio=has_audio,
        )


def learn_sound(
    embeddings: Array,
    has_audio: NDArray[np.bool_],
    factors: Array,
    support: Rows,
    config: ProjectionConfig,
    seed: int,
) -> tuple[Projection, CosineCalibration]:
    """Learn what tastes sound like from the items `(n, ...)` that can be heard."""
    rng = np.random.default_rng(seed)
    heard = embeddings[has_audio]
    projection = fit_projection(heard, factors[has_audio], support[has_audio], config, rng)
    warm = has_audio & (support >= WARM_LISTENERS)
    return projection, CosineCalibration.fit(unit_length(factors[warm]), unit_length(embeddings[warm]), rng)


def empty_tracks(projection: Projection, factors: Array, heard: Array, blend: BlendConfig) -> BlendedTracks:
    """A catalogue without rows, scaled to the items' `(n, f)` factors and the heard items' `(m, d)` embeddings."""
    behaviour_scale = Standardisation.fit(factors)
    sound_scale = Standardisation.fit(projection.features(heard))
    return BlendedTracks(behaviour_scale, sound_scale, heard.shape[1], blend.half_life)


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
) -> Fitted:
    """Put users and items together with what was learnt of them.

    Args:
        config: the settings of ALS, all filled in.
        projection, calibration, tracks: from `learn_sound` and `empty_tracks`.
        users, items: factors `(n_users, f)` and `(n_items, f)`.
        support: `(n_items,)`.
        embeddings: `(n_items, d)`, a row of NaN without audio.
        plays: CSR `(n_users, n_items)` confidences.
    """
    active = np.diff(plays.indptr) > 0
    fitted = Fitted(
        collaborative=config,
        projection=projection,
        calibration=calibration,
        tracks=tracks,
        user_factors=users,
        user_sounds=np.zeros((len(users), projection.features.length), dtype=np.float32),
        user_gram=users.T @ users,
        mean_factors=_mean(users[active]),
        mean_sound=np.zeros(projection.features.length, dtype=np.float32),
    )
    fitted.put_items(np.arange(len(items)), factors=items, support=support, embeddings=embeddings)
    fitted.user_sounds = projection.sound_of_plays(plays, tracks.features, support)
    fitted.mean_sound = _mean(fitted.user_sounds[active] if active.any() else tracks.features @ projection.solver)
    return fitted


def _mean(vectors: Array) -> Array:
    return np.asarray(vectors.sum(axis=0) / max(1, len(vectors)), dtype=np.float32)
