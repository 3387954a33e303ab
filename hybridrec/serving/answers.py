"""What a music service is answered: tracks, each with the reason why it is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hybridrec.data.tracks import Track
from hybridrec.errors import InvalidInput

Basis = Literal["behaviour", "audio", "popularity", "track"]


@dataclass(frozen=True)
class Filters:
    """Which tracks an answer may have.

    Attributes:
        deny: ids of tracks that it must not have.
        allow: ids of tracks of which it may have some; None: of all.
        artist, album: only tracks of this artist, or of this album, by their exact names.
        per_artist, per_album: at most so many tracks of one artist, or of one album; tracks
            that name none are not counted.
    """

    deny: tuple[str, ...] = ()
    allow: tuple[str, ...] | None = None
    artist: str | None = None
    album: str | None = None
    per_artist: int | None = None
    per_album: int | None = None

    def __post_init__(self) -> None:
        for name in ("per_artist", "per_album"):
            limit = getattr(self, name)
            if limit is not None and limit < 1:
                raise InvalidInput(
                    f"{name} must be 1 or more", got=limit, fix="leave it out for no limit"
                )


@dataclass(frozen=True)
class Hit:
    """One track of an answer; `score = audio_part + behaviour_part`.

    Attributes:
        track: what is known of it.
        score: the greater the better; comparable within one answer.
        audio_weight: the weight that sound had for this track, 0 to 1.
        audio_part, behaviour_part: the two weighted parts of the score.
        support: distinct users who have played it.
        same_recording: ids of other tracks that are this recording in another file; they are not hits of their own.
    """

    track: Track
    score: float
    audio_weight: float
    audio_part: float
    behaviour_part: float
    support: int
    same_recording: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """Tracks, best first, and what the answer went by.

    Attributes:
        hits: the tracks.
        basis: `behaviour`, the user's plays seen through factors; `audio`, her plays by
            their sound, before the first fit; `popularity`, nothing is known of her;
            `track`, a seed song.
        audio_weight: the share of sound it was made with for much-played tracks, 0 to 1:
            the one asked for, or the tuned one.
        model_version: of the model that gave it, or None before the first fit.
        fingerprint: of the ears it goes by, or None without audio.
    """

    hits: list[Hit]
    basis: Basis
    audio_weight: float
    model_version: int | None
    fingerprint: str | None
