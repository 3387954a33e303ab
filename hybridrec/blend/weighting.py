"""The weighting layer: one inner product that holds sound and behaviour in any proportion.

A track with support n has the cold share c = h / (h + n), and under a query's
audio share a its audio weight is w = a + (1 - a) * c. The blended score

    (1 - w) * behaviour + w * audio  =  (1 - a) * [(1 - c) * behaviour + c * audio] + a * audio

is linear in a, so a track's vectors know only c and a query's vectors know only
a: the weight can change with every request and nothing is rebuilt. A cold track
has c = 1 and is scored by sound alone whatever a is; a track without audio is
scored by behaviour alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hybridrec.blend.calibration import CosineCalibration

Array = NDArray[np.float32]


def cold_share(support: NDArray[np.int64], half_life: float, has_audio: NDArray[np.bool_]) -> Array:
    """The share of a track's score that behaviour has not earned yet.

    Args:
        support: `(n,)` int64, distinct listeners of each track.
        half_life: listeners at which the share is one half, 0 or more.
        has_audio: `(n,)` bool; a track without audio has the share 0.

    Returns:
        `(n,)` float32 in 0..1; 1 for a cold track that can be heard.
    """
    listeners = np.maximum(support, 0).astype(np.float32)
    share = np.where(listeners > 0, half_life / np.maximum(half_life + listeners, 1e-9), 1.0)
    return np.asarray(np.where(has_audio, share, 0.0), dtype=np.float32)


def effective_audio_weights(shares: Array, audio_shares: Array, has_audio: NDArray[np.bool_]) -> Array:
    """Audio weight of each of n tracks under the audio shares of m queries, `(m, n)` float32 in 0..1."""
    asked = audio_shares[:, None]
    return np.asarray(np.where(has_audio, asked + (1.0 - asked) * shares, 0.0), dtype=np.float32)


def user_track_vectors(factors: Array, features: Array, shares: Array, has_audio: NDArray[np.bool_]) -> Array:
    """Track vectors that answer users, `(n, 2f + 2l)` float32.

    Args:
        factors: `(n, f)` ALS factors less their mean; anything where the cold share is 1.
        features: `(n, l)` audio features less their mean; anything without audio.
        shares: `(n,)` cold shares.
        has_audio: `(n,)` bool.
    """
    share, audible = shares[:, None], has_audio[:, None]
    with_audio = np.where(audible, features, 0.0)
    blocks = [(1.0 - share) * factors, np.where(audible, 0.0, factors), share * with_audio, with_audio]
    return np.hstack(blocks).astype(np.float32)


@dataclass(frozen=True)
class UserVectors:
    """What some users like, as queries for behaviour and for sound.

    Attributes:
        behaviour: `(m, f)` float32, scaled to scores of deviation 1; zero where unknown.
        sound: `(m, l)` float32, scaled likewise; zero where unknown.
    """

    behaviour: Array
    audio: Array

    @property
    def knows_behaviour(self) -> NDArray[np.bool_]:
        """`(m,)` bool: whether a user's factors say anything."""
        return np.asarray(self.behaviour.any(axis=1))

    @property
    def knows_audio(self) -> NDArray[np.bool_]:
        """`(m,)` bool: whether anything is known of what a user's taste sounds like."""
        return np.asarray(self.audio.any(axis=1))

    @property
    def knows_anything(self) -> NDArray[np.bool_]:
        """`(m,)` bool: whether any track can be told from another for a user."""
        return np.asarray(self.knows_behaviour | self.knows_audio)

    def shares(self, audio_weight: float) -> Array:
        """The audio share of each query, `(m,)` float32: a user without factors is answered by sound alone."""
        return np.where(self.knows_behaviour, audio_weight, 1.0).astype(np.float32)


def user_query_vectors(user_vectors: UserVectors, audio_weight: float) -> Array:
    """Query vectors that match `user_track_vectors`, `(m, 2f + 2l)` float32."""
    share = user_vectors.shares(audio_weight)[:, None]
    behaviour, audio = user_vectors.behaviour, user_vectors.audio
    return np.hstack([(1.0 - share) * behaviour, share * behaviour, (1.0 - share) * audio, share * audio]).astype(
        np.float32
    )


@dataclass(frozen=True)
class ItemVectors:
    """The two things known of some tracks when they are compared with each other.

    Attributes:
        directions: `(n, f)` float32, ALS factors at unit length; zero where nobody played.
        embeddings: `(n, d)` float32 at unit length; zero where the audio is missing.
        shares: `(n,)` float32 cold shares.
        has_audio: `(n,)` bool.
    """

    directions: Array
    embeddings: Array
    shares: Array
    has_audio: NDArray[np.bool_]

    def take(self, rows: NDArray[np.int64] | slice) -> ItemVectors:
        """The sides of some rows."""
        return ItemVectors(self.directions[rows], self.embeddings[rows], self.shares[rows], self.has_audio[rows])


def seed_track_vectors(tracks: ItemVectors) -> Array:
    """Track vectors that answer seed songs, `(n, 2f + 2d + 2)` float32.

    For a seed s and a track i the weight of behaviour is g * (1 - c_i) with
    g = (1 - a) * (1 - c_s): likeness by behaviour counts only as far as both were
    played. The rest of the score is likeness by sound.
    """
    earned = (1.0 - tracks.shares)[:, None]
    audible = tracks.has_audio[:, None].astype(np.float32)
    blocks = [
        earned * tracks.directions,
        tracks.embeddings,
        earned * tracks.embeddings,
        earned * audible,
        audible,
        (1.0 - audible) * tracks.directions,
    ]
    return np.hstack(blocks).astype(np.float32)


def seed_query_vectors(seeds: ItemVectors, audio_weight: float, calibration: CosineCalibration) -> Array:
    """Query vectors that match `seed_track_vectors`, `(m, 2f + 2d + 2)` float32."""
    trust = behaviour_trust(seeds, audio_weight)[:, None]
    audible = seeds.has_audio[:, None].astype(np.float32)
    scale, offset = calibration.scale, calibration.offset
    blocks = [
        trust * seeds.directions,
        scale * seeds.embeddings,
        -trust * scale * seeds.embeddings,
        -trust * offset * audible,
        offset * audible,
        (1.0 - trust) * seeds.directions,
    ]
    return np.hstack(blocks).astype(np.float32)


def behaviour_trust(seeds: ItemVectors, audio_weight: float) -> Array:
    """How far a seed's own behaviour is trusted, g in 0..1, `(m,)` float32; 1 where it cannot be heard."""
    return np.asarray(np.where(seeds.has_audio, (1.0 - audio_weight) * (1.0 - seeds.shares), 1.0), dtype=np.float32)
