"""The current model, kept in step with the library while it serves.

New tracks, new plays and deletions that anybody writes to the library reach it
at the next `catch_up`, without a refit.
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
from hybridrec.serving.files import State
from hybridrec.storage.changes import Changes
from hybridrec.storage.library import Library
from hybridrec.workflows.fit import align, load_model

REFRESHED_UP_TO_LISTENERS = 50
"""A track with more listeners keeps its factors until the next fit: one more play changes little."""

MOST_FRESH = 2000
"""Tracks beside the index; they are scored one by one in every answer, so more than these should join it."""

MOST_CHANGED_SHARE = 50
"""One track in fifty may have changed before a new state is written; each is taken in anew at every start."""


class LiveModel:
    """A recommender over all tracks of a library, by their ids.

    Args:
        library: what it keeps in step with.
        state: as far as it is known; whoever gives it may no longer change it.
    """

    def __init__(self, library: Library, state: State) -> None:
        self._library = library
        self.state = state
        self._changed: set[str] = set()
        self._first_sound = False

    @classmethod
    def built(cls, library: Library) -> LiveModel:
        """From what the library stores: the current model, the embeddings of its ears, its plays."""
        seq, fingerprint = library.seq(), library.ears()
        current = library.current("model")
        model, ids = (_unfitted(), IdMap()) if current is None else load_model(library)
        fitted_to = None if current is None else current.fingerprint or None
        fitted_support = model.tracks.support.copy() if model.is_fitted else np.zeros(0, np.int64)
        support = library.support()
        for id_ in support:
            ids.add(id_)
        listeners = np.array([support.get(id_, 0) for id_ in ids], dtype=np.int64)
        version = None if current is None else current.version
        live = cls(library, State(model, ids, listeners, version, fingerprint, seq))
        live._hear_all(same_ears=fitted_to == fingerprint)
        fitted_support = np.pad(fitted_support, (0, len(ids) - len(fitted_support)))
        live._refresh_plays([ids.id(row) for row in np.flatnonzero(listeners != fitted_support).tolist()])
        return live

    @property
    def model(self) -> HybridRecommender:
        """The recommender; its rows are those of `ids`."""
        return self.state.model

    @property
    def ids(self) -> IdMap:
        """Track ids by row."""
        return self.state.ids

    @property
    def is_outgrown(self) -> bool:
        """Whether so much changed since the state was given that a new one should be written."""
        indexes = self.model.fitted.indexes
        tier = 0 if indexes is None else len(indexes.fresh)
        return tier > MOST_FRESH or len(self._changed) > max(MOST_FRESH, len(self.ids) // MOST_CHANGED_SHARE)

    def support(self, id_: str) -> int:
        """How many distinct users have played a track."""
        row = self.ids.get(id_)
        return 0 if row is None else int(self.state.listeners[row])

    def catch_up(self) -> bool:
        """Take in what was written since; returns whether the library has another model, or other ears, by now."""
        changes = self._library.changes_since(self.state.seq)
        if changes.seq != self.state.seq:
            self._apply(changes)
        return changes.models or changes.ears or self._first_sound

    def user_row(self, weights: dict[str, float]) -> sp.csr_matrix:
        """Summed weights by track id as CSR `(1, n)` confidences; what cannot be scored is left out."""
        known = {row: weight for id_, weight in weights.items() if weight and (row := self.ids.get(id_)) is not None}
        rows = np.array(sorted(known), dtype=np.int64)
        rows = rows[self.model.tracks.comparable(sound=True, behaviour=True, rows=rows)]
        data = confidence(np.array([known[row] for row in rows.tolist()], dtype=np.float64))
        return sp.csr_matrix((data, rows, [0, len(rows)]), shape=(1, len(self.ids)))

    # --- keeping in step -----------------------------------------------------------

    def _hear_all(self, *, same_ears: bool) -> None:
        fingerprint = self.state.fingerprint
        heard = None if fingerprint is None else self._library.embeddings(fingerprint)
        embeddings = None if heard is None else align(heard, self.ids)
        if not self.model.is_fitted:
            self.model.fit(sp.csr_matrix((0, len(self.ids)), dtype=np.float32), item_embeddings=embeddings)
            return
        indexes, self.model.fitted.indexes = self.model.fitted.indexes, None
        fitted = len(self.model.tracks)
        self.model.tracks.grow(len(self.ids))
        if embeddings is not None and not (same_ears and embeddings.shape[1] == self.model.tracks.embeddings.shape[1]):
            self.model.hear(embeddings)
            return
        if embeddings is not None:
            self.model.fitted.put_items(np.arange(len(self.ids)), embeddings=embeddings)
        self.model.fitted.indexes = indexes
        if indexes is not None:
            indexes.outdate(np.arange(fitted, len(self.ids)))

    def _apply(self, changes: Changes) -> None:
        self.state.seq = changes.seq
        if changes.tracks:
            here = self._library.tracks(changes.tracks)
            self._forget(changes.tracks - here.keys())
            self._hear(here.keys())
        if changes.plays:
            known = [id_ for id_ in changes.plays if id_ in self.ids]
            for id_, n in self._library.support(known).items():
                self.state.listeners[self.ids.row(id_)] = n
            self._refresh_plays(known)
        self._changed |= changes.tracks | changes.plays

    def _forget(self, gone: Collection[str]) -> None:
        rows = self.rows(gone)
        self.state.listeners[rows] = 0
        tracks = self.model.tracks
        nothing = np.zeros((len(rows), tracks.factors.shape[1]), dtype=np.float32)
        silence = np.full((len(rows), tracks.embeddings.shape[1]), np.nan, dtype=np.float32)
        self.model.fitted.put_items(rows, factors=nothing, support=np.zeros(len(rows), np.int64), embeddings=silence)

    def _hear(self, ids: Collection[str]) -> None:
        for id_ in ids:
            self.ids.add(id_)
        self.model.tracks.grow(len(self.ids))
        self.state.listeners = np.pad(self.state.listeners, (0, len(self.ids) - len(self.state.listeners)))
        if self.state.fingerprint is None:
            return
        heard = self._library.embeddings(self.state.fingerprint, ids)
        self._first_sound = len(heard.ids) > 0 and self.model.tracks.embeddings.shape[1] == 0
        if not self._first_sound:
            self.model.fitted.put_items(self.rows(heard.ids), embeddings=heard.vectors)

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

    def rows(self, ids: Collection[str]) -> NDArray[np.int64]:
        """The rows of ids, `(n,)` int64; unknown ones are left out."""
        return np.array([row for id_ in ids if (row := self.ids.get(id_)) is not None], dtype=np.int64)


def _unfitted() -> HybridRecommender:
    """A recommender for a library without a model, quick to make as a server starts."""
    return HybridRecommender(projection=ProjectionConfig(placement="random"))
