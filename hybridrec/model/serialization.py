"""The file of a recommender: npz arrays and one JSON string, never a pickle."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hybridrec.blend.calibration import CosineCalibration, Standardisation
from hybridrec.blend.tracks import BlendedTracks
from hybridrec.collaborative.features import AudioFeatures
from hybridrec.collaborative.projection import Projection
from hybridrec.config import BlendConfig, CollaborativeConfig
from hybridrec.data.arrays import Array
from hybridrec.errors import LibraryError
from hybridrec.index.ann import AnnIndex
from hybridrec.model.fitted_model import FittedModel
from hybridrec.model.ranking import Indexes

FORMAT_VERSION = 3
"""1 had no learned metric; up to 2, arrays had the names that `_RENAMED` lists."""

_RENAMED = {
    "user_sounds": "user_audio_vectors",
    "mean_sound": "mean_audio_vector",
    "heard": "rows_with_audio",
    "sound_mean": "audio_mean",
    "sound_covariance": "audio_covariance",
    "taste_solver": "user_solver",
    "users_index_reaches": "users_index_search_parameters",
    "seeds_index_reaches": "seeds_index_search_parameters",
}

Part = Literal["users", "embeddings", "tracks", "indexes"]
Arrays = Mapping[str, NDArray[Any]]


def to_arrays(
    settings: Mapping[str, Any], fitted_model: FittedModel | None, without: Collection[Part] = ()
) -> dict[str, NDArray[Any]]:
    """Everything that makes a model, as arrays that need no pickle.

    Args:
        settings: of the recommender, ready for JSON.
        fitted_model: None before fitting.
        without: what to leave out because it is stored elsewhere: embeddings, which
            `FittedModel.put_items` restores, users, who are folded in from their plays,
            all tracks, or their indexes.
    """
    header: dict[str, Any] = {**settings, "version": FORMAT_VERSION}
    header["fitted"] = fitted_model is not None
    arrays: dict[str, NDArray[Any]] = {}
    if fitted_model is not None:
        header |= _header(fitted_model)
        arrays = _arrays(fitted_model, without)
    return arrays | {"settings": np.array(json.dumps(header))}


def _header(fitted_model: FittedModel) -> dict[str, Any]:
    return {
        "fitted_with": fitted_model.collaborative.to_dict(),
        "calibration": dataclasses.asdict(fitted_model.calibration),
        "feature_width": fitted_model.projection.features.width,
        "popularity_discount": fitted_model.projection.popularity_discount,
    }


def _arrays(fitted_model: FittedModel, without: Collection[Part]) -> dict[str, NDArray[Any]]:
    rows = {part: slice(0, 0) if part in without else slice(None) for part in ("users", "tracks")}
    with_audio = "embeddings" not in without
    arrays = _users(fitted_model, rows["users"])
    arrays |= _tracks(fitted_model.tracks, rows["tracks"], with_audio=with_audio)
    arrays |= _projection(fitted_model.projection)
    indexes = fitted_model.indexes
    if indexes is not None and "indexes" not in without:
        arrays |= _index("users", indexes.users) | _index("seeds", indexes.seeds)
        arrays["index_fresh"] = indexes.fresh
    return arrays


def _users(fitted_model: FittedModel, rows: slice) -> dict[str, NDArray[Any]]:
    return {
        "user_factors": fitted_model.user_factors[rows],
        "user_audio_vectors": fitted_model.user_audio_vectors[rows],
        "user_gram": fitted_model.user_gram,
        "mean_factors": fitted_model.mean_factors,
        "mean_audio_vector": fitted_model.mean_audio_vector,
    }


def _tracks(tracks: BlendedTracks, rows: slice, *, with_audio: bool) -> dict[str, NDArray[Any]]:
    # Embeddings of tracks with audio only, with their rows: the others would be zeros.
    has_audio = tracks.has_audio[rows] & with_audio
    return {
        "track_factors": tracks.factors[rows],
        "support": tracks.support[rows],
        "rows_with_audio": np.flatnonzero(has_audio),
        "embeddings": tracks.embeddings[rows][has_audio],
        "behaviour_mean": tracks.behaviour_scale.mean,
        "behaviour_covariance": tracks.behaviour_scale.covariance,
        "audio_mean": tracks.audio_scale.mean,
        "audio_covariance": tracks.audio_scale.covariance,
    }


def _index(name: str, index: AnnIndex) -> dict[str, NDArray[Any]]:
    import faiss

    # faiss has a format of its own, without pickle; its bytes are one more array.
    arrays = index.to_arrays() | {"cells": faiss.serialize_index(index.cells)}
    return {f"{name}_index_{part}": array for part, array in arrays.items()}


def _read_index(name: str, data: Arrays) -> AnnIndex:
    import faiss

    prefix = f"{name}_index_"
    arrays = {key.removeprefix(prefix): data[key] for key in data if key.startswith(prefix)}
    return AnnIndex.from_arrays(arrays, faiss.deserialize_index(arrays.pop("cells")))


def _projection(projection: Projection) -> dict[str, NDArray[Any]]:
    features = projection.features
    return {
        "projection_weights": projection.weights,
        "user_solver": projection.solver,
        "feature_mean": features.mean,
        "feature_deviation": features.deviation,
        "feature_metric": features.metric,
        "feature_landmarks": features.landmarks,
        "feature_root": features.root,
    }


def read_settings(data: Arrays) -> dict[str, Any]:
    """The settings among the arrays that `to_arrays` made.

    Raises:
        LibraryError: if the arrays are of a newer version, or are not a model's.
    """
    try:
        settings: dict[str, Any] = json.loads(str(data["settings"]))
        version = int(settings["version"])
    except (KeyError, ValueError, TypeError) as error:
        what, fix = "not a file of a recommender", "fit and save the model again"
        raise LibraryError(what, got=str(error), fix=fix) from None
    if version > FORMAT_VERSION:
        what = "the model is newer than this program"
        raise LibraryError(what, got=version, fix="upgrade hybridrec")
    return settings


def from_arrays(
    settings: Mapping[str, Any], stored: Arrays, blend: BlendConfig
) -> FittedModel | None:
    """The fitted model that `to_arrays` took apart, or None if there was none yet.

    Args:
        settings: from `read_settings`.
        stored: the arrays, in any format up to the present one.
        blend: gives the half-life.
    """
    if not settings["fitted"]:
        return None
    data = {_RENAMED.get(name, name): stored[name] for name in stored}
    fitted_model = FittedModel(
        collaborative=CollaborativeConfig.from_dict(settings["fitted_with"]),
        projection=_read_projection(settings, data),
        calibration=CosineCalibration(**settings["calibration"]),
        tracks=_read_empty_tracks(data, blend),
        user_factors=data["user_factors"],
        user_audio_vectors=data["user_audio_vectors"],
        user_gram=data["user_gram"],
        mean_factors=data["mean_factors"],
        mean_audio_vector=data["mean_audio_vector"],
    )
    # Before the indexes: with them, every row would be marked as changed.
    _read_tracks(fitted_model, data)
    if "users_index_cells" in data:
        users, seeds = _read_index("users", data), _read_index("seeds", data)
        fitted_model.indexes = Indexes(users, seeds, data["index_fresh"])
    return fitted_model


def _read_empty_tracks(data: Arrays, blend: BlendConfig) -> BlendedTracks:
    behaviour_scale = Standardisation(data["behaviour_mean"], data["behaviour_covariance"])
    audio_scale = Standardisation(data["audio_mean"], data["audio_covariance"])
    dimensions = len(data["feature_mean"])
    return BlendedTracks(behaviour_scale, audio_scale, dimensions, blend.half_life)


def _read_tracks(fitted_model: FittedModel, data: Arrays) -> None:
    support, factors = data["support"], data["track_factors"]
    embeddings = np.full((len(support), len(data["feature_mean"])), np.nan, dtype=np.float32)
    embeddings[data["rows_with_audio"]] = data["embeddings"]
    rows = np.arange(len(support))
    fitted_model.put_items(rows, factors=factors, support=support, embeddings=embeddings)


def _read_projection(settings: Mapping[str, Any], data: Arrays) -> Projection:
    features = AudioFeatures(
        data["feature_mean"],
        data["feature_deviation"],
        _metric(settings, data),
        data["feature_landmarks"],
        data["feature_root"],
        settings["feature_width"],
    )
    weights, solver = data["projection_weights"], data["user_solver"]
    return Projection(features, weights, solver, settings["popularity_discount"])


def _metric(settings: Mapping[str, Any], data: Arrays) -> Array:
    """The learned metric; files of format 1 have none, which is the identity."""
    if settings["version"] == 1:
        return np.eye(len(data["feature_mean"]), dtype=np.float32)
    return data["feature_metric"]
