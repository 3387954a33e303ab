"""All tracks, with their two sides and the scores that the weighting layer makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybridrec.blend.calibration import CosineCalibration, Standardisation
from hybridrec.blend.weighting import (
    Array,
    ItemVectors,
    UserVectors,
    behaviour_trust,
    cold_share,
    effective_audio_weights,
    seed_track_vectors,
    user_track_vectors,
)
from hybridrec.data.embeddings import unit_length

Rows = NDArray[np.int64] | slice
EVERY_ROW = slice(None)
SPARE_SHARE = 10
"""One row in ten is room for new tracks, so that adding one does not copy all."""

_BLOCK_ROWS = 65_536


@dataclass(frozen=True)
class ScoreComponents:
    """Why some tracks score for some queries as they do: `score = audio + behaviour`.

    Attributes:
        weights: `(m, n)` float32 audio weights, 0 to 1.
        audio: `(m, n)` float32, the weighted part that comes from sound.
        behaviour: `(m, n)` float32, the weighted part that comes from plays.
    """

    weights: Array
    audio: Array
    behaviour: Array

    @property
    def scores(self) -> Array:
        """`(m, n)` float32; the greater the better, comparable within a query."""
        return self.audio + self.behaviour


def _column(name: str) -> property:
    return property(lambda tracks: tracks._room[name][: len(tracks)])


class BlendedTracks:
    """Rows of tracks that can be added to and changed while others are searching them.

    The rows may lie in memory-mapped files and in half precision: what is read is made
    single precision first, and what is written stays in this process.

    Args:
        behaviour_scale, sound_scale: of factors `(f,)` and of audio features `(l,)`.
        n_dimensions: d, the length of embeddings.
        half_life: see `BlendConfig`; it may be changed at any time.

    Attributes:
        factors: `(n, f)` ALS factors, zero where nobody played.
        features: `(n, l)` audio features, zero without audio.
        embeddings: `(n, d)` as they were given, zero without audio.
        factor_lengths, embedding_lengths: `(n,)` float32 of the rows of those.
        has_audio: `(n,)` bool.
        support: `(n,)` int64 distinct listeners.
        gram: `(f, f)` float32, the factors' inner products, for folding users in.
    """

    def __init__(
        self, behaviour_scale: Standardisation, audio_scale: Standardisation, n_dimensions: int, half_life: float
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
    def scorable(self) -> NDArray[np.bool_]:
        """`(n,)` bool: tracks of which something is known; the others must not be ranked."""
        return self.comparable(audio=True, behaviour=True)

    def comparable(self, *, audio: bool, behaviour: bool, rows: Rows = EVERY_ROW) -> NDArray[np.bool_]:
        """Which rows share something with a query that knows sound, or behaviour, or both, `(n,)` bool."""
        return np.asarray((self.has_audio[rows] & audio) | ((self.support[rows] > 0) & behaviour))

    def grow(self, n: int) -> None:
        """Make room for rows up to n; new ones are unscorable until `put` tells of them."""
        if n <= len(self):
            return
        for name, room in self._room.items():
            if n > len(room):
                self._room[name] = np.zeros((n + n // SPARE_SHARE, *room.shape[1:]), dtype=room.dtype)
                self._room[name][: len(self)] = room[: len(self)]
        self._n = n

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All that is known of the rows, an array a column, and `gram` in double precision."""
        return {name: room[: len(self)] for name, room in self._room.items()} | {"gram": self._gram}

    def adopt(self, arrays: Mapping[str, NDArray[Any]], n: int) -> None:
        """Take over what `to_arrays` gave; the columns may have room for more than the n rows that are told of."""
        self._room = {name: arrays[name] for name in self._room}
        self._gram = np.array(arrays["gram"])
        self._n = n

    def put(
        self,
        rows: NDArray[np.int64],
        *,
        factors: Array | None = None,
        features: Array | None = None,
        embeddings: Array | None = None,
        has_audio: NDArray[np.bool_] | None = None,
        support: NDArray[np.int64] | None = None,
    ) -> None:
        """Change what is known of some rows, each argument one value a row; None leaves it as it was."""
        if factors is not None:
            before = self.factors[rows].astype(np.float64)
            self.factors[rows] = factors
            after = self.factors[rows].astype(np.float64)
            self._gram += after.T @ after - before.T @ before
            self.factor_lengths[rows] = np.linalg.norm(after, axis=1)
        if embeddings is not None:
            self.embeddings[rows] = embeddings
            self.embedding_lengths[rows] = np.linalg.norm(embeddings, axis=1)
        for name, values in {"features": features, "has_audio": has_audio, "support": support}.items():
            if values is not None:
                getattr(self, name)[rows] = values

    def item_vectors(self, rows: NDArray[np.int64]) -> ItemVectors:
        """Both sides of some rows, for comparing tracks with each other."""
        has_audio, support = self.has_audio[rows], self.support[rows]
        factors = np.where(support[:, None] > 0, self.factors[rows], np.float32(0.0))
        embeddings = self.embeddings[rows].astype(np.float32)
        return ItemVectors(unit_length(factors), unit_length(embeddings), self.cold_shares(rows), has_audio)

    def cold_shares(self, rows: Rows = EVERY_ROW) -> Array:
        """See `weighting.cold_share`, `(n,)` float32."""
        return cold_share(self.support[rows], self.half_life, self.has_audio[rows])

    # --- scores ---------------------------------------------------------------------------

    def user_components(
        self, user_vectors: UserVectors, audio_weight: float, rows: Rows = EVERY_ROW
    ) -> ScoreComponents:
        """Score rows for m users, the sum of what sound and behaviour add."""
        weights = effective_audio_weights(
            self.cold_shares(rows), user_vectors.shares(audio_weight), self.has_audio[rows]
        )
        behaviour = _products(user_vectors.behaviour, self.factors, rows)
        behaviour -= (user_vectors.behaviour @ self.behaviour_scale.mean)[:, None]
        audio = _products(user_vectors.audio, self.features, rows)
        audio -= (user_vectors.audio @ self.audio_scale.mean)[:, None]
        earned = (1.0 - weights) * behaviour + np.float32(0.0)  # which makes zero of minus zero
        return ScoreComponents(weights, weights * audio, earned)

    def seed_components(
        self, seeds: ItemVectors, audio_weight: float, calibration: CosineCalibration, rows: Rows = EVERY_ROW
    ) -> ScoreComponents:
        """Score rows for m seed songs; a seed that cannot be heard trusts plays as far as they go."""
        shares = self.cold_shares(rows)
        both_have_audio = seeds.has_audio[:, None] & self.has_audio[rows]
        trusted = behaviour_trust(seeds, audio_weight)[:, None] * (1.0 - shares)
        weights = np.where(both_have_audio, 1.0 - trusted, np.float32(0.0))
        cosines = _products(seeds.embeddings, self.embeddings, rows) / _lengths(self.embedding_lengths[rows])
        alike = _products(seeds.directions, self.factors, rows) / _lengths(self.factor_lengths[rows])
        alike = np.where(self.support[rows] > 0, alike, np.float32(0.0))
        audio = weights * (np.float32(calibration.offset) + np.float32(calibration.scale) * cosines)
        return ScoreComponents(weights, audio, np.where(both_have_audio, 1.0 - weights, 1.0 - shares) * alike)

    # --- vectors for an index ------------------------------------------------------------

    def vectors_for_users(self, rows: Rows) -> Array:
        """Vectors whose inner products with `user_query_vectors` are the scores of `user_components`."""
        has_audio = self.has_audio[rows]
        behaviour = self.behaviour_scale.centred(self.factors[rows])
        audio = self.audio_scale.centred(self.features[rows])
        return user_track_vectors(behaviour, audio, self.cold_shares(rows), has_audio)

    def vectors_for_seeds(self, rows: NDArray[np.int64]) -> Array:
        """Vectors whose inner products with `seed_query_vectors` are the scores of `seed_components`."""
        return seed_track_vectors(self.item_vectors(rows))


def _products(queries: Array, vectors: NDArray[np.floating], rows: Rows) -> Array:
    """Inner products of m queries with rows of vectors, `(m, n)` float32."""
    if isinstance(rows, slice) and vectors.dtype != np.float32:
        parts = [vectors[start : start + _BLOCK_ROWS] for start in range(0, len(vectors), _BLOCK_ROWS)]
        products = [queries @ part.astype(np.float32).T for part in parts]
        return np.hstack(products) if products else np.zeros((len(queries), 0), dtype=np.float32)
    return np.asarray(queries @ vectors[rows].astype(np.float32, copy=False).T, dtype=np.float32)


def _lengths(lengths: Array) -> Array:
    return np.where(lengths > 0, lengths, np.float32(1.0))
