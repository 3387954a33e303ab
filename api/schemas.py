"""The contract: what the service takes and answers. The OpenAPI document is made from these."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from flask import request
from flask_openapi3 import FileStorage
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from werkzeug.datastructures import FileStorage as SentFile

from hybridrec.audio.kinds import HEARD_KINDS
from hybridrec.data.plays import MAX_ID_CHARACTERS, MAX_UNIX_SECONDS, MAX_WEIGHT, Play
from hybridrec.data.tracks import Track
from hybridrec.service import Answer, Basis, Hit
from hybridrec.storage.plays import UserSummary

from .explanations import explain

MAX_RESULTS = 100
MAX_PAGE = 200
MAX_PLAYS = 1000
_NO_NUL = r"^[^\x00]*$"

Id = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID_CHARACTERS, pattern=_NO_NUL)]
Text = Annotated[str, StringConstraints(max_length=1000, pattern=_NO_NUL)]


def _seconds(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("give seconds since 1970, or a time as in 2026-07-01T12:00:00Z") from None
    if moment.tzinfo is None:
        raise ValueError("say the time zone, as in 2026-07-01T12:00:00Z")
    return moment.timestamp()


Moment = Annotated[
    float,
    Field(ge=0, le=MAX_UNIX_SECONDS, strict=True),
    BeforeValidator(_seconds),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": MAX_UNIX_SECONDS},
                {"type": "string", "format": "date-time"},
            ]
        }
    ),
]


class _Request(BaseModel):
    """Requests refuse what they do not know: a misspelt field is an error, not a silent default."""

    model_config = ConfigDict(extra="forbid")


class NoQuery(_Request):
    """A call without query parameters."""


class UserPath(_Request):
    """Names a user."""

    user: Id = Field(
        description="outside id of the user; a slash in it is sent as %2F", json_schema_extra={"example": "ada"}
    )


class TrackPath(_Request):
    """Names a track."""

    track: Id = Field(
        description="outside id of the track; a slash in it is sent as %2F", json_schema_extra={"example": "song-17"}
    )


class SimilarToAudioQuery(_Request):
    """How many similar tracks, and whether each says why."""

    n: int = Field(10, ge=1, le=MAX_RESULTS, description="how many tracks", json_schema_extra={"example": 10})
    explain: bool = Field(False, description="add a sentence to each result that says where its score comes from")


class SimilarQuery(SimilarToAudioQuery):
    """How many similar tracks, and how they are weighted."""

    audio_weight: float | None = Field(
        None,
        ge=0,
        le=1,
        description="the share of sound in a track that many play, for this answer; the fewer play a track, the nearer "
        "its own weight is to 1. Left out, the tuned one",
    )


class RecommendationsQuery(SimilarQuery):
    """How many recommendations, how they are weighted, and what is left out."""

    exclude_played: bool = Field(True, description="leave out the tracks that the user has played")


class SearchQuery(_Request):
    """A page of a list, ordered by id."""

    q: Text = Field("", description="words to look for; empty lists everything", json_schema_extra={"example": "night"})
    after: Id | None = Field(None, description="the `next` of the page before")
    limit: int = Field(50, ge=1, le=MAX_PAGE, description="how many on a page")


class UserPlaysQuery(_Request):
    """How many plays of a user."""

    limit: int = Field(50, ge=1, le=MAX_PLAYS, description="how many plays, newest first")


class AudioForm(_Request):
    """An audio file."""

    audio: FileStorage = Field(description=f"{HEARD_KINDS}; known by its content, not by its name")

    @model_validator(mode="before")
    @classmethod
    def _text_as_sent(cls, data: dict[str, Any]) -> dict[str, Any]:
        """Take text as it was sent: flask-openapi3 reads the title `1999` as a number."""
        return {name: request.form.get(name, value) for name, value in data.items()}

    @field_validator("audio")
    @classmethod
    def _is_file(cls, audio: object) -> object:
        if not isinstance(audio, SentFile):
            raise ValueError("send a file, not text")
        return audio


class TrackForm(AudioForm):
    """A track to be added: its audio and what is known of it. What is left out is read from the file's tags."""

    id: Id | None = Field(None, description="outside id; left out, one is made from the audio")
    title: Text = Field("", examples=["Clair de lune"])
    artist: Text = Field("", examples=["Claude Debussy"])
    album: Text = Field("", examples=["Suite bergamasque"])
    genre: Text = Field("", examples=["piano"])


