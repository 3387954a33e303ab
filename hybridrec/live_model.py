"""The current model, kept in step with the library while it serves.

New tracks, new plays, deletions and new models that anybody writes to the
library reach it at the next `catch_up`, without a refit.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hybridrec.collaborative.als import fold_in
from hybridrec.config import ProjectionConfig
from hybridrec.data.ids import IdMap
from hybridrec.data.interactions import confidence
from hybridrec.recommender import HybridRecommender
from hybridrec.storage.changes import Changes
from hybridrec.storage.library import Library
from hybridrec.workflows.fit import align, load_model

REFRESHED_UP_TO_LISTENERS = 50
"""A track with more listeners keeps its factors until the next fit: one more play changes little."""


class LiveModel:
    """A recommender over all tracks of a library, by their ids.

    Attributes:
        model: the recommender; its rows are those of `ids`.
        ids: track ids by row; the rows of deleted tracks stay, unscorable.
        version: of the model, or None before the first fit: then sound alone answers.
        fingerprint: the ears whose embeddings are used, or None.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._seq = library.seq()
        self.fingerprint = library.ears()
        current = library.current("model")
        self.version = None if current is None else current.version
        self.model, self.ids = (_unfitted(), IdMap()) if current is None else load_model(library)
        fitted_to = None if current is None else current.fingerprint or None
        self._support = library.support()
        fitted_support = self._fitted_support()
        for id_ in self._support:
            self.ids.add(id_)
        self._hear_all(same_ears=fitted_to == self.fingerprint)
        self._refresh_plays([id_ for id_, n in self._support.items() if n != fitted_support.get(id_, 0)])

    def support(self, id_: str) -> int:
        """How many distinct users have played a track."""
        return self._support.get(id_, 0)

    def catch_up(self) -> LiveModel:
        """Take in what was written since; returns itself, or its successor if another model is current."""
        changes = self._library.changes_since(self._seq)
        first_sound = bool(changes.tracks) and self.model.tracks.embeddings.shape[1] == 0
        if changes.models or changes.ears or first_sound:
            return LiveModel(self._library)
        if changes.seq != self._seq:
            self._apply(changes)
        return self

    def user_row(self, weights: dict[str, float]) -> sp.csr_matrix:
        """Summed weights by track id as CSR `(1, n)` confidences; what cannot be scored is left out."""
        known = {row: weight for id_, weight in weights.items() if weight and (row := self.ids.get(id_)) is not None}
        rows = np.array(sorted(known), dtype=np.int64)
        rows = rows[self.model.tracks.comparable(sound=True, behaviour=True, rows=rows)]
        data = confidence(np.array([known[row] for row in rows.tolist()], dtype=np.float64))
        return sp.csr_matrix((data, rows, [0, len(rows)]), shape=(1, len(self.ids)))

    # --- keeping in step -----------------------------------------------------------

    def _fitted_support(self) -> dict[str, int]:
        if not self.model.is_fitted:
            return {}
        return dict(zip(self.ids, self.model.tracks.support.tolist(), strict=True))

    def _hear_all(self, *, same_ears: bool) -> None:
        heard = None if self.fingerprint is None else self._library.embeddings(self.fingerprint)
        embeddings = None if heard is None else align(heard, self.ids)
        if not self.model.is_fitted:
            self.model.fit(sp.csr_matrix((0, len(self.ids)), dtype=np.float32), item_embeddings=embeddings)
            return
        self.model.tracks.grow(len(self.ids))
        if embeddings is None:
            return
        if same_ears and embeddings.shape[1] == self.model.tracks.embeddings.shape[1]:
            self.model.fitted.put_items(np.arange(len(self.ids)), embeddings=embeddings)
        else:
            self.model.hear(embeddings)

    def _apply(self, changes: Changes) -> None:
        self._seq = changes.seq
        if changes.tracks:
            here = self._library.tracks(changes.tracks)
            self._forget(changes.tracks - here.keys())
            self._hear(here.keys())
        if changes.plays:
            self._support.update(self._library.support(changes.plays & set(self.ids)))
            self._refresh_plays(changes.plays)

    def _forget(self, gone: Collection[str]) -> None:
        for id_ in gone:
            self._support.pop(id_, None)
        rows = self._rows(gone)
        tracks = self.model.tracks
        nothing = np.zeros((len(rows), tracks.factors.shape[1]), dtype=np.float32)
        silence = np.full((len(rows), tracks.embeddings.shape[1]), np.nan, dtype=np.float32)
        self.model.fitted.put_items(rows, factors=nothing, support=np.zeros(len(rows), np.int64), embeddings=silence)

    def _hear(self, ids: Collection[str]) -> None:
        for id_ in ids:
            self.ids.add(id_)
            self._support.setdefault(id_, 0)
        self.model.tracks.grow(len(self.ids))
        if self.fingerprint is None:
            return
        heard = self._library.embeddings(self.fingerprint, ids)
        self.model.fitted.put_items(self._rows(heard.ids), embeddings=heard.vectors)

    def _refresh_plays(self, ids: Collection[str]) -> None:
        """Give tracks the support and factors that their present listeners make."""
        if not self.model.knows_taste:
            return
        for id_ in ids:
            row = self.ids.get(id_)
            if row is None:
                continue
            few = self.support(id_) <= REFRESHED_UP_TO_LISTENERS or self.model.tracks.support[row] == 0
            self.model.fitted.put_items(
                np.array([row]),
                factors=self._factors_of(id_) if few else None,
                support=np.array([self.support(id_)], dtype=np.int64),
            )

    def _factors_of(self, id_: str) -> NDArray[np.float32]:
        """Factors of a track from its listeners, each as the rest of her plays tells her taste."""
        listeners = self._library.listeners(id_)
        n, fitted = len(listeners), self.model.fitted
        factors = np.zeros((n, fitted.user_gram.shape[0]), dtype=np.float32)
        for k, user in enumerate(listeners):
            others = {other: weight for other, weight in self._library.user_weights(user).items() if other != id_}
            factors[k] = fitted.fold_in_users(self.user_row(others))[0]
        weights = confidence(np.array(list(listeners.values()), dtype=np.float64))
        row = sp.csr_matrix((weights, (np.zeros(n, dtype=np.int64), np.arange(n))), shape=(1, n))
        return fold_in(row, factors, fitted.user_gram, fitted.collaborative)

    def _rows(self, ids: Collection[str]) -> NDArray[np.int64]:
        return np.array([row for id_ in ids if (row := self.ids.get(id_)) is not None], dtype=np.int64)


def _unfitted() -> HybridRecommender:
    """A recommender for a library without a model, quick to make as a server starts."""
    return HybridRecommender(projection=ProjectionConfig(placement="random"))
