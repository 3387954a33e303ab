"""A library as points in the plane, and how well neighbours agree in their tags."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hybridrec.data.tracks import Track
from hybridrec.errors import InvalidInput
from hybridrec.evaluation.retrieval import neighbourhood_agreement

TAGS = ("genre", "artist", "album")
"""Fields of a track that can colour a map, in order of preference."""

Layout = NDArray[np.float32]
"""Positions `(n_tracks, 2)` float32, -1 to 1."""


@dataclass(frozen=True)
class Agreement:
    """How often nearest neighbours have the same tag.

    Attributes:
        tag: a field of a track.
        tracks, values: number of tracks with the tag, and of its different values.
        k: nearest neighbours per track, in the full embedding space.
        share, chance: share of the neighbours with the same tag, measured and expected of
            random neighbours, 0 to 1.
    """

    tag: str
    tracks: int
    values: int
    k: int
    share: float
    chance: float

    def in_words(self) -> str:
        """One sentence for people."""
        return (
            f"{self.share:.0%} of a track's {self.k} nearest neighbours are of the same {self.tag};"
            f" at random {self.chance:.0%} ({self.tracks} tracks, {self.values} different)"
        )


@dataclass(frozen=True)
class LibraryMap:
    """Tracks with their positions.

    Attributes:
        tracks: in the order of the positions.
        layouts: by name.
        agreements: by tag; only tags that at least two tracks have.
        left_out: number of tracks with audio that were not drawn.
    """

    tracks: list[Track]
    layouts: dict[str, Layout]
    agreements: dict[str, Agreement]
    left_out: int

    def tag(self, wanted: str | None) -> str:
        """The given tag, or the first of `TAGS` that tracks have.

        Raises:
            InvalidInput: if no two tracks have it.
        """
        for tag in TAGS if wanted is None else [wanted]:
            if tag in self.agreements:
                return tag
        raise InvalidInput(
            f"no two tracks have the tag {wanted or ' or '.join(TAGS)}",
            fix=f"use one of {', '.join(self.agreements)}"
            if self.agreements
            else "tag the files and ingest them again",
        )

    def largest(self, tag: str, most: int) -> list[str]:
        """The values of a tag with the most tracks, the largest first."""
        found = [value for track in self.tracks if (value := getattr(track, tag))]
        # np.unique sorts by value, and the stable sort keeps that order for equal counts.
        values, counts = np.unique(found, return_counts=True)
        return [str(values[row]) for row in np.argsort(-counts, kind="stable")[:most]]


def tag_agreement(
    tracks: list[Track], vectors: NDArray[np.float32], tag: str, k: int
) -> Agreement | None:
    """Measure one tag over the tracks that have it.

    Args:
        tracks: n tracks.
        vectors: `(n, d)` float32, their embeddings.
        tag: one of `TAGS`.
        k: nearest neighbours per track; at most all others are used.

    Returns:
        None if fewer than two tracks have the tag.
    """
    # Tracks without the tag are no neighbours either, or agreement would measure the tagging.
    tagged = [row for row, track in enumerate(tracks) if getattr(track, tag)]
    if len(tagged) < 2:
        return None
    values, groups = np.unique([getattr(tracks[row], tag) for row in tagged], return_inverse=True)
    k = min(k, len(tagged) - 1)
    share, chance = neighbourhood_agreement(vectors[tagged], groups, k)
    return Agreement(tag, len(tagged), len(values), k, share, chance)
