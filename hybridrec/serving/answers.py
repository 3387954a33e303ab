"""Answers of the service: ranked tracks, each with its score components."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hybridrec.data.tracks import Track
from hybridrec.errors import InvalidInput

Basis = Literal["behaviour", "audio", "popularity", "track"]


@dataclass(frozen=True)
class Filters:
    """Which tracks an answer may contain.

    Attributes:
        deny: ids of tracks that are left out.
        allow: ids of the only tracks that may be returned; None: all.
        artist, album: only tracks of this artist, or of this album, by exact name.
        per_artist, per_album: the most tracks of one artist, or of one album; tracks without
            an artist or album are not limited.

    Raises:
        InvalidInput: if a limit is below 1.
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
        score: greater is better; comparable within one answer only.
        effective_audio_weight: the share of audio in this track's score, 0 to 1.
        audio_part, behaviour_part: the two weighted components of the score.
        support: distinct users who have played it.
        same_recording: ids of other tracks that are the same recording in another file; they
            are listed here only.
    """

    track: Track
    score: float
    effective_audio_weight: float
    audio_part: float
    behaviour_part: float
    support: int
    same_recording: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """Ranked tracks, and what the ranking is based on.

    Attributes:
        hits: the tracks, best first.
        basis: `behaviour`: the user's plays, by factors; `audio`: the embeddings of what the
            user played, before the first fit; `popularity`: nothing is known of the user;
            `track`: a seed song.
        audio_weight: of the query, 0 to 1: the one asked for, or the tuned one. It is the
            share of audio in the scores of tracks with very many listeners.
        model_version: of the model that ranked, or None before the first fit.
        fingerprint: of the encoder whose embeddings were used, or None without audio.
    """

    hits: list[Hit]
    basis: Basis
    audio_weight: float
    model_version: int | None
    fingerprint: str | None
