"""Schemas of responses. The OpenAPI document is generated from them."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, Field

from hybridrec.data.plays import Play
from hybridrec.data.tracks import Track
from hybridrec.serving.answers import Answer, Basis, Hit
from hybridrec.storage.plays import UserSummary

from .result_explanations import explain

NEXT_PAGE = "pass it as `after` to get the next page; null on the last page"


class PlaysAddedOut(BaseModel):
    """How many of the plays sent were new."""

    added: int = Field(description="plays that were stored", examples=[2])
    repeated: int = Field(
        description="plays that were stored before and are not counted again", examples=[0]
    )


class TrackOut(BaseModel):
    """A track of the catalogue."""

    id: str = Field(examples=["song-17"])
    title: str = Field(description="empty if unknown", examples=["Clair de lune"])
    artist: str = Field(description="empty if unknown", examples=["Claude Debussy"])
    album: str = Field(description="empty if unknown", examples=["Suite bergamasque"])
    genre: str = Field(description="empty if unknown", examples=["piano"])
    duration_seconds: float | None = Field(examples=[302.5])
    has_audio: bool = Field(description="whether GET /v1/tracks/{track}/audio returns a file")

    @classmethod
    def of(cls, track: Track) -> Self:
        """The public fields of a track; the path of its file is not one of them."""
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
    """A track and its support."""

    support: int = Field(
        description="number of distinct users who have played it: 0 cold, 1 to 4 sparse, 5 or more "
        "warm"
    )


class AddedTrackOut(BaseModel):
    """The result of an upload."""

    created: bool = Field(description="false if the library had this audio already")
    track: TrackOut


class TracksOut(BaseModel):
    """A page of the catalogue."""

    tracks: list[TrackOut]
    next: str | None = Field(description=NEXT_PAGE)


class HitOut(BaseModel):
    """One result; `score` is the sum of `audio_part` and `behaviour_part`."""

    track: TrackOut
    score: float = Field(examples=[1.31])
    effective_audio_weight: float = Field(
        description="share of audio in the score of this result, 0 to 1; 1 if nobody has played "
        "the track",
        examples=[0.62],
    )
    audio_weight: float = Field(
        description="former name of `effective_audio_weight`; absent from the next release on",
        examples=[0.62],
        deprecated=True,
    )
    audio_part: float = Field(description="contribution of audio to the score", examples=[0.9])
    behaviour_part: float = Field(description="contribution of plays to the score", examples=[0.41])
    support: int = Field(
        description="number of distinct users who have played the track", examples=[3]
    )
    same_recording: list[str] = Field(
        description="ids of other tracks that are the same recording in another file; they are "
        "listed here only",
        examples=[["song-17-remaster"]],
    )
    explanation: str | None = Field(
        None, description="a sentence about the score; null unless `explain` was asked for"
    )

    @classmethod
    def of(cls, hit: Hit, explanation: str | None) -> Self:
        """The response for one result of the service."""
        return cls(
            track=TrackOut.of(hit.track),
            score=hit.score,
            effective_audio_weight=hit.effective_audio_weight,
            audio_weight=hit.effective_audio_weight,
            audio_part=hit.audio_part,
            behaviour_part=hit.behaviour_part,
            support=hit.support,
            same_recording=list(hit.same_recording),
            explanation=explanation,
        )


class _AnswerOut(BaseModel):
    basis: Basis = Field(
        description="what the ranking is based on. `behaviour`: factors of the user's plays; "
        "`audio`: embeddings of the tracks played, until a model is fitted; `popularity`: the user "
        "is unknown; `track`: a seed song"
    )
    audio_weight: float = Field(
        description="audio weight of the query: the one asked for, or the tuned one. It is the "
        "share of audio in the scores of tracks with very many listeners; each result has its "
        "`effective_audio_weight`",
        examples=[0.1],
    )
    model_version: int | None = Field(
        description="version of the model that ranked; null before the first fit", examples=[3]
    )
    fingerprint: str | None = Field(
        description="fingerprint of the encoder whose embeddings were used; null without audio"
    )


class RecommendationsOut(_AnswerOut):
    """Recommended tracks, best first."""

    user: str = Field(examples=["ada"])
    recommendations: list[HitOut]

    @classmethod
    def of(cls, user: str, answer: Answer, explained: bool) -> Self:
        """The response for an answer of the service."""
        return cls(user=user, recommendations=_hits(answer, explained), **_about(answer))


class SimilarOut(_AnswerOut):
    """Similar tracks, by audio and by who plays them, best first."""

    track: str | None = Field(
        description="id of the seed track; null for an uploaded file", examples=["song-17"]
    )
    similar: list[HitOut]

    @classmethod
    def of(cls, track: str | None, answer: Answer, explained: bool) -> Self:
        """The response for an answer of the service."""
        return cls(track=track, similar=_hits(answer, explained), **_about(answer))


def _hits(answer: Answer, explained: bool) -> list[HitOut]:
    return [HitOut.of(hit, explain(hit) if explained else None) for hit in answer.hits]


def _about(answer: Answer) -> dict[str, Any]:
    return {name: getattr(answer, name) for name in _AnswerOut.model_fields}


class UserOut(BaseModel):
    """A user and the number of plays."""

    id: str = Field(examples=["ada"])
    plays: int = Field(examples=[42])

    @classmethod
    def of(cls, user: UserSummary) -> Self:
        """The response for a user of the library."""
        return cls(id=user.id, plays=user.plays)


class UsersOut(BaseModel):
    """A page of users."""

    users: list[UserOut]
    next: str | None = Field(description=NEXT_PAGE)


class PlayOut(BaseModel):
    """One play of a user."""

    track: TrackOut
    played_at: float | None = Field(description="seconds since 1970, UTC", examples=[1767225600])
    fraction: float | None
    weight: float = Field(
        description="weight in the interactions; negative for a skip", examples=[1.0]
    )

    @classmethod
    def of(cls, play: Play, track: Track) -> Self:
        """The response for a play and its track."""
        return cls(
            track=TrackOut.of(track),
            played_at=play.played_at,
            fraction=play.fraction,
            weight=play.effective_weight,
        )


class UserPlaysOut(BaseModel):
    """The plays of a user, newest first."""

    user: str
    plays: list[PlayOut]


class HealthOut(BaseModel):
    """The process is alive."""

    status: str = Field(examples=["ok"])


class ReadyOut(BaseModel):
    """Whether recommendations can be served; counts only for callers who may read the library."""

    ready: bool
    why: str = Field(description="what is missing; empty if nothing is")
    tracks: int = Field(0, examples=[275])
    embedded: int = Field(0, description="tracks with an embedding", examples=[275])
    users: int = Field(0, examples=[300])
    plays: int = Field(0, examples=[12000])
    model_version: int | None = Field(
        None, description="version of the model in use; null before the first fit", examples=[3]
    )
    fingerprint: str | None = Field(
        None, description="fingerprint of the encoder in use; null before the first embedding"
    )
