"""Fitting a library's model: plays to factors, embeddings to the factor space, both kept as a version."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybridrec.config import BlendConfig, CollaborativeConfig
from hybridrec.data.embeddings import Embeddings
from hybridrec.data.ids import IdMap
from hybridrec.errors import LibraryError, NotReady
from hybridrec.model.recommender import HybridRecommender
from hybridrec.storage.library import Library
from hybridrec.workflows.tuning import Tuning, tuned

INDEXED_FROM = 50_000
"""So many tracks take longer to score for every answer than an index takes to find the best of them."""


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
        raise NotReady("there is nothing to fit: the library has no tracks", fix="ingest audio or plays first")
    encoder = library.encoder()
    embeddings = None if encoder is None else align(library.embeddings(encoder), known.track_ids)
    stored = library.current("tuning")
    model = _recommender(tuned(library), collaborative, blend, seed)
    model.fit(known.matrix, show_progress=show_progress, item_embeddings=embeddings)
    indexed = model.index_tracks() if np.count_nonzero(model.tracks.scorable) >= index_from else None
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
    recall = None if indexed is None else min(search.recall for search in indexed.users.search_parameters)
    other_encoder = stored is not None and stored.fingerprint != (encoder or "")
    seconds = time.monotonic() - begin
    return FitReport(version, **counts, tuning=tuning, recall=recall, other_encoder=other_encoder, seconds=seconds)


def _recommender(
    chosen: Tuning | None, collaborative: CollaborativeConfig | None, blend: BlendConfig | None, seed: int
) -> HybridRecommender:
    """A recommender with the settings that are given, else those that `tune` chose, else the defaults."""
    if chosen is None:
        return HybridRecommender(collaborative, blend=blend, random_state=seed)
    collaborative, blend = collaborative or chosen.collaborative, blend or chosen.blend
    return HybridRecommender(collaborative, chosen.projection, blend, random_state=seed)


def align(embeddings: Embeddings, track_ids: IdMap) -> NDArray[np.float32]:
    """Embeddings in the order of the rows, `(n_tracks, d)` float32; a row of NaN has no audio."""
    aligned = np.full((len(track_ids), embeddings.vectors.shape[1]), np.nan, dtype=np.float32)
    here = [(row, i) for i, id_ in enumerate(embeddings.ids) if (row := track_ids.get(id_)) is not None]
    if here:
        rows, sources = np.array(here).T
        aligned[rows] = embeddings.vectors[sources]
    return aligned


def save_model(
    library: Library,
    model: HybridRecommender,
    track_ids: IdMap,
    summary: Mapping[str, Any],
    fingerprint: str | None,
) -> int:
    """Make a fitted model the library's current one; returns the version.

    Args:
        library: that has its tracks, embeddings and plays.
        model: fitted.
        track_ids: of its rows.
        summary: settings and figures, ready for JSON.
        fingerprint: of the encoder whose embeddings it was fitted to, which need not be the library's by
            now; None: it was fitted without.
    """
    return library.save_artefact("model", _to_bytes(model, track_ids), fingerprint or "", summary)


def load_model(library: Library) -> tuple[HybridRecommender, IdMap]:
    """The library's current model and the tracks of its rows, without their embeddings and without users.

    Raises:
        NotFound: if no model was fitted yet.
        LibraryError: if it is damaged or newer than this program.
    """
    with np.load(io.BytesIO(library.artefact_bytes("model")), allow_pickle=False) as parts:
        try:
            track_ids = IdMap(json.loads(parts["track_ids"].tobytes()))
            model = HybridRecommender.load(io.BytesIO(parts["model"].tobytes()))
        except (KeyError, ValueError) as error:
            raise LibraryError("the stored model is damaged", got=str(error), fix="run `hybridrec fit`") from None
    return model, track_ids


def _to_bytes(model: HybridRecommender, track_ids: IdMap) -> bytes:
    model_file, artefact = io.BytesIO(), io.BytesIO()
    model.save(model_file, without=("users", "embeddings"))
    ids = json.dumps(list(track_ids)).encode()
    parts = {"track_ids": ids, "model": model_file.getvalue()}
    np.savez(artefact, allow_pickle=False, **{name: np.frombuffer(part, np.uint8) for name, part in parts.items()})
    return artefact.getvalue()
