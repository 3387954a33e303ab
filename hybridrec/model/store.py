"""Saving and loading the current model of a library."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from hybridrec.data.ids import IdMap
from hybridrec.errors import LibraryError
from hybridrec.model.recommender import HybridRecommender
from hybridrec.storage.library import Library

INDEXED_FROM = 50_000
"""From this number of tracks on, a library's model is indexed: scoring all for every answer
would then take longer than the index takes to find the best."""


def save_model(
    library: Library,
    model: HybridRecommender,
    track_ids: IdMap,
    summary: Mapping[str, Any],
    fingerprint: str | None,
) -> int:
    """Make a fitted model the library's current one.

    Embeddings and users are left out: the library holds the embeddings and the plays, from
    which they are restored.

    Args:
        library: holds the model's tracks, embeddings and plays.
        model: fitted.
        track_ids: ids of its rows.
        summary: settings and figures, ready for JSON.
        fingerprint: of the encoder whose embeddings it was fitted to, which may differ from the
            library's present one; None: it was fitted without embeddings.

    Returns:
        The version.
    """
    return library.save_artefact("model", _to_bytes(model, track_ids), fingerprint or "", summary)


def load_model(library: Library) -> tuple[HybridRecommender, IdMap]:
    """The library's current model and the ids of its rows, without embeddings and users.

    Raises:
        NotFound: if no model was fitted yet.
        LibraryError: if it is damaged or newer than this program.
    """
    with np.load(io.BytesIO(library.artefact_bytes("model")), allow_pickle=False) as parts:
        try:
            track_ids = IdMap(json.loads(parts["track_ids"].tobytes()))
            model = HybridRecommender.load(io.BytesIO(parts["model"].tobytes()))
        except (KeyError, ValueError) as error:
            fix = "run `hybridrec fit`"
            raise LibraryError("the stored model is damaged", got=str(error), fix=fix) from None
    return model, track_ids


def _to_bytes(model: HybridRecommender, track_ids: IdMap) -> bytes:
    model_file, artefact = io.BytesIO(), io.BytesIO()
    model.save(model_file, without=("users", "embeddings"))
    contents = {
        "track_ids": json.dumps(list(track_ids)).encode(),
        "model": model_file.getvalue(),
    }
    arrays = {name: np.frombuffer(content, np.uint8) for name, content in contents.items()}
    np.savez(artefact, allow_pickle=False, **arrays)
    return artefact.getvalue()
