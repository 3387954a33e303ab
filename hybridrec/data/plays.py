"""A play: one listening event."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hybridrec.errors import InvalidInput

MAX_ID_CHARACTERS = 512
MAX_WEIGHT = 1_000_000.0
MAX_UNIX_SECONDS = 32_503_680_000.0  # the year 3000


@dataclass(frozen=True)
class Play:
    """User, track and time of one listening event; these three are its identity.

    The same play received twice counts once. A play without a time stands for all plays of the
    track by the user, so a pair has at most one of them.

    Attributes:
        user, track: external ids, 1 to 512 characters.
        played_at: UTC, in seconds since 1970, or None.
        fraction: the share of the track that was played, 0 to 1, or None.
        weight: how much the play counts; below zero for a skip or dislike, above
            one for a like or for several plays. None: the fraction played, or 1 where that is
            unknown too.
    """

    user: str
    track: str
    played_at: float | None = None
    fraction: float | None = None
    weight: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("user", self.user), ("track", self.track)):
            if not 1 <= len(value) <= MAX_ID_CHARACTERS:
                what = f"{name} must have 1 to {MAX_ID_CHARACTERS} characters"
                raise InvalidInput(what, got=value[:40])
        _check_range(
            "played_at", self.played_at, (0.0, MAX_UNIX_SECONDS), "seconds since 1970, UTC"
        )
        _check_range(
            "fraction", self.fraction, (0.0, 1.0), "the share of the track that was played"
        )
        limits = (-MAX_WEIGHT, MAX_WEIGHT)
        _check_range("weight", self.weight, limits, "below zero for a skip, above for a play")

    @property
    def effective_weight(self) -> float:
        """The weight, or else the fraction played, or else 1."""
        if self.weight is not None:
            return self.weight
        return 1.0 if self.fraction is None else self.fraction


def _check_range(name: str, value: float | None, limits: tuple[float, float], meaning: str) -> None:
    low, high = limits
    if value is not None and not (math.isfinite(value) and low <= value <= high):
        raise InvalidInput(f"{name} must be {low:g} to {high:g}", got=value, fix=f"give {meaning}")