class PlayIn(_Request):
    """One listening event. User, track and time are its identity: told twice, it counts once."""

    model_config = ConfigDict(strict=True)

    user: Id = Field(examples=["ada"])
    track: Id = Field(examples=["song-17"])
    played_at: Moment | None = Field(
        None,
        description="seconds since 1970 in UTC, or ISO 8601 with a time zone; left out, the play stands for all that "
        "the user played of the track",
        examples=[1767225600],
    )
    fraction: float | None = Field(None, ge=0, le=1, description="the share of the track that was heard")
    weight: float | None = Field(
        None,
        ge=-MAX_WEIGHT,
        le=MAX_WEIGHT,
        description="how much it counts: below zero for a skip, above one for a like; left out, the fraction, or 1",
    )

    def to_play(self) -> Play:
        """The play as the library knows it."""
        return Play(**self.model_dump())


class PlaysBody(_Request):
    """Plays to be added, all or none."""

    plays: list[PlayIn] = Field(min_length=1, max_length=MAX_PLAYS)


class PlaysAddedOut(BaseModel):
    """What became of the plays that were sent."""

    added: int = Field(description="plays that were new", examples=[2])
    repeated: int = Field(description="plays that were known already and are not counted again", examples=[0])


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

    support: int = Field(description="how many distinct users have played it; 0 cold, 1 to 4 sparse, 5 or more warm")


class AddedTrackOut(BaseModel):
    """A track after an upload."""

    created: bool = Field(description="false where the library had this very audio already")
    track: TrackOut


class TracksOut(BaseModel):
    """A page of the catalogue."""

    tracks: list[TrackOut]
    next: str | None = Field(description="send it as `after` for the next page; null on the last one")


class HitOut(BaseModel):
    """One result; `score` is the sum of its two parts."""

    track: TrackOut
    score: float = Field(examples=[1.31])
    audio_weight: float = Field(description="the share of sound in this result, 0 to 1", examples=[0.62])
    audio_part: float = Field(description="what sound adds to the score", examples=[0.9])
    behaviour_part: float = Field(description="what plays add to the score", examples=[0.41])
    support: int = Field(description="how many distinct users have played the track", examples=[3])
    explanation: str | None = Field(None, description="where the score comes from, in a sentence")

    @classmethod
    def of(cls, hit: Hit, explanation: str | None) -> Self:
        """A result of the service as clients see it."""
        return cls(
            track=TrackOut.of(hit.track),
            score=hit.score,
            audio_weight=hit.audio_weight,
            audio_part=hit.audio_part,
            behaviour_part=hit.behaviour_part,
            support=hit.support,
            explanation=explanation,
        )


class _AnswerOut(BaseModel):
    basis: Basis = Field(
        description="what the answer went by: `behaviour`, plays seen through the model; `audio`, the sound of what "
        "was played; `popularity`, nothing is known of the user; `track`, a seed song"
    )
    audio_weight: float = Field(
        description="the share of sound in a track that many play: the one asked for, or the tuned one", examples=[0.1]
    )
    model_version: int | None = Field(description="the model that answered; null before the first fit", examples=[3])
    fingerprint: str | None = Field(description="the ears that were gone by; null where nothing was heard")


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

    track: str | None = Field(description="the seed; null for a file that is not kept", examples=["song-17"])
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
    next: str | None = Field(description="send it as `after` for the next page; null on the last one")


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
    """What the service serves from."""

    ready: bool
    tracks: int = Field(examples=[275])
    embedded: int = Field(description="tracks that have been heard", examples=[275])
    users: int = Field(examples=[300])
    plays: int = Field(examples=[12000])
    model_version: int | None = Field(description="the model in use; null before the first fit", examples=[3])
    fingerprint: str | None = Field(description="the ears in use; null before any track is heard")
    why: str = Field(description="what is missing, where something is")
