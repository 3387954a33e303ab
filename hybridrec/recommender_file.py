"""The file of a recommender: npz arrays and one JSON string, never a pickle."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hybridrec.blend.calibration import CosineCalibration
from hybridrec.collaborative.projection import Projection
from hybridrec.config import BlendConfig, CollaborativeConfig
from hybridrec.errors import LibraryError

if TYPE_CHECKING:
    from hybridrec.recommender import HybridRecommender

FORMAT_VERSION = 1


def to_arrays(model: HybridRecommender, *, embeddings: bool = True) -> dict[str, NDArray[Any]]:
    """All that makes a model, as arrays that need no pickle.

    Args:
        model: fitted or not.
        embeddings: False leaves the embeddings out, for those who keep them elsewhere;
            after loading, `put_items` brings them back.
    """
    settings = {
        "version": FORMAT_VERSION,
        "fitted": model.is_fitted,
        "collaborative": model.collaborative.to_dict(),
        "blend": model.blend.to_dict(),
        "calibration": dataclasses.asdict(model.calibration),
        "random_state": model.random_state,
        "num_threads": model.num_threads,
    }
    arrays: dict[str, NDArray[Any]] = {"settings": np.array(json.dumps(settings))}
    if model.is_fitted:
        tracks, projection = model.tracks, model.fitted_projection
        heard = tracks.has_audio if embeddings else np.zeros_like(tracks.has_audio)
        arrays |= {
            "user_factors": model.fitted_users,
            "mean_user": model.fitted_mean_user,
            "track_factors": tracks.factors,
            "support": tracks.support,
            "heard": np.flatnonzero(heard),
            "embeddings": tracks.embeddings[heard],
            "projection_weights": projection.weights,
            "projection_offset": projection.offset,
        }
    return arrays


def fill_from_arrays(model: HybridRecommender, data: Mapping[str, NDArray[Any]]) -> None:
    """Make a new model what `to_arrays` was told of.

    Raises:
        LibraryError: if the arrays are of a newer version, or are not a model's.
    """
    try:
        settings = json.loads(str(data["settings"]))
        version = int(settings["version"])
    except (KeyError, ValueError, TypeError) as error:
        raise LibraryError("not a file of a recommender", got=str(error), fix="fit and save the model anew") from None
    if version > FORMAT_VERSION:
        raise LibraryError("the model is newer than this program", got=version, fix="upgrade hybridrec")
    model.collaborative = CollaborativeConfig.from_dict(settings["collaborative"])
    model.blend = BlendConfig.from_dict(settings["blend"])
    model.calibration = CosineCalibration(**settings["calibration"])
    model.random_state, model.num_threads = settings["random_state"], settings["num_threads"]
    if settings["fitted"]:
        model.user_factors, model.mean_user = data["user_factors"], data["mean_user"]
        projection = Projection(data["projection_weights"], data["projection_offset"])
        embeddings = np.full((len(data["support"]), projection.weights.shape[0]), np.nan, dtype=np.float32)
        embeddings[data["heard"]] = data["embeddings"]
        model.place_items(projection, data["track_factors"], data["support"], embeddings)
