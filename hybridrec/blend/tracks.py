"""The tracks of a catalogue as vectors, and the blended scores of queries against them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybridrec.blend.calibration import CosineCalibration, Standardisation
from hybridrec.blend.weighting import (
    ItemVectors,
    UserVectors,
    behaviour_trust,
    cold_share,
    effective_audio_weights,
    seed_track_vectors,
    user_track_vectors,
)
from hybridrec.data.arrays import Array, Mask, Rows
from hybridrec.data.embeddings import unit_length

RowsOrSlice = Rows | slice
EVERY_ROW = slice(None)
SPARE_SHARE = 10
"""One row in ten is kept free for new tracks, so that adding one does not copy them all."""

_BLOCK_ROWS = 65_536  # rows made single precision at a time


@dataclass(frozen=True)
class ScoreComponents:
    """The scores of n tracks for m queries by source: `score = audio + behaviour`.

    Attributes:
        weights: `(m, n)` float32 effective audio weights, 0 to 1.
        audio: `(m, n)` float32, the weighted component from audio.
        behaviour: `(m, n)` float32, the weighted component from plays.
    """

    weights: Array
    audio: Array
    behaviour: Array

    @property
    def scores(self) -> Array:
        """`(m, n)` float32; greater is better, comparable within a query only."""
        return self.audio + self.behaviour


def _column(name: str) -> property:
    """A property that gives the used rows of an array that has spare ones."""
    return property(lambda tracks: tracks._room[name][: len(tracks)])


class BlendedTracks:
    """Track vectors by row, which can be added to and changed while other threads search them.

    The arrays may be memory-mapped files in half precision: they are converted to single
    precision as they are read, and what is written stays in this process (copy on write).

    Args:
        behaviour_scale, audio_scale: of factors `(f,)` and of audio features `(l,)`.
        n_dimensions: d, the length of embeddings.
        half_life: see `BlendConfig`; it may be changed at any time.

    Attributes:
        factors: `(n, f)` ALS factors, zero for a cold track.
        features: `(n, l)` audio features, zero without audio.
        embeddings: `(n, d)` as given, zero without audio.
        factor_lengths, embedding_lengths: `(n,)` float32, Euclidean, by row.
        has_audio: `(n,)` bool.
        support: `(n,)` int64 distinct listeners.
        gram: `(f, f)` float32, the factors' inner products, for folding users in.
    """

    def __init__(
        self,
        behaviour_scale: Standardisation,
        audio_scale: Standardisation,
        n_dimensions: int,
        half_life: float,
    ) -> None:
        self.behaviour_scale = behaviour_scale
        self.audio_scale = audio_scale
        self.half_life = half_life
        f, length = len(behaviour_scale.mean), len(audio_scale.mean)
        self._n = 0
        self._room: dict[str, NDArray[Any]] = {
            "factors": np.zeros((0, f), dtype=np.float32),
            "features": np.zeros((0, length), dtype=np.float32),
            "embeddings": np.zeros((0, n_dimensions), dtype=np.float32),
            "factor_lengths": np.zeros(0, dtype=np.float32),
            "embedding_lengths": np.zeros(0, dtype=np.float32),
            "has_audio": np.zeros(0, dtype=np.bool_),
            "support": np.zeros(0, dtype=np.int64),
        }
        self._gram = np.zeros((f, f), dtype=np.float64)

    factors = _column("factors")
    features = _column("features")
    embeddings = _column("embeddings")
    factor_lengths = _column("factor_lengths")
    embedding_lengths = _column("embedding_lengths")
    has_audio = _column("has_audio")
    support = _column("support")

    def __len__(self) -> int:
        return self._n

    @property
    def gram(self) -> Array:
        """`(f, f)` float32, `factors.T @ factors`."""
        return self._gram.astype(np.float32)

    @property
    def scorable(self) -> Mask:
        """`(n,)` bool: tracks with audio or plays; the others must not be ranked."""
        return self.comparable(audio=True, behaviour=True)

    def comparable(self, *, audio: bool, behaviour: bool, rows: RowsOrSlice = EVERY_ROW) -> Mask:
        """Rows that can be scored for a query with audio, or behaviour, or both, `(n,)` bool."""
        played = self.support[rows] > 0
        return np.asarray((self.has_audio[rows] & audio) | (played & behaviour))

    def grow(self, n: int) -> None:
        """Extend the catalogue to n rows; new ones cannot be scored until `put` fills them."""
        if n <= len(self):
            return
        for name, room in self._room.items():
            if n > len(room):
                larger = np.zeros((n + n // SPARE_SHARE, *room.shape[1:]), dtype=room.dtype)
                larger[: len(self)] = room[: len(self)]
                self._room[name] = larger
        self._n = n  # last, so that a reader never sees a row beyond the end of an array

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The columns by name, and `gram` `(f, f)` in double precision."""
        used = {name: room[: len(self)] for name, room in self._room.items()}
        return used | {"gram": self._gram}

    def adopt(self, arrays: Mapping[str, NDArray[Any]], n: int) -> None:
        """Use arrays from `to_arrays` without a copy; they may have spare rows after n."""
        self._room = {name: arrays[name] for name in self._room}
        self._gram = np.array(arrays["gram"])
        self._n = n

    def put(
        self,
        rows: Rows,
        *,
        factors: Array | None = None,
        features: Array | None = None,
        embeddings: Array | None = None,
        has_audio: Mask | None = None,
        support: Rows | None = None,
    ) -> None:
        """Set columns of some rows, one value a row; None leaves a column as it was."""
        if factors is not None:
            before = self.factors[rows].astype(np.float64)
            self.factors[rows] = factors
            after = self.factors[rows].astype(np.float64)
            # Read back: a column in half precision has rounded what was written.
            self._gram += after.T @ after - before.T @ before
            self.factor_lengths[rows] = np.linalg.norm(after, axis=1)
        if embeddings is not None:
            self.embeddings[rows] = embeddings
            self.embedding_lengths[rows] = np.linalg.norm(embeddings, axis=1)
        others = {"features": features, "has_audio": has_audio, "support": support}
        for name, values in others.items():
            if values is not None:
                getattr(self, name)[rows] = values

    def item_vectors(self, rows: Rows) -> ItemVectors:
        """Directions and embeddings of some rows, for comparing tracks with each other."""
        has_audio, support = self.has_audio[rows], self.support[rows]
        factors = np.where(support[:, None] > 0, self.factors[rows], np.float32(0.0))
        embeddings = self.embeddings[rows].astype(np.float32)
        directions, embeddings = unit_length(factors), unit_length(embeddings)
        return ItemVectors(directions, embeddings, self.cold_shares(rows), has_audio)

    def cold_shares(self, rows: RowsOrSlice = EVERY_ROW) -> Array:
        """See `weighting.cold_share`, `(n,)` float32."""
        return cold_share(self.support[rows], self.half_life, self.has_audio[rows])

    # --- scores ---------------------------------------------------------------------------

    def user_components(
        self, user_vectors: UserVectors, audio_weight: float, rows: RowsOrSlice = EVERY_ROW
    ) -> ScoreComponents:
        """Score rows for m users, by component."""
        asked = user_vectors.audio_weights(audio_weight)
        weights = effective_audio_weights(self.cold_shares(rows), asked, self.has_audio[rows])
        behaviour = _products(user_vectors.behaviour, self.factors, rows)
        behaviour -= (user_vectors.behaviour @ self.behaviour_scale.mean)[:, None]
        audio = _products(user_vectors.audio, self.features, rows)
        audio -= (user_vectors.audio @ self.audio_scale.mean)[:, None]
        earned = (1.0 - weights) * behaviour + np.float32(0.0)  # -0.0 + 0.0 is 0.0
        return ScoreComponents(weights, weights * audio, earned)

    def seed_components(
        self,
        seeds: ItemVectors,
        audio_weight: float,
        calibration: CosineCalibration,
        rows: RowsOrSlice = EVERY_ROW,
    ) -> ScoreComponents:
        """Score rows for m seed songs, by component; see `weighting.seed_track_vectors`."""
        shares = self.cold_shares(rows)
        both_have_audio = seeds.has_audio[:, None] & self.has_audio[rows]
        trusted = behaviour_trust(seeds, audio_weight)[:, None] * (1.0 - shares)
        weights = np.where(both_have_audio, 1.0 - trusted, np.float32(0.0))
        audio, behaviour = self._cosines(seeds, rows)
        calibrated = np.float32(calibration.offset) + np.float32(calibration.scale) * audio
        by_behaviour = np.where(both_have_audio, 1.0 - weights, 1.0 - shares)
        return ScoreComponents(weights, weights * calibrated, by_behaviour * behaviour)

    def _cosines(self, seeds: ItemVectors, rows: RowsOrSlice) -> tuple[Array, Array]:
        """Cosines of rows to m seeds, `(m, n)` float32 each: of embeddings and of factors."""
        lengths = _or_one(self.embedding_lengths[rows])
        audio = _products(seeds.embeddings, self.embeddings, rows) / lengths
        lengths = _or_one(self.factor_lengths[rows])
        behaviour = _products(seeds.directions, self.factors, rows) / lengths
        # A track that was only skipped has factors, too, but no listeners to be like.
        return audio, np.where(self.support[rows] > 0, behaviour, np.float32(0.0))

    # --- vectors for an index ------------------------------------------------------------

    def vectors_for_users(self, rows: RowsOrSlice) -> Array:
        """Vectors `(n, 2f + 2l)` whose inner products with `user_query_vectors` are the scores."""
        has_audio = self.has_audio[rows]
        behaviour = self.behaviour_scale.centred(self.factors[rows])
        audio = self.audio_scale.centred(self.features[rows])
        return user_track_vectors(behaviour, audio, self.cold_shares(rows), has_audio)

    def vectors_for_seeds(self, rows: Rows) -> Array:
        """Vectors `(n, 2f + 2d + 2)` whose products with `seed_query_vectors` are the scores."""
        return seed_track_vectors(self.item_vectors(rows))


def _products(queries: Array, vectors: NDArray[np.floating], rows: RowsOrSlice) -> Array:
    """Inner products of m queries with rows of vectors, `(m, n)` float32."""
    if isinstance(rows, slice) and vectors.dtype != np.float32:
        # Block by block: converting a large catalogue at once would double its memory.
        starts = range(0, len(vectors), _BLOCK_ROWS)
        products = [
            queries @ vectors[start : start + _BLOCK_ROWS].astype(np.float32).T for start in starts
        ]
        return np.hstack(products) if products else np.zeros((len(queries), 0), dtype=np.float32)
    single = vectors[rows].astype(np.float32, copy=False)
    return np.asarray(queries @ single.T, dtype=np.float32)


def _or_one(lengths: Array) -> Array:
    """Lengths to divide by: zero becomes one."""
    return np.where(lengths > 0, lengths, np.float32(1.0))
