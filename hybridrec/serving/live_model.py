"""The current model, kept up to date with the library while it serves.

What was written to the library reaches the model in two ways. A request itself adds the newest
tracks and removes deleted ones, at most `MAX_TRACKS_PER_REQUEST` of them, with a fixed number of
statements: a track can be recommended by the first request after its upload, and a deleted one
never again. A user's own plays are read with every request. Everything else follows in the
background, in batches: more new tracks than that, and the support and factors of played tracks.

The sequence number of the change feed moves on only after the changes up to it are applied, and
applying a change twice gives the same result as once: after an error, all is applied again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from hybridrec.data.arrays import Rows
from hybridrec.data.embeddings import Embeddings
from hybridrec.data.ids import IdMap
from hybridrec.data.interactions import confidence
from hybridrec.model.recommender import HybridRecommender
from hybridrec.serving.building import build_state
from hybridrec.serving.files import State
from hybridrec.serving.fold_in import fold_in_tracks
from hybridrec.storage.changes import Changes
from hybridrec.storage.database import batches
from hybridrec.storage.library import Library

MAX_TRACKS_PER_REQUEST = 100
"""Changed tracks that a request itself applies, the newest ones; the background does the others."""

BATCH_TRACKS = 1000
"""Tracks of a batch in the background; requests wait while the rows of a batch are written."""

MAX_SUPPORT_TO_FOLD_IN = 50
"""A fitted track with more listeners keeps its factors: one more play would change them little."""

MAX_FRESH = 2000
"""Tracks beside the index are scored one by one in every answer; more than these should join it."""

MAX_CHANGED_SHARE = 0.02
"""The share of tracks that may change before new files are written: every start of a process
applies these changes again."""

Pause = Callable[[float], None]
"""Called after each batch with the seconds that it took; leaves processor time to requests."""


@dataclass(frozen=True)
class Totals:
    """How many tracks a model has.

    Attributes:
        scorable: that can be recommended.
        embedded: that can be recommended by audio.
        cold: that can be recommended, and nobody has played.
    """

    scorable: int
    embedded: int
    cold: int


def _no_pause(_seconds: float) -> None:
    return


class LiveModel:
    """A recommender over all tracks of a library, by their ids.

    Args:
        library: what the model is kept up to date with.
        state: the model as of `state.seq`; from now on only this object changes it.

    Attributes:
        lock: held to read rows that must be consistent with each other, and to change rows.
        newest_seq: the sequence number up to which requests have applied the newest tracks.
        totals: kept, so that no request waits for a count.
    """

    def __init__(self, library: Library, state: State) -> None:
        self._library = library
        self.state = state
        self.lock = threading.RLock()
        self._first_seq = self.newest_seq = state.seq
        self._request_lock = threading.Lock()
        self._applied_by_requests: set[str] = set()
        self._played: dict[str, None] = {}  # ids to be folded in, the oldest change first
        self._changed: set[str] = set()
        self._has_first_audio = False
        self.totals = self._count()

    @classmethod
    def built(cls, library: Library) -> LiveModel:
        """A live model from what the library stores, with the support and factors of now."""
        live = cls(library, build_state(library))
        changed = live.state.listeners != live.model.tracks.support
        live._played = dict.fromkeys(live.ids.id(row) for row in np.flatnonzero(changed).tolist())
        live._fold_in_played(_no_pause)
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
        """Whether so much changed since the state was read that new files should be written."""
        indexes = self.model.fitted_model.indexes
        n_fresh = 0 if indexes is None else len(indexes.fresh)
        max_changed = max(MAX_FRESH, int(MAX_CHANGED_SHARE * len(self.ids)))
        return n_fresh > MAX_FRESH or len(self._changed) > max_changed

    @property
    def needs_first_audio(self) -> bool:
        """Whether the library got its first embeddings, which this model has no room for."""
        return self._has_first_audio

    def is_superseded(self) -> bool:
        """Whether the library got another model or another encoder since the state was read."""
        return self._has_first_audio or self._library.switched_since(self._first_seq)

    def support(self, id_: str) -> int:
        """How many distinct users have played a track."""
        row = self.ids.get(id_)
        return 0 if row is None else int(self.state.listeners[row])

    def rows(self, ids: Collection[str]) -> Rows:
        """The rows of ids, `(n,)` int64; unknown ones are left out."""
        found = [row for id_ in ids if (row := self.ids.get(id_)) is not None]
        return np.array(found, dtype=np.int64)

    def user_row(self, weights: Mapping[str, float]) -> sp.csr_matrix:
        """A user's plays as CSR `(1, n)` float32 confidences.

        Args:
            weights: summed signed weights by track id; tracks that cannot be scored are left out.
        """
        known = {
            row: weight
            for id_, weight in weights.items()
            if weight and (row := self.ids.get(id_)) is not None
        }
        rows = np.array(sorted(known), dtype=np.int64)
        rows = rows[self.model.tracks.comparable(audio=True, behaviour=True, rows=rows)]
        data = confidence(np.array([known[row] for row in rows.tolist()], dtype=np.float64))
        return sp.csr_matrix((data, rows, [0, len(rows)]), shape=(1, len(self.ids)))

    # --- keeping up to date ----------------------------------------------------------

    def apply_newest(self) -> bool:
        """Apply the newest tracks, embeddings and deletions, as a request does.

        Returns:
            whether the background has changes to apply.

        Raises:
            LibraryError: if the library cannot be read; the next call applies what is left.
        """
        if self._library.seq() == self.newest_seq:
            return self.newest_seq != self.state.seq
        with self._request_lock:
            newest = self._library.seq()
            tracks = self._library.newest_tracks(self.newest_seq, MAX_TRACKS_PER_REQUEST)
            self._apply(tracks, by_request=True)
            self.newest_seq = max(self.newest_seq, newest)
        return True

    def catch_up(self, pause: Pause = _no_pause) -> None:
        """Apply all changes, except another model or encoder, which need another live model.

        Raises:
            LibraryError: if the library cannot be read; the next call applies what is left.
        """
        self._apply_all(self._library.changes_since(self.state.seq), pause)
        self._fold_in_played(pause)

    def _apply_all(self, changes: Changes, pause: Pause) -> None:
        for batch in batches(sorted(changes.tracks), BATCH_TRACKS):
            begin = time.monotonic()
            self._apply(batch)
            pause(time.monotonic() - begin)
        self._played |= dict.fromkeys(changes.plays)
        self._changed |= changes.tracks | changes.plays
        self.state.seq = changes.seq

    def _apply(self, ids: Collection[str], *, by_request: bool = False) -> None:
        """Add, remove and embed tracks as the library has them now."""
        # What a request applies between the background's read and its write is newer, and stays.
        if not by_request:
            self._applied_by_requests.clear()
        if not ids:
            return
        existing, embeddings = self._library.tracks(ids).keys(), self._embeddings(ids)
        with self.lock:
            newer = set() if by_request else set(self._applied_by_requests)
            if by_request:
                self._applied_by_requests.update(ids)
            self._remove(set(ids) - existing - newer)
            self._add([id_ for id_ in ids if id_ in existing and id_ not in newer])
            self._embed(embeddings, newer)
            self.totals = self._count()

    def _embeddings(self, ids: Collection[str]) -> Embeddings | None:
        fingerprint = self.state.fingerprint or self._library.fingerprint()
        return None if fingerprint is None else self._library.embeddings(fingerprint, ids)

    def _remove(self, ids: Collection[str]) -> None:
        """Make tracks unscorable; their rows stay, so that the rows of others do not change."""
        rows, tracks = self.rows(ids), self.model.tracks
        self.state.listeners[rows] = 0
        factors = np.zeros((len(rows), tracks.factors.shape[1]), dtype=np.float32)
        no_audio = np.full((len(rows), tracks.embeddings.shape[1]), np.nan, dtype=np.float32)
        support = np.zeros(len(rows), dtype=np.int64)
        self.model.fitted_model.put_items(
            rows, factors=factors, support=support, embeddings=no_audio
        )

    def _add(self, ids: Collection[str]) -> None:
        for id_ in ids:
            self.ids.add(id_)
        self.model.tracks.grow(len(self.ids))
        n_new = len(self.ids) - len(self.state.listeners)
        self.state.listeners = np.pad(self.state.listeners, (0, n_new))

    def _embed(self, embeddings: Embeddings | None, newer: Collection[str]) -> None:
        if embeddings is None or not embeddings.ids:
            return
        # Embeddings of no dimensions: the model was built before there was any audio.
        if self.model.tracks.embeddings.shape[1] == 0:
            self._has_first_audio = True
        if self._has_first_audio:
            return
        ids = embeddings.ids
        positions = [n for n, id_ in enumerate(ids) if id_ not in newer and id_ in self.ids]
        rows = self.ids.rows([ids[position] for position in positions])
        self.model.fitted_model.put_items(rows, embeddings=embeddings.vectors[positions])

    def _fold_in_played(self, pause: Pause) -> None:
        """Give played tracks their present support and factors, the oldest change first."""
        for batch in batches(list(self._played), BATCH_TRACKS):
            begin = time.monotonic()
            self._fold_in([id_ for id_ in batch if id_ in self.ids])
            for id_ in batch:
                del self._played[id_]
            pause(time.monotonic() - begin)

    def _fold_in(self, ids: list[str]) -> None:
        """Give tracks their present support, and factors to those that a play changes much."""
        counts = self._library.support(ids)
        support = np.array([counts[id_] for id_ in ids], dtype=np.int64)
        with self.lock:
            rows = self.ids.rows(ids)
            fitted_support = self.model.tracks.support[rows]
        has_behaviour, fitted_model = self.model.has_behaviour, self.model.fitted_model
        changing = (support <= MAX_SUPPORT_TO_FOLD_IN) | (fitted_support == 0)
        changing &= has_behaviour
        positions = np.flatnonzero(changing).tolist()
        # Outside the lock: the plays are read from the database, which takes time.
        chosen = [ids[position] for position in positions]
        factors = fold_in_tracks(self._library, fitted_model, self.ids, chosen) if chosen else None
        with self.lock:
            self.state.listeners[rows] = support
            if has_behaviour:
                fitted_model.put_items(rows[~changing], support=support[~changing])
            if factors is not None:
                fitted_model.put_items(rows[changing], factors=factors, support=support[changing])
            self.totals = self._count()

    def _count(self) -> Totals:
        if not self.model.is_fitted:
            return Totals(0, 0, 0)
        tracks = self.model.tracks
        scorable = tracks.scorable
        is_cold = scorable & (tracks.support == 0)
        counts = (np.count_nonzero(mask) for mask in (scorable, tracks.has_audio, is_cold))
        return Totals(*(int(count) for count in counts))
