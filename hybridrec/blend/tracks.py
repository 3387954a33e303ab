"""All tracks, with their two sides and the vectors that the weighting layer makes of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hybridrec.blend.calibration import CosineCalibration
from hybridrec.blend.weighting import (
    Array,
    Sides,
    audio_weights,
    cold_share,
    seed_audio_weights,
    seed_track_vectors,
    user_track_vectors,
)
from hybridrec.data.embeddings import unit_length


@dataclass(frozen=True)
class Parts:
    """Why some tracks scored as they did: `score = audio + behaviour`.

    Attributes:
        weights: `(n,)` float32 audio weights, 0 to 1.
        audio: `(n,)` float32, the weighted part that comes from sound.
        behaviour: `(n,)` float32, the weighted part that comes from plays.
    """

    weights: Array
    audio: Array
    behaviour: Array


class BlendedTracks:
    """Rows of tracks that can be added to and changed while others are searching them.

    Attributes:
        factors: `(n, f)` float32 ALS factors, zero where nobody played.
        projected: `(n, f)` float32 embeddings among the factors, zero without audio.
        embeddings: `(n, d)` float32 at unit length, zero without audio.
        has_audio: `(n,)` bool.
        support: `(n,)` int64 distinct listeners.
        user_vectors: `(n, 2f)` float32, answers users.
        seed_vectors: `(n, 2f + 2d + 2)` float32, answers seed songs.
        gram: `(f, f)` float32, the blended factors' inner products, for folding users in.
    """

    def __init__(self, n_factors: int, n_dimensions: int, half_life: float) -> None:
        self.half_life = half_life
        self.factors = np.zeros((0, n_factors), dtype=np.float32)
        self.projected = np.zeros((0, n_factors), dtype=np.float32)
        self.embeddings = np.zeros((0, n_dimensions), dtype=np.float32)
        self.has_audio = np.zeros(0, dtype=np.bool_)
        self.support = np.zeros(0, dtype=np.int64)
        self.user_vectors = np.zeros((0, 2 * n_factors), dtype=np.float32)
        self.seed_vectors = np.zeros((0, 2 * n_factors + 2 * n_dimensions + 2), dtype=np.float32)
        self._gram = np.zeros((n_factors, n_factors), dtype=np.float64)

    def __len__(self) -> int:
        return len(self.support)

    @property
    def blended(self) -> Array:
        """`(n, f)` float32: factors as far as plays have earned them, projected sound for the rest."""
        return self.user_vectors[:, : self.factors.shape[1]]

    @property
    def gram(self) -> Array:
        """`(f, f)` float32, `blended.T @ blended`."""
        return self._gram.astype(np.float32)

    @property
    def scorable(self) -> NDArray[np.bool_]:
        """`(n,)` bool: tracks of which something is known; the others must not be ranked."""
        return np.asarray(self.has_audio | (self.support > 0))

    def grow(self, n: int) -> None:
        """Make room for rows up to n; new ones are unscorable until `put` tells of them."""
        if n <= len(self):
            return
        for name in ("factors", "projected", "embeddings", "has_audio", "support", "user_vectors", "seed_vectors"):
            old = getattr(self, name)
            new = np.zeros((n, *old.shape[1:]), dtype=old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)

    def put(
        self,
        rows: NDArray[np.int64],
        *,
        factors: Array | None = None,
        projected: Array | None = None,
        embeddings: Array | None = None,
        has_audio: NDArray[np.bool_] | None = None,
        support: NDArray[np.int64] | None = None,
    ) -> None:
        """Change what is known of some rows, each argument one value a row; None leaves it as it was."""
        given = {"factors": factors, "projected": projected, "embeddings": embeddings}
        for name, values in {**given, "has_audio": has_audio, "support": support}.items():
            if values is not None:
                getattr(self, name)[rows] = values
        before = self.blended[rows].astype(np.float64)
        shares = cold_share(self.support[rows], self.half_life, self.has_audio[rows])
        self.user_vectors[rows] = user_track_vectors(
            self.factors[rows], self.projected[rows], shares, self.has_audio[rows]
        )
        self.seed_vectors[rows] = seed_track_vectors(self.sides(rows))
        after = self.blended[rows].astype(np.float64)
        self._gram += after.T @ after - before.T @ before

    def sides(self, rows: NDArray[np.int64]) -> Sides:
        """Both sides of some rows, for comparing tracks with each other."""
        has_audio, support = self.has_audio[rows], self.support[rows]
        directions = unit_length(np.where(support[:, None] > 0, self.factors[rows], 0.0))
        return Sides(directions, self.embeddings[rows], cold_share(support, self.half_life, has_audio), has_audio)

    def user_parts(self, user_factor: Array, rows: NDArray[np.int64], audio_share: float) -> Parts:
        """Split the scores of rows for one user `(f,)` into sound and behaviour."""
        has_audio = self.has_audio[rows]
        shares = cold_share(self.support[rows], self.half_life, has_audio)
        weights = audio_weights(shares, audio_share, has_audio)
        audio = weights * (self.projected[rows] @ user_factor)
        behaviour = (1.0 - weights) * (self.factors[rows] @ user_factor)
        return Parts(weights, audio, behaviour)

    def seed_parts(
        self, seed: Sides, rows: NDArray[np.int64], audio_share: float, calibration: CosineCalibration
    ) -> Parts:
        """Split the scores of rows for one seed song into sound and behaviour."""
        tracks = self.sides(rows)
        weights = seed_audio_weights(seed, tracks, audio_share)
        cosines = tracks.embeddings @ seed.embeddings[0]
        audio = weights * (calibration.offset + calibration.scale * cosines)
        behaviour = seed_behaviour(seed, tracks, weights)
        return Parts(weights, np.where(weights > 0, audio, 0.0).astype(np.float32), behaviour)


def seed_behaviour(seed: Sides, tracks: Sides, weights: Array) -> Array:
    """The behaviour part of `(n,)` scores; a seed that cannot be heard trusts plays as far as they go."""
    earned = np.where(seed.has_audio & tracks.has_audio, 1.0 - weights, 1.0 - tracks.shares)
    return np.asarray(earned * (tracks.directions @ seed.directions[0]), dtype=np.float32)
