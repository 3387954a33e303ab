"""The contract, what the service takes. The OpenAPI document is made from these."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Annotated, Any

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
from pydantic_core import PydanticCustomError
from werkzeug.datastructures import FileStorage as SentFile

from hybridrec.audio.kinds import AUDIO_KINDS
from hybridrec.data.plays import MAX_ID_CHARACTERS, MAX_UNIX_SECONDS, MAX_WEIGHT, Play
from hybridrec.serving.answers import Filters

MAX_RESULTS = 100
MAX_PAGE = 200
MAX_PLAYS = 1000
MAX_NAMED = 100
MAX_UNKNOWN = 20
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
                {"type": "string", "format": "date-time", "pattern": r"^(19[7-9]\d|2\d\d\d)-"},
            ]
        }
    ),
]


class _Request(BaseModel):
    """Requests refuse what they do not know: a misspelt field is an error, not a silent default."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _refuse_many_unknown(cls, data: Any) -> Any:
        """One error for all unknown fields where these are many: each of its own would cost more than the request."""
        if isinstance(data, dict) and len(data) > len(cls.model_fields) + MAX_UNKNOWN:
            unknown = len(data.keys() - cls.model_fields.keys())
            if unknown > MAX_UNKNOWN:
                raise PydanticCustomError(
                    "unknown_fields", "{count} fields are not known here", {"count": unknown}
                )
        return data

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """What pydantic makes, made once: it is asked for with every request that has a query."""
        return _json_schema(super().model_json_schema, *args, **kwargs)


@cache
def _json_schema(make: Callable[..., dict[str, Any]], *args: Any, **kwargs: Any) -> dict[str, Any]:
    return make(*args, **kwargs)


def _without_null(schema: dict[str, Any]) -> None:
    """Leave out what only JSON can say."""
    for field in schema["properties"].values():
        kinds = [kind for kind in field.pop("anyOf", []) if kind != {"type": "null"}]
        if kinds:
            (kind,) = kinds
            field.update(kind)
            field.pop("default", None)


class _Written(_Request):
    """What comes in an address or a form: a field is there or left out, but never null."""

    model_config = ConfigDict(json_schema_extra=_without_null)


class NoQuery(_Request):
    """A call without query parameters."""


class UserPath(_Request):
    """Names a user."""

    user: Id = Field(
        description="outside id of the user; a slash in it is sent as %2F",
        json_schema_extra={"example": "ada"},
    )


class TrackPath(_Request):
    """Names a track."""

    track: Id = Field(
        description="outside id of the track; a slash in it is sent as %2F",
        json_schema_extra={"example": "song-17"},
    )


class SimilarToAudioQuery(_Written):
    """How many similar tracks, which may come, and whether each says why."""

    n: int = Field(
        10, ge=1, le=MAX_RESULTS, description="how many tracks", json_schema_extra={"example": 10}
    )
    explain: bool = Field(
        False, description="add a sentence to each result that says where its score comes from"
    )
    deny: list[Id] = Field(
        [],
        max_length=MAX_NAMED,
        description="ids of tracks that must not come; say it once for each",
    )
    allow: list[Id] = Field(
        [],
        max_length=MAX_NAMED,
        description="ids of the tracks that may come; say it once for each, or not at all for all",
    )
    artist: Text | None = Field(
        None, description="only tracks of this artist, named as in the catalogue"
    )
    album: Text | None = Field(
        None, description="only tracks of this album, named as in the catalogue"
    )
    per_artist: int | None = Field(
        None, ge=1, le=MAX_RESULTS, description="at most so many tracks of one artist"
    )
    per_album: int | None = Field(
        None, ge=1, le=MAX_RESULTS, description="at most so many tracks of one album"
    )

    @property
    def filters(self) -> Filters:
        """Which tracks may come."""
        return Filters(
            deny=tuple(self.deny),
            allow=tuple(self.allow) or None,
            artist=self.artist,
            album=self.album,
            per_artist=self.per_artist,
            per_album=self.per_album,
        )


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


class SearchQuery(_Written):
    """A page of a list, ordered by id."""

    q: Text = Field(
        "",
        description="words to look for; empty lists everything",
        json_schema_extra={"example": "night"},
    )
    after: Id | None = Field(None, description="the `next` of the page before")
    limit: int = Field(50, ge=1, le=MAX_PAGE, description="how many on a page")


class UserPlaysQuery(_Request):
    """How many plays of a user."""

    limit: int = Field(50, ge=1, le=MAX_PLAYS, description="how many plays, newest first")


class AudioForm(_Written):
    """An audio file."""

    audio: FileStorage = Field(description=f"{AUDIO_KINDS}; known by its content, not by its name")

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
    fraction: float | None = Field(
        None, ge=0, le=1, description="the share of the track that was heard"
    )
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
