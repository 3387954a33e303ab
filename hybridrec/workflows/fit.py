"""Fitting a library's model: plays to factors, embeddings to the factor space, both kept as a version."""

from __future__ import annotations

import time
from dataclasses import dataclass

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
        version: of the model that is now current.
        users, tracks: how many rows the model has.
        heard, cold: tracks with audio, and tracks that nobody played.
        tuning: version of the tuning whose settings were used, or None for the defaults.
        recall: share of the true ten best that an answer to a user has, at the audio weight that has the
            fewest, as the index was measured; None where there are so few tracks that all are scored.
        other_ears: whether that tuning was made with other ears, so that `tune` should run again.
        seconds: how long it took.
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
        index_from: index the tracks where so many can be ranked; fewer are all scored for each answer.
        seed: same seed, same model.
        show_progress: draw a bar.

    Raises:
        NotReady: if the library has no tracks.
    """
    begin = time.monotonic()
    known = library.interactions()
    if len(known.track_ids) == 0:
        raise NotReady(
            "there is nothing to fit: the library has no tracks", fix="ingest audio or plays first"
        )
    encoder = library.encoder()
    embeddings = None if encoder is None else align(library.embeddings(encoder), known.track_ids)
    stored = library.current("tuning")
    model = _recommender(tuned(library), collaborative, blend, seed)
    model.fit(known.matrix, show_progress=show_progress, item_embeddings=embeddings)
    indexed = (
        model.index_tracks() if np.count_nonzero(model.tracks.scorable) >= index_from else None
    )
    support = model.tracks.support
    counts = {
        "users": len(known.user_ids),
        "tracks": len(known.track_ids),
        "embedded": int(model.tracks.has_audio.sum()),
        "cold": int((support == 0).sum()),
    }
    tuning = None if stored is None else stored.version
    summary = {**counts, "tuning": tuning, "seed": seed, "blend": model.blend.to_dict()}
    summary["collaborative"] = model.fitted_model.collaborative.to_dict()
    version = save_model(library, model, known.track_ids, summary, encoder)
    recall = (
        None
        if indexed is None
        else min(search.recall for search in indexed.users.search_parameters)
    )
    other_encoder = stored is not None and stored.fingerprint != (encoder or "")
    seconds = time.monotonic() - begin
    return FitReport(
        version,
        **counts,
        tuning=tuning,
        recall=recall,
        other_encoder=other_encoder,
        seconds=seconds,
    )


def _recommender(
    chosen: Tuning | None,
    collaborative: CollaborativeConfig | None,
    blend: BlendConfig | None,
    seed: int,
) -> HybridRecommender:
    """A recommender with the settings that are given, else those that `tune` chose, else the defaults."""
    if chosen is None:
        return HybridRecommender(collaborative, blend=blend, random_state=seed)
    collaborative, blend = collaborative or chosen.collaborative, blend or chosen.blend
    return HybridRecommender(collaborative, chosen.projection, blend, random_state=seed)
