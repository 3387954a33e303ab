"""All tracks, with their two sides and the vectors that the weighting layer makes of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hybridrec.blend.calibration import CosineCalibration, Standardisation
from hybridrec.blend.weighting import (
    Array,
    Sides,
    Tastes,
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

    Args:
        behaviour_scale, sound_scale: of factors `(f,)` and of audio features `(l,)`.
        n_dimensions: d, the length of embeddings.
        half_life: see `BlendConfig`.

    Attributes:
        factors: `(n, f)` float32 ALS factors, zero where nobody played.
        features: `(n, l)` float32 audio features, zero without audio.
        embeddings: `(n, d)` float32 as they were given, zero without audio.
        has_audio: `(n,)` bool.
        support: `(n,)` int64 distinct listeners.
        user_vectors: `(n, 2f + 2l)` float32, answers users.
        seed_vectors: `(n, 2f + 2d + 2)` float32, answers seed songs.
        gram: `(f, f)` float32, the factors' inner products, for folding users in.
    """

    def __init__(
        self, behaviour_scale: Standardisation, sound_scale: Standardisation, n_dimensions: int, half_life: float
    ) -> None:
        self.behaviour_scale = behaviour_scale
        self.sound_scale = sound_scale
        self.half_life = half_life
        f, length, d = len(behaviour_scale.mean), len(sound_scale.mean), n_dimensions
        self.factors = np.zeros((0, f), dtype=np.float32)
        self.features = np.zeros((0, length), dtype=np.float32)
        self.embeddings = np.zeros((0, d), dtype=np.float32)
        self.has_audio = np.zeros(0, dtype=np.bool_)
        self.support = np.zeros(0, dtype=np.int64)
        self.user_vectors = np.zeros((0, 2 * f + 2 * length), dtype=np.float32)
        self.seed_vectors = np.zeros((0, 2 * f + 2 * d + 2), dtype=np.float32)
        self._gram = np.zeros((f, f), dtype=np.float64)

    def __len__(self) -> int:
        return len(self.support)

    @property
    def gram(self) -> Array:
        """`(f, f)` float32, `factors.T @ factors`."""
        return self._gram.astype(np.float32)

    @property
    def scorable(self) -> NDArray[np.bool_]:
        """`(n,)` bool: tracks of which something is known; the others must not be ranked."""
        return np.asarray(self.has_audio | (self.support > 0))

    def grow(self, n: int) -> None:
        """Make room for rows up to n; new ones are unscorable until `put` tells of them."""
        if n <= len(self):
            return
        for name in ("factors", "features", "embeddings", "has_audio", "support", "user_vectors", "seed_vectors"):
            old = getattr(self, name)
            new = np.zeros((n, *old.shape[1:]), dtype=old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)

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
        before = self.factors[rows].astype(np.float64)
        given = {"factors": factors, "features": features, "embeddings": embeddings}
        for name, values in {**given, "has_audio": has_audio, "support": support}.items():
            if values is not None:
                getattr(self, name)[rows] = values
        after = self.factors[rows].astype(np.float64)
        self._gram += after.T @ after - before.T @ before
        behaviour, sound, shares = self._centred(rows)
        self.user_vectors[rows] = user_track_vectors(behaviour, sound, shares, self.has_audio[rows])
        self.seed_vectors[rows] = seed_track_vectors(self.sides(rows))

    def weigh(self, half_life: float) -> None:
        """Weigh all tracks anew with another half-life; what is known of them stays."""
        self.half_life = half_life
        self.put(np.arange(len(self)))

    def _centred(self, rows: NDArray[np.int64]) -> tuple[Array, Array, Array]:
        """Factors and audio features less their means, features zero without audio, and cold shares."""
        has_audio = self.has_audio[rows]
        behaviour = self.behaviour_scale.centred(self.factors[rows])
        sound = np.where(has_audio[:, None], self.sound_scale.centred(self.features[rows]), np.float32(0.0))
        return behaviour, sound, cold_share(self.support[rows], self.half_life, has_audio)

    def sides(self, rows: NDArray[np.int64]) -> Sides:
        """Both sides of some rows, for comparing tracks with each other."""
        has_audio, support = self.has_audio[rows], self.support[rows]
        directions = unit_length(np.where(support[:, None] > 0, self.factors[rows], 0.0))
        return Sides(
            directions, unit_length(self.embeddings[rows]), cold_share(support, self.half_life, has_audio), has_audio
        )

    def user_parts(self, taste: Tastes, rows: NDArray[np.int64], audio_share: float) -> Parts:
        """Split the scores of rows for one user into sound and behaviour."""
        behaviour, sound, shares = self._centred(rows)
        weights = audio_weights(shares, float(taste.shares(audio_share)[0]), self.has_audio[rows])
        by_behaviour = np.where(weights < 1.0, (1.0 - weights) * (behaviour @ taste.behaviour[0]), np.float32(0.0))
        return Parts(weights, weights * (sound @ taste.sound[0]), by_behaviour)

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
