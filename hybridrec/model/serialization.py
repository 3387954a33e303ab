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
from hybridrec.errors import LibraryError
from hybridrec.index.ann import AnnIndex
from hybridrec.model.fitted_model import FittedModel
from hybridrec.model.ranking import Indexes

FORMAT_VERSION = 2
Part = Literal["users", "embeddings", "tracks", "indexes"]
Arrays = Mapping[str, NDArray[Any]]


def to_arrays(
    settings: Mapping[str, Any], fitted_model: FittedModel | None, without: Collection[Part] = ()
) -> dict[str, NDArray[Any]]:
    """All that makes a model, as arrays that need no pickle.

    Args:
        settings: of the recommender, ready for JSON.
        fitted: what fitting left behind; None before that.
        without: what to leave out, because it is kept elsewhere: embeddings, which
            `FittedModel.put_items` brings back, users, who are folded in from their plays,
            tracks altogether, or their indexes.
    """
    told: dict[str, Any] = {**settings, "version": FORMAT_VERSION, "fitted": fitted_model is not None}
    arrays: dict[str, NDArray[Any]] = {}
    if fitted_model is not None:
        told |= {
            "fitted_with": fitted_model.collaborative.to_dict(),
            "calibration": dataclasses.asdict(fitted_model.calibration),
            "feature_width": fitted_model.projection.features.width,
            "popularity_discount": fitted_model.projection.popularity_discount,
        }
        kept = {part: slice(0, 0) if part in without else slice(None) for part in ("users", "tracks")}
        arrays = _users(fitted_model, kept["users"])
        arrays |= _tracks(fitted_model.tracks, kept["tracks"], with_audio=not {"tracks", "embeddings"} & set(without))
        arrays |= _projection(fitted_model.projection)
        if fitted_model.indexes is not None and "indexes" not in without:
            arrays |= _index("users", fitted_model.indexes.users) | _index("seeds", fitted_model.indexes.seeds)
            arrays["index_fresh"] = fitted_model.indexes.fresh
    return arrays | {"settings": np.array(json.dumps(told))}


def _users(fitted_model: FittedModel, kept: slice) -> dict[str, NDArray[Any]]:
    return {
        "user_factors": fitted_model.user_factors[kept],
        "user_sounds": fitted_model.user_audio_vectors[kept],
        "user_gram": fitted_model.user_gram,
        "mean_factors": fitted_model.mean_factors,
        "mean_sound": fitted_model.mean_audio_vector,
    }


def _tracks(tracks: BlendedTracks, kept: slice, *, with_audio: bool) -> dict[str, NDArray[Any]]:
    with_audio = tracks.has_audio[kept] & with_audio
    return {
        "track_factors": tracks.factors[kept],
        "support": tracks.support[kept],
        "heard": np.flatnonzero(with_audio),
        "embeddings": tracks.embeddings[kept][with_audio],
        "behaviour_mean": tracks.behaviour_scale.mean,
        "behaviour_covariance": tracks.behaviour_scale.covariance,
        "sound_mean": tracks.audio_scale.mean,
        "sound_covariance": tracks.audio_scale.covariance,
    }


def _index(name: str, index: AnnIndex) -> dict[str, NDArray[Any]]:
    import faiss

    arrays = index.to_arrays() | {"cells": faiss.serialize_index(index.cells)}
    return {f"{name}_index_{part}": array for part, array in arrays.items()}


def _read_index(name: str, data: Arrays) -> AnnIndex:
    import faiss

    start = f"{name}_index_"
    arrays = {part.removeprefix(start): data[part] for part in data if part.startswith(start)}
    return AnnIndex.from_arrays(arrays, faiss.deserialize_index(arrays.pop("cells")))


def _projection(projection: Projection) -> dict[str, NDArray[Any]]:
    features = projection.features
    return {
        "projection_weights": projection.weights,
        "taste_solver": projection.solver,
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
        raise LibraryError("not a file of a recommender", got=str(error), fix="fit and save the model anew") from None
    if version > FORMAT_VERSION:
        raise LibraryError("the model is newer than this program", got=version, fix="upgrade hybridrec")
    return settings


def from_arrays(settings: Mapping[str, Any], data: Arrays, blend: BlendConfig) -> FittedModel | None:
    """What fitting had left behind when `to_arrays` was called, or None if that was before."""
    if not settings["fitted"]:
        return None
    features = AudioFeatures(
        data["feature_mean"],
        data["feature_deviation"],
        _metric(settings, data),
        data["feature_landmarks"],
        data["feature_root"],
        settings["feature_width"],
    )
    projection = Projection(features, data["projection_weights"], data["taste_solver"], settings["popularity_discount"])
    behaviour_scale = Standardisation(data["behaviour_mean"], data["behaviour_covariance"])
    audio_scale = Standardisation(data["sound_mean"], data["sound_covariance"])
    dimensions = len(features.mean)
    fitted_model = FittedModel(
        collaborative=CollaborativeConfig.from_dict(settings["fitted_with"]),
        projection=projection,
        calibration=CosineCalibration(**settings["calibration"]),
        tracks=BlendedTracks(behaviour_scale, audio_scale, dimensions, blend.half_life),
        user_factors=data["user_factors"],
        user_audio_vectors=data["user_sounds"],
        user_gram=data["user_gram"],
        mean_factors=data["mean_factors"],
        mean_audio_vector=data["mean_sound"],
    )
    embeddings = np.full((len(data["support"]), dimensions), np.nan, dtype=np.float32)
    embeddings[data["heard"]] = data["embeddings"]
    rows = np.arange(len(data["support"]))
    fitted_model.put_items(rows, factors=data["track_factors"], support=data["support"], embeddings=embeddings)
    if "users_index_cells" in data:
        fitted_model.indexes = Indexes(_read_index("users", data), _read_index("seeds", data), data["index_fresh"])
    return fitted_model


def _metric(settings: Mapping[str, Any], data: Arrays) -> NDArray[np.float32]:
    """The first format knew none."""
    return data["feature_metric"] if settings["version"] > 1 else np.eye(len(data["feature_mean"]), dtype=np.float32)
