"""Fits the model of a library to its plays and embeddings, and stores it as a new version."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from hybridrec.config import BlendConfig, CollaborativeConfig
from hybridrec.data.embeddings import align
from hybridrec.errors import NotReady
from hybridrec.evaluation.tuning_report import Tuning
from hybridrec.model.recommender import HybridRecommender
from hybridrec.model.store import INDEXED_FROM, save_model
from hybridrec.storage.library import Library
from hybridrec.workflows.tuning import tuned


@dataclass(frozen=True)
class FitReport:
    """What was fitted.

    Attributes:
        version: of the model, which is now the current one.
        users, tracks: how many rows the model has.
        embedded, cold: tracks with audio, and tracks that nobody played.
        tuning: version of the tuning whose settings were used, or None for the defaults.
        recall: recall at 10 of answers to users by the index, at the audio weight where it is
            lowest; None without an index, where all tracks are scored.
        other_encoder: whether the tuning was made with another encoder and should be made again.
        seconds: how long the fit took.
    """

    version: int
    users: int
    tracks: int
    embedded: int
    cold: int
    tuning: int | None
    recall: float | None
    other_encoder: bool
    seconds: float


def fit(
    library: Library,
    *,
    collaborative: CollaborativeConfig | None = None,
    blend: BlendConfig | None = None,
    index_from: int = INDEXED_FROM,
    seed: int = 0,
    show_progress: bool = False,
) -> FitReport:
    """Fit a model to all plays and embeddings of the library, and make it current.

    Args:
        library: an open library.
        collaborative: settings of ALS; None takes what `tune` chose, or else the defaults.
        blend: settings of the weighting layer; None likewise.
        index_from: from this number of rankable tracks on, they are indexed; fewer are all
            scored for each answer.
        seed: same seed, same model.
        show_progress: draw a progress bar.

    Raises:
        NotReady: if the library has no tracks.
    """
    begin = time.monotonic()
    interactions = library.interactions()
    if len(interactions.track_ids) == 0:
        what, fix = "the library has no tracks to fit", "ingest audio or plays first"
        raise NotReady(what, fix=fix)
    # Read once: the library may get another encoder while the model is fitted.
    encoder, tuning = library.fingerprint(), library.current("tuning")
    embeddings = None
    if encoder is not None:
        embeddings = align(library.embeddings(encoder), interactions.track_ids)
    model = _recommender(tuned(library), collaborative, blend, seed)
    model.fit(interactions.matrix, show_progress=show_progress, item_embeddings=embeddings)
    recall = _index(model, index_from)
    counts = _counts(model, len(interactions.user_ids))
    tuning_version = None if tuning is None else tuning.version
    summary = counts | {"tuning": tuning_version, "seed": seed} | _settings(model)
    return FitReport(
        save_model(library, model, interactions.track_ids, summary, encoder),
        **counts,
        tuning=tuning_version,
        recall=recall,
        other_encoder=tuning is not None and tuning.fingerprint != (encoder or ""),
        seconds=time.monotonic() - begin,
    )


def _counts(model: HybridRecommender, users: int) -> dict[str, int]:
    tracks = model.tracks
    embedded, cold = int(tracks.has_audio.sum()), int((tracks.support == 0).sum())
    return {"users": users, "tracks": len(tracks), "embedded": embedded, "cold": cold}


def _settings(model: HybridRecommender) -> dict[str, Any]:
    # Of the fitted model: there, settings that depend on the plays have their values.
    collaborative = model.fitted_model.collaborative.to_dict()
    return {"blend": model.blend.to_dict(), "collaborative": collaborative}


def _index(model: HybridRecommender, index_from: int) -> float | None:
    """Index the tracks if there are many; returns the lowest recall of answers to users."""
    if np.count_nonzero(model.tracks.scorable) < index_from:
        return None
    return min(search.recall for search in model.index_tracks().users.search_parameters)


def _recommender(
    chosen: Tuning | None,
    collaborative: CollaborativeConfig | None,
    blend: BlendConfig | None,
    seed: int,
) -> HybridRecommender:
    """A recommender with the settings given, else those that `tune` chose, else the defaults."""
    if chosen is None:
        return HybridRecommender(collaborative, blend=blend, random_state=seed)
    collaborative, blend = collaborative or chosen.collaborative, blend or chosen.blend
    return HybridRecommender(collaborative, chosen.projection, blend, random_state=seed)
