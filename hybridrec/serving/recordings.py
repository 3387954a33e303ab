"""Which tracks are one recording in several files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hybridrec.data.arrays import Array, Mask, Rows
from hybridrec.data.tracks import Track

SAME_AUDIO = 0.98
"""Cosine of two embeddings from which tracks of equal length count as one recording.

With the encoder that comes with hybridrec, no two of 275 clips of game music are closer than
0.90, and a clip and its copy in another format are closer than this.
"""

SAME_LENGTH_SECONDS = 2.0
"""Tracks whose lengths differ by more are different recordings."""


@dataclass(frozen=True)
class Recordings:
    """What tells the recordings of n tracks apart.

    Attributes:
        vectors: `(n, d)` float32 embeddings of unit length, zero without audio.
        ids: `(n,)` int64 hashes of MusicBrainz recording ids, 0 for a track without one:
            numbers compare faster than text.
        seconds: `(n,)` float64 lengths, NaN where unknown.
    """

    vectors: Array
    ids: Rows
    seconds: NDArray[np.float64]

    @classmethod
    def of(cls, tracks: Sequence[Track], vectors: Array) -> Recordings:
        """The recordings of tracks and their embeddings, in the same order."""
        lengths = [track.duration_seconds for track in tracks]
        seconds = [np.nan if length is None else length for length in lengths]
        # Hashes differ between processes; these are compared within one answer only.
        ids = [hash(track.recording_mbid) if track.recording_mbid else 0 for track in tracks]
        return cls(vectors, np.array(ids, dtype=np.int64), np.array(seconds, dtype=np.float64))

    def duplicates(self) -> Mask:
        """Which are the same recording as which, `(n, n)` bool."""
        same = np.asarray((self.ids[:, None] == self.ids) & (self.ids != 0)[:, None])
        similar = similar_audio(self.vectors, self.vectors)
        if np.count_nonzero(similar) > len(similar):  # each is similar to itself
            same |= similar & self.compatible(self)
        return same

    def compatible(self, others: Recordings) -> Mask:
        """Which may be one recording if their audio is similar, `(n, m)` bool.

        Recording ids decide where both tracks have one, lengths otherwise.
        """
        close = np.abs(self.seconds[:, None] - others.seconds) <= SAME_LENGTH_SECONDS
        both_have_ids = (self.ids != 0)[:, None] & (others.ids != 0)
        return np.where(both_have_ids, self.ids[:, None] == others.ids, close)


def similar_audio(vectors: Array, others: Array) -> Mask:
    """Which embeddings `(n, d)` and `(m, d)` of unit length are nearly equal, `(n, m)` bool."""
    return np.asarray(vectors @ others.T >= SAME_AUDIO)
