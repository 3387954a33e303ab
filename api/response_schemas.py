"""The contract, what the service answers. The OpenAPI document is made from these."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, Field

from hybridrec.data.plays import Play
from hybridrec.data.tracks import Track
from hybridrec.serving.answers import Answer, Basis, Hit
from hybridrec.storage.plays import UserSummary

from .result_explanations import explain


class PlaysAddedOut(BaseModel):
    """What became of the plays that were sent."""

    added: int = Field(description="plays that were new", examples=[2])
    repeated: int = Field(
        description="plays that were known already and are not counted again", examples=[0]
    )


class TrackOut(BaseModel):
    """A track of the catalogue."""

    id: str = Field(examples=["song-17"])
    title: str = Field(description="empty where unknown", examples=["Clair de lune"])
    artist: str = Field(description="empty where unknown", examples=["Claude Debussy"])
    album: str = Field(description="empty where unknown", examples=["Suite bergamasque"])
    genre: str = Field(description="empty where unknown", examples=["piano"])
    duration_seconds: float | None = Field(examples=[302.5])
    has_audio: bool = Field(description="whether GET /v1/tracks/{track}/audio plays it")

    @classmethod
    def of(cls, track: Track) -> Self:
        """What clients may know of a track; its place on this machine is not among it."""
        return cls(
            id=track.id,
            title=track.title,
            artist=track.artist,
            album=track.album,
            genre=track.genre,
            duration_seconds=track.duration_seconds,
            has_audio=track.path is not None,
        )


class KnownTrackOut(TrackOut):
    """A track and how many have heard it."""

    support: int = Field(
        description="how many distinct users have played it; 0 cold, 1 to 4 sparse, 5 or more warm"
    )


class AddedTrackOut(BaseModel):
    """A track after an upload."""

    created: bool = Field(description="false where the library had this very audio already")
    track: TrackOut


class TracksOut(BaseModel):
    """A page of the catalogue."""

    tracks: list[TrackOut]
    next: str | None = Field(
        description="send it as `after` for the next page; null on the last one"
    )


class HitOut(BaseModel):
    """One result; `score` is the sum of its two parts."""

    track: TrackOut
    score: float = Field(examples=[1.31])
    audio_weight: float = Field(
        description="the share of sound in this result, 0 to 1", examples=[0.62]
    )
    audio_part: float = Field(description="what sound adds to the score", examples=[0.9])
    behaviour_part: float = Field(description="what plays add to the score", examples=[0.41])
    support: int = Field(description="how many distinct users have played the track", examples=[3])
    same_recording: list[str] = Field(
        description="ids of other tracks that are this recording in another file, and so no results of their own",
        examples=[["song-17-remaster"]],
    )
    explanation: str | None = Field(None, description="where the score comes from, in a sentence")

    @classmethod
    def of(cls, hit: Hit, explanation: str | None) -> Self:
        """A result of the service as clients see it."""
        return cls(
            track=TrackOut.of(hit.track),
            score=hit.score,
            audio_weight=hit.effective_audio_weight,
            audio_part=hit.audio_part,
            behaviour_part=hit.behaviour_part,
            support=hit.support,
            same_recording=list(hit.same_recording),
            explanation=explanation,
        )


class _AnswerOut(BaseModel):
    basis: Basis = Field(
        description="what the answer went by: `behaviour`, plays seen through the model; `audio`, the sound of what "
        "was played; `popularity`, nothing is known of the user; `track`, a seed song"
    )
    audio_weight: float = Field(
        description="the share of sound in a track that many play: the one asked for, or the tuned one",
        examples=[0.1],
    )
    model_version: int | None = Field(
        description="the model that answered; null before the first fit", examples=[3]
    )
    fingerprint: str | None = Field(
        description="the ears that were gone by; null where nothing was heard"
    )


class RecommendationsOut(_AnswerOut):
    """What a user should hear next, best first."""

    user: str = Field(examples=["ada"])
    recommendations: list[HitOut]

    @classmethod
    def of(cls, user: str, answer: Answer, explained: bool) -> Self:
        """An answer of the service as clients see it."""
        return cls(user=user, recommendations=_hits(answer, explained), **_about(answer))


class SimilarOut(_AnswerOut):
    """Tracks that sound and are heard like another, best first."""

    track: str | None = Field(
        description="the seed; null for a file that is not kept", examples=["song-17"]
    )
    similar: list[HitOut]

    @classmethod
    def of(cls, track: str | None, answer: Answer, explained: bool) -> Self:
        """An answer of the service as clients see it."""
        return cls(track=track, similar=_hits(answer, explained), **_about(answer))


def _hits(answer: Answer, explained: bool) -> list[HitOut]:
    return [HitOut.of(hit, explain(hit) if explained else None) for hit in answer.hits]


def _about(answer: Answer) -> dict[str, Any]:
    return {name: getattr(answer, name) for name in _AnswerOut.model_fields}


class UserOut(BaseModel):
    """A user and how much is known of her."""

    id: str = Field(examples=["ada"])
    plays: int = Field(examples=[42])

    @classmethod
    def of(cls, user: UserSummary) -> Self:
        """A user of the library as clients see her."""
        return cls(id=user.id, plays=user.plays)


class UsersOut(BaseModel):
    """A page of users."""

    users: list[UserOut]
    next: str | None = Field(
        description="send it as `after` for the next page; null on the last one"
    )


class PlayOut(BaseModel):
    """One play of a user."""

    track: TrackOut
    played_at: float | None = Field(description="seconds since 1970, UTC", examples=[1767225600])
    fraction: float | None
    weight: float = Field(description="how much it counts", examples=[1.0])

    @classmethod
    def of(cls, play: Play, track: Track) -> Self:
        """A play with what is known of its track."""
        return cls(
            track=TrackOut.of(track),
            played_at=play.played_at,
            fraction=play.fraction,
            weight=play.effective_weight,
        )


class UserPlaysOut(BaseModel):
    """What is known of a user, newest first."""

    user: str
    plays: list[PlayOut]


class HealthOut(BaseModel):
    """The process answers."""

    status: str = Field(examples=["ok"])


class ReadyOut(BaseModel):
    """Whether recommendations can be served and, for those who may know, what from."""

    ready: bool
    why: str = Field(description="what is missing, where something is")
    tracks: int = Field(0, examples=[275])
    embedded: int = Field(0, description="tracks that have been heard", examples=[275])
    users: int = Field(0, examples=[300])
    plays: int = Field(0, examples=[12000])
    model_version: int | None = Field(
        None, description="the model in use; null before the first fit", examples=[3]
    )
    fingerprint: str | None = Field(
        None, description="the ears in use; null before any track is heard"
    )
