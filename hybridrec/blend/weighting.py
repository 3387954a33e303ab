"""The weighting layer: one inner product that blends audio and behaviour in any proportion.

A track with support n has the cold share c = h / (h + n). For a query with audio weight a, the
track's effective audio weight is w = a + (1 - a) * c. The blended score

    (1 - w) * behaviour + w * audio  =  (1 - a) * [(1 - c) * behaviour + c * audio] + a * audio

is linear in a, so a track's vector depends on c alone and a query's vector on a alone: every
request may ask for another weight, and nothing is rebuilt. A cold track has c = 1 and is scored
by audio alone whatever a is; a track without audio is scored by behaviour alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hybridrec.blend.calibration import CosineCalibration
from hybridrec.data.arrays import Array, Mask, Rows


def cold_share(support: Rows, half_life: float, has_audio: Mask) -> Array:
    """The share of a track's score that behaviour cannot give yet.

    Args:
        support: `(n,)` int64, distinct listeners of each track.
        half_life: listeners at which the share is one half, 0 or more.
        has_audio: `(n,)` bool; a track without audio has the share 0.

    Returns:
        `(n,)` float32 in 0..1; 1 for a cold track with audio.
    """
    listeners = np.maximum(support, 0).astype(np.float32)
    # np.where evaluates both branches: the guard keeps 0 / 0 out of the unused one.
    share = np.where(listeners > 0, half_life / np.maximum(half_life + listeners, 1e-9), 1.0)
    return np.asarray(np.where(has_audio, share, 0.0), dtype=np.float32)


def effective_audio_weights(cold_shares: Array, audio_weights: Array, has_audio: Mask) -> Array:
    """The share of audio in the score of each track for each query.

    Args:
        cold_shares: `(n,)` float32 of the tracks.
        audio_weights: `(m,)` float32 of the queries.
        has_audio: `(n,)` bool.

    Returns:
        `(m, n)` float32 in 0..1.
    """
    asked = audio_weights[:, None]
    weights = np.where(has_audio, asked + (1.0 - asked) * cold_shares, 0.0)
    return np.asarray(weights, dtype=np.float32)


def user_track_vectors(
    factors: Array, features: Array, cold_shares: Array, has_audio: Mask
) -> Array:
    """Track vectors to be ranked for users.

    Args:
        factors: `(n, f)` ALS factors less their mean; any value where the cold share is 1.
        features: `(n, l)` audio features less their mean; any value without audio.
        cold_shares: `(n,)` float32.
        has_audio: `(n,)` bool.

    Returns:
        `(n, 2f + 2l)` float32.
    """
    # In the order of `user_query_vectors`: behaviour at 1 - a and at a, then audio likewise.
    # A track without audio has its factors in both halves of behaviour.
    share, with_audio = cold_shares[:, None], has_audio[:, None]
    audio = np.where(with_audio, features, 0.0)
    without_audio = np.where(with_audio, 0.0, factors)
    blocks = [(1.0 - share) * factors, without_audio, share * audio, audio]
    return np.hstack(blocks).astype(np.float32)


@dataclass(frozen=True)
class UserVectors:
    """Users as queries for behaviour and for audio.

    Attributes:
        behaviour: `(m, f)` float32, scaled to scores of deviation 1; zero where unknown.
        audio: `(m, l)` float32, scaled likewise; zero where unknown.
    """

    behaviour: Array
    audio: Array

    @property
    def knows_behaviour(self) -> Mask:
        """`(m,)` bool: whether a user's factors rank tracks."""
        return np.asarray(self.behaviour.any(axis=1))

    @property
    def knows_audio(self) -> Mask:
        """`(m,)` bool: whether a user's audio vector ranks tracks."""
        return np.asarray(self.audio.any(axis=1))

    @property
    def knows_anything(self) -> Mask:
        """`(m,)` bool: whether anything ranks tracks for a user."""
        return np.asarray(self.knows_behaviour | self.knows_audio)

    def take(self, which: slice) -> UserVectors:
        """A slice of the users."""
        return UserVectors(self.behaviour[which], self.audio[which])

    def audio_weights(self, audio_weight: float) -> Array:
        """The audio weight of each query, `(m,)` float32: 1 for a user without factors."""
        # Without factors, behaviour scores 0 for all tracks and would only shrink the audio.
        return np.where(self.knows_behaviour, audio_weight, 1.0).astype(np.float32)


def user_query_vectors(user_vectors: UserVectors, audio_weight: float) -> Array:
    """Query vectors that match `user_track_vectors`, `(m, 2f + 2l)` float32."""
    weight = user_vectors.audio_weights(audio_weight)[:, None]
    behaviour, audio = user_vectors.behaviour, user_vectors.audio
    blocks = [
        (1.0 - weight) * behaviour,
        weight * behaviour,
        (1.0 - weight) * audio,
        weight * audio,
    ]
    return np.hstack(blocks).astype(np.float32)


@dataclass(frozen=True)
class ItemVectors:
    """Tracks as they are compared with each other.

    Attributes:
        directions: `(n, f)` float32, ALS factors at unit length; zero for a cold track.
        embeddings: `(n, d)` float32 at unit length; zero without audio.
        cold_shares: `(n,)` float32.
        has_audio: `(n,)` bool.
    """

    directions: Array
    embeddings: Array
    cold_shares: Array
    has_audio: Mask

    def take(self, rows: Rows | slice) -> ItemVectors:
        """The vectors of some rows."""
        return ItemVectors(
            self.directions[rows],
            self.embeddings[rows],
            self.cold_shares[rows],
            self.has_audio[rows],
        )


def seed_track_vectors(tracks: ItemVectors) -> Array:
    """Track vectors to be ranked for seed songs, `(n, 2f + 2d + 2)` float32.

    For a seed s and a track i the weight of behaviour is g * (1 - c_i) with
    g = (1 - a) * (1 - c_s): cosines of factors count only as far as both tracks were played.
    The rest of the score is the calibrated cosine of the embeddings.
    """
    earned = (1.0 - tracks.cold_shares)[:, None]
    with_audio = tracks.has_audio[:, None].astype(np.float32)
    blocks = [
        earned * tracks.directions,
        tracks.embeddings,
        earned * tracks.embeddings,
        earned * with_audio,
        with_audio,
        (1.0 - with_audio) * tracks.directions,
    ]
    return np.hstack(blocks).astype(np.float32)


def seed_query_vectors(
    seeds: ItemVectors, audio_weight: float, calibration: CosineCalibration
) -> Array:
    """Query vectors that match `seed_track_vectors`, `(m, 2f + 2d + 2)` float32."""
    trust = behaviour_trust(seeds, audio_weight)[:, None]
    with_audio = seeds.has_audio[:, None].astype(np.float32)
    scale, offset = calibration.scale, calibration.offset
    # The blocks of embeddings give scale * cosine; the two constant columns add the offset.
    blocks = [
        trust * seeds.directions,
        scale * seeds.embeddings,
        -trust * scale * seeds.embeddings,
        -trust * offset * with_audio,
        offset * with_audio,
        (1.0 - trust) * seeds.directions,
    ]
    return np.hstack(blocks).astype(np.float32)


def behaviour_trust(seeds: ItemVectors, audio_weight: float) -> Array:
    """The weight g in 0..1 of a seed's own behaviour, `(m,)` float32; 1 without audio."""
    trust = (1.0 - audio_weight) * (1.0 - seeds.cold_shares)
    return np.asarray(np.where(seeds.has_audio, trust, 1.0), dtype=np.float32)
