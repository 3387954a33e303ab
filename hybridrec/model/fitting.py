"""Building a fitted model from ALS factors and audio embeddings, for the recommender and tuning."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hybridrec.blend.calibration import CosineCalibration, Standardisation
from hybridrec.blend.tracks import BlendedTracks
from hybridrec.collaborative.projection import Projection, fit_projection
from hybridrec.config import CollaborativeConfig, ProjectionConfig
from hybridrec.data.arrays import Array, Mask, Rows
from hybridrec.data.embeddings import aligned_embeddings, unit_length
from hybridrec.data.interactions import support_of
from hybridrec.model.fitted_model import FittedModel

WARM_LISTENERS = 5
"""From this support on, factors are reliable enough to calibrate cosines with."""


def build_fitted_model(
    users: Array,
    items: Array,
    plays: sp.csr_matrix,
    item_embeddings: NDArray[np.floating] | None,
    *,
    collaborative: CollaborativeConfig,
    projection: ProjectionConfig,
    half_life: float,
    seed: int,
    support: Rows | None = None,
) -> FittedModel:
    """Fit the audio side to given factors, and put users and items together.

    Args:
        users, items: ALS factors `(n_users, f)` and `(n_items, f)` float32.
        plays: CSR `(n_users, n_items)` confidences; gives the users' audio vectors.
        item_embeddings: `(n_items, d)` floats, NaN rows without audio; None: no item has any.
        collaborative: the settings that the factors were fitted with, all filled in.
        projection: settings of the maps between embeddings and factors.
        half_life: see `BlendConfig`.
        seed: of the random parts of the projection.
        support: `(n_items,)` listeners of each item; None counts them in `plays`.

    Raises:
        InvalidInput: if the embeddings do not match the items.
    """
    support = support_of(plays) if support is None else support
    embeddings, has_audio = aligned_embeddings(item_embeddings, len(items))
    maps, calibration = _fit_audio_side(embeddings, has_audio, items, support, projection, seed)
    tracks = _empty_tracks(maps, items, embeddings[has_audio], half_life)
    model = _without_audio_vectors(collaborative, maps, calibration, tracks, users)
    # NaN again: `put_items` would take zeros for an embedding.
    with_missing = np.where(has_audio[:, None], embeddings, np.float32(np.nan))
    rows = np.arange(len(items))
    model.put_items(rows, factors=items, support=support, embeddings=with_missing)
    _set_users(model, plays, support)  # after the tracks, whose features it sums
    return model


def _fit_audio_side(
    embeddings: Array,
    has_audio: Mask,
    factors: Array,
    support: Rows,
    config: ProjectionConfig,
    seed: int,
) -> tuple[Projection, CosineCalibration]:
    """The projection, and the calibration of cosines, from the items that have audio."""
    rng = np.random.default_rng(seed)
    known = embeddings[has_audio]
    projection = fit_projection(known, factors[has_audio], support[has_audio], config, rng)
    warm = has_audio & (support >= WARM_LISTENERS)
    directions, cosines_of = unit_length(factors[warm]), unit_length(embeddings[warm])
    return projection, CosineCalibration.fit(directions, cosines_of, rng)


def _empty_tracks(
    projection: Projection, factors: Array, embeddings: Array, half_life: float
) -> BlendedTracks:
    """A catalogue without rows, standardised to items' factors `(n, f)` and embeddings `(m, d)`."""
    behaviour_scale = Standardisation.fit(factors)
    audio_scale = Standardisation.fit(projection.features(embeddings))
    return BlendedTracks(behaviour_scale, audio_scale, embeddings.shape[1], half_life)


def _without_audio_vectors(
    collaborative: CollaborativeConfig,
    projection: Projection,
    calibration: CosineCalibration,
    tracks: BlendedTracks,
    users: Array,
) -> FittedModel:
    """A model that knows users' factors only."""
    length = projection.features.length
    return FittedModel(
        collaborative=collaborative,
        projection=projection,
        calibration=calibration,
        tracks=tracks,
        user_factors=users,
        user_audio_vectors=np.zeros((len(users), length), dtype=np.float32),
        user_gram=users.T @ users,
        mean_factors=np.zeros(users.shape[1], dtype=np.float32),
        mean_audio_vector=np.zeros(length, dtype=np.float32),
    )


def _set_users(model: FittedModel, plays: sp.csr_matrix, support: Rows) -> None:
    """Fill in the users' audio vectors and the mean user, once the tracks are known."""
    active = np.diff(plays.indptr) > 0
    features = model.tracks.features
    model.user_audio_vectors = model.projection.audio_of_plays(plays, features, support)
    # Where nobody has played anything, the mean track stands in for the mean user.
    typical = (
        model.user_audio_vectors[active] if active.any() else features @ model.projection.solver
    )
    model.mean_factors, model.mean_audio_vector = _mean(model.user_factors[active]), _mean(typical)


def _mean(vectors: Array) -> Array:
    return np.asarray(vectors.sum(axis=0) / max(1, len(vectors)), dtype=np.float32)
