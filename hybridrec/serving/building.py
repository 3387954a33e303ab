"""Builds what a process serves from out of what the library stores."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from hybridrec.config import ProjectionConfig
from hybridrec.data.arrays import Array
from hybridrec.data.embeddings import align
from hybridrec.data.ids import IdMap
from hybridrec.model.recommender import HybridRecommender
from hybridrec.model.store import load_model
from hybridrec.serving.files import State
from hybridrec.storage.library import Library


def build_state(library: Library) -> State:
    """The current model over all tracks of the library, with the embeddings of its encoder.

    Factors and support are those of the fit; `State.listeners` has the support of now.

    Raises:
        LibraryError: if the library cannot be read, or its model is damaged or too new.
    """
    seq, fingerprint = library.seq(), library.fingerprint()
    current = library.current("model")
    model, ids = (_unfitted(), IdMap()) if current is None else load_model(library)
    support = library.support()
    for id_ in support:
        ids.add(id_)
    listeners = np.array([support.get(id_, 0) for id_ in ids], dtype=np.int64)
    stored = None if fingerprint is None else library.embeddings(fingerprint)
    embeddings = None if stored is None else align(stored, ids)
    if current is None:
        nobody = sp.csr_matrix((0, len(ids)), dtype=np.float32)
        model.fit(nobody, item_embeddings=embeddings)
        return State(model, ids, listeners, None, fingerprint, seq)
    same_encoder = (current.fingerprint or None) == fingerprint
    _put_embeddings(model, len(ids), embeddings, same_encoder=same_encoder)
    return State(model, ids, listeners, current.version, fingerprint, seq)


def _put_embeddings(
    model: HybridRecommender, n_tracks: int, embeddings: Array | None, *, same_encoder: bool
) -> None:
    """Extend a fitted model to n tracks and set their embeddings `(n, d)`."""
    fitted_model, n_fitted = model.fitted_model, len(model.tracks)
    # Without the index meanwhile: with it, every row would be marked as changed.
    indexes, fitted_model.indexes = fitted_model.indexes, None
    fitted_model.tracks.grow(n_tracks)
    if embeddings is not None:
        n_dimensions = fitted_model.tracks.embeddings.shape[1]
        if not same_encoder or embeddings.shape[1] != n_dimensions:
            # The audio side is refitted, so the stored index no longer matches the vectors.
            model.replace_embeddings(embeddings)
            return
        fitted_model.put_items(np.arange(n_tracks), embeddings=embeddings)
    fitted_model.indexes = indexes
    if indexes is not None:
        indexes.outdate(np.arange(n_fitted, n_tracks))


def _unfitted() -> HybridRecommender:
    """A recommender for a library without a model, which is fitted quickly as a server starts."""
    return HybridRecommender(projection=ProjectionConfig(placement="random"))
