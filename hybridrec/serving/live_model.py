"""The current model, kept in step with the library while it serves.

What others write reaches it in two ways. A request knows the tracks that were
added or deleted last, at most `KNOWN_AT_ONCE` of them, which takes a handful of
statements however much was written: so a track is recommendable to the very next
request after its upload, and a deleted one is not. A user's own plays are read
with every request. All the rest follows beside the requests, in batches: more new
tracks than that, and the support and factors that played tracks have by now.

The number of the feed moves on only after what it stands for is taken in, and
taking in the same twice changes nothing: after an error all is done again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hybridrec.config import ProjectionConfig
from hybridrec.data.embeddings import Embeddings, align
from hybridrec.data.ids import IdMap
from hybridrec.data.interactions import confidence
from hybridrec.model.recommender import HybridRecommender
from hybridrec.model.store import load_model
from hybridrec.serving.files import State
from hybridrec.serving.refresh import factors_of
from hybridrec.storage.changes import Changes
from hybridrec.storage.database import batches
from hybridrec.storage.library import Library

KNOWN_AT_ONCE = 100
"""Tracks that a request itself takes in, the newest ones; more are left to what runs beside it."""

TAKEN_IN_AT_ONCE = 1000
"""Tracks that are taken in together beside the requests, which wait while their rows are written."""

REFRESHED_UP_TO_LISTENERS = 50
"""A track with more listeners keeps the factors that it was fitted with: one more play changes little."""

MOST_FRESH = 2000
"""Tracks beside the index; they are scored one by one in every answer, so more than these should join it."""

MOST_CHANGED_SHARE = 50
"""One track in fifty may have changed before a new state is written; each is taken in anew at every start."""

Rest = Callable[[float], None]
"""Called after a batch with the seconds that it took; what runs beside requests leaves them time here."""


@dataclass(frozen=True)
class Totals:
    """How many tracks a model has.

    Attributes:
        scorable: that can be recommended.
        embedded: that can be recommended by their sound.
        cold: that can be recommended, and nobody has played.
    """

    scorable: int
    embedded: int
    cold: int


def _no_rest(_seconds: float) -> None:
    return


class LiveModel:
    """A recommender over all tracks of a library, by their ids.

    Args:
        library: what it keeps in step with.
        state: as far as it is known; whoever gives it may no longer change it.

    Attributes:
        lock: held by whoever reads rows that must belong together, and by whoever changes them.
        known_up_to: the number of the feed up to which requests know the newest tracks.
        totals: kept, so that nobody waits for a count.
    """

    def __init__(self, library: Library, state: State) -> None:
        self._library = library
        self.state = state
        self.lock = threading.RLock()
        self._given_at = self.known_up_to = state.seq
        self._one_request = threading.Lock()
        self._known_by_requests: set[str] = set()
        self._unrefreshed: dict[str, None] = {}
        self._changed: set[str] = set()
        self._first_audio = False
        self.totals = self._count()

    @classmethod
    def built(cls, library: Library) -> LiveModel:
        """From what the library stores: the current model, the embeddings of its ears, its plays."""
        seq, fingerprint = library.seq(), library.encoder()
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
        live._embed_all(same_encoder=fitted_to == fingerprint)
        fitted_support = np.pad(fitted_support, (0, len(ids) - len(fitted_support)))
        live._unrefreshed = dict.fromkeys(
            ids.id(row) for row in np.flatnonzero(listeners != fitted_support).tolist()
        )
        live._refresh_all(_no_rest)
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
        indexes = self.model.fitted_model.indexes
        tier = 0 if indexes is None else len(indexes.fresh)
        return tier > MOST_FRESH or len(self._changed) > max(
            MOST_FRESH, len(self.ids) // MOST_CHANGED_SHARE
        )

    def support(self, id_: str) -> int:
        """How many distinct users have played a track."""
        row = self.ids.get(id_)
        return 0 if row is None else int(self.state.listeners[row])

    @property
    def awaits_sound(self) -> bool:
        """Whether the library has its first embeddings by now, which only a successor can know."""
        return self._first_audio

    def know_newest(self) -> bool:
        """Know the tracks that were added, heard or deleted last; returns whether the library has changed at all.

        Raises:
            LibraryError: if the library cannot be read; the next call does what is left.
        """
        if self._library.seq() == self.known_up_to:
            return self.known_up_to != self.state.seq
        with self._one_request:
            newest = self._library.seq()
            self._take_in(
                self._library.newest_tracks(self.known_up_to, KNOWN_AT_ONCE), by_request=True
            )
            self.known_up_to = max(self.known_up_to, newest)
        return True

    def is_superseded(self) -> bool:
        """Whether the library has another model, or other ears, since the state was given."""
        return self._first_audio or self._library.switched_since(self._given_at)

    def catch_up(self, rest: Rest = _no_rest) -> None:
        """Take in all that was written since, save another model and other ears, which want a successor.

        Args:
            rest: called after each batch.

        Raises:
            LibraryError: if the library cannot be read; the next call does what is left.
        """
        self._take_in_all(self._library.changes_since(self.state.seq), rest)
        self._refresh_all(rest)

    def user_row(self, weights: dict[str, float]) -> sp.csr_matrix:
        """Summed weights by track id as CSR `(1, n)` confidences; what cannot be scored is left out."""
        known = {
            row: weight
            for id_, weight in weights.items()
            if weight and (row := self.ids.get(id_)) is not None
        }
        rows = np.array(sorted(known), dtype=np.int64)
        rows = rows[self.model.tracks.comparable(audio=True, behaviour=True, rows=rows)]
        data = confidence(np.array([known[row] for row in rows.tolist()], dtype=np.float64))
        return sp.csr_matrix((data, rows, [0, len(rows)]), shape=(1, len(self.ids)))

    # --- keeping in step -----------------------------------------------------------

    def _embed_all(self, *, same_encoder: bool) -> None:
        fingerprint = self.state.fingerprint
        with_audio = None if fingerprint is None else self._library.embeddings(fingerprint)
        embeddings = None if with_audio is None else align(with_audio, self.ids)
        if not self.model.is_fitted:
            self.model.fit(
                sp.csr_matrix((0, len(self.ids)), dtype=np.float32), item_embeddings=embeddings
            )
            return
        indexes, self.model.fitted_model.indexes = self.model.fitted_model.indexes, None
        fitted_model = len(self.model.tracks)
        self.model.tracks.grow(len(self.ids))
        if embeddings is not None and not (
            same_encoder and embeddings.shape[1] == self.model.tracks.embeddings.shape[1]
        ):
            self.model.replace_embeddings(embeddings)
            return
        if embeddings is not None:
            self.model.fitted_model.put_items(np.arange(len(self.ids)), embeddings=embeddings)
        self.model.fitted_model.indexes = indexes
        if indexes is not None:
            indexes.outdate(np.arange(fitted_model, len(self.ids)))

    def _take_in_all(self, changes: Changes, rest: Rest) -> None:
        for batch in batches(sorted(changes.tracks), TAKEN_IN_AT_ONCE):
            begin = time.monotonic()
            self._take_in(batch)
            rest(time.monotonic() - begin)
        self._unrefreshed |= dict.fromkeys(changes.plays)
        self._changed |= changes.tracks | changes.plays
        self.state.seq = changes.seq

    def _take_in(self, ids: Collection[str], *, by_request: bool = False) -> None:
        """Know whether tracks are there and how they sound; what requests learn meanwhile is newer, and stays."""
        if not by_request:
            self._known_by_requests.clear()
        if not ids:
            return
        here, with_audio = self._library.tracks(ids).keys(), self._embedded(ids)
        with self.lock:
            newer = set() if by_request else set(self._known_by_requests)
            if by_request:
                self._known_by_requests.update(ids)
            self._forget(set(ids) - here - newer)
            self._add([id_ for id_ in ids if id_ in here and id_ not in newer])
            self._embed(with_audio, newer)
            self.totals = self._count()

    def _embedded(self, ids: Collection[str]) -> Embeddings | None:
        fingerprint = self.state.fingerprint or self._library.encoder()
        return None if fingerprint is None else self._library.embeddings(fingerprint, ids)

    def _forget(self, gone: Collection[str]) -> None:
        rows = self.rows(gone)
        self.state.listeners[rows] = 0
        tracks = self.model.tracks
        nothing = np.zeros((len(rows), tracks.factors.shape[1]), dtype=np.float32)
        silence = np.full((len(rows), tracks.embeddings.shape[1]), np.nan, dtype=np.float32)
        self.model.fitted_model.put_items(
            rows, factors=nothing, support=np.zeros(len(rows), np.int64), embeddings=silence
        )

    def _add(self, ids: Collection[str]) -> None:
        for id_ in ids:
            self.ids.add(id_)
        self.model.tracks.grow(len(self.ids))
        self.state.listeners = np.pad(
            self.state.listeners, (0, len(self.ids) - len(self.state.listeners))
        )

    def _embed(self, with_audio: Embeddings | None, newer: Collection[str]) -> None:
        if with_audio is None or not with_audio.ids:
            return
        self._first_audio = self._first_audio or self.model.tracks.embeddings.shape[1] == 0
        if self._first_audio:
            return
        mine = [
            place
            for place, id_ in enumerate(with_audio.ids)
            if id_ not in newer and id_ in self.ids
        ]
        rows = self.ids.rows([with_audio.ids[place] for place in mine])
        self.model.fitted_model.put_items(rows, embeddings=with_audio.vectors[mine])

    def _refresh_all(self, rest: Rest) -> None:
        """Give tracks the support and factors that their present listeners make, the longest waiting first."""
        for batch in batches(list(self._unrefreshed), TAKEN_IN_AT_ONCE):
            begin = time.monotonic()
            self._refresh([id_ for id_ in batch if id_ in self.ids])
            for id_ in batch:
                del self._unrefreshed[id_]
            rest(time.monotonic() - begin)

    def _refresh(self, ids: Collection[str]) -> None:
        """Take in the plays of some tracks; twice is the same as once."""
        listeners, has_behaviour = self._library.support(ids), self.model.has_behaviour
        with self.lock:
            rows = self.ids.rows(ids)
            fitted_to = self.model.tracks.support[rows]
        support = np.array([listeners[id_] for id_ in ids], dtype=np.int64)
        moving = (support <= REFRESHED_UP_TO_LISTENERS) | (fitted_to == 0)
        wanted = [id_ for id_, moves in zip(ids, moving.tolist(), strict=True) if moves]
        placed = (
            factors_of(self._library, self.model.fitted_model, self.ids, wanted)
            if has_behaviour and wanted
            else None
        )
        with self.lock:
            self.state.listeners[rows] = support
            if has_behaviour:
                self.model.fitted_model.put_items(rows[~moving], support=support[~moving])
            if placed is not None:
                self.model.fitted_model.put_items(
                    rows[moving], factors=placed, support=support[moving]
                )
            self.totals = self._count()

    def _count(self) -> Totals:
        if not self.model.is_fitted:
            return Totals(0, 0, 0)
        tracks = self.model.tracks
        scorable = tracks.scorable
        cold = np.count_nonzero(scorable & (tracks.support == 0))
        return Totals(
            int(np.count_nonzero(scorable)), int(np.count_nonzero(tracks.has_audio)), int(cold)
        )

    def rows(self, ids: Collection[str]) -> NDArray[np.int64]:
        """The rows of ids, `(n,)` int64; unknown ones are left out."""
        return np.array(
            [row for id_ in ids if (row := self.ids.get(id_)) is not None], dtype=np.int64
        )


def _unfitted() -> HybridRecommender:
    """A recommender for a library without a model, quick to make as a server starts."""
    return HybridRecommender(projection=ProjectionConfig(placement="random"))
