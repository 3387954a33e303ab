"""Schemas of requests. The OpenAPI document is generated from them."""

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
        raise ValueError("give a time zone, as in 2026-07-01T12:00:00Z")
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
    """Refuses unknown fields: a misspelt one is an error, not a silent default."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _refuse_many_unknown(cls, data: Any) -> Any:
        """One error for very many unknown fields, which would cost more than the request."""
        if isinstance(data, dict) and len(data) > len(cls.model_fields) + MAX_UNKNOWN:
            unknown = len(data.keys() - cls.model_fields.keys())
            if unknown > MAX_UNKNOWN:
                raise PydanticCustomError(
                    "unknown_fields", "{count} fields are unknown", {"count": unknown}
                )
        return data

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The schema, cached: flask-openapi3 asks for it with every request."""
        return _json_schema(super().model_json_schema, *args, **kwargs)


@cache
def _json_schema(make: Callable[..., dict[str, Any]], *args: Any, **kwargs: Any) -> dict[str, Any]:
    return make(*args, **kwargs)


def _without_null(schema: dict[str, Any]) -> None:
    """Drop null from the types: a query string or a form cannot send it."""
    for field in schema["properties"].values():
        kinds = [kind for kind in field.pop("anyOf", []) if kind != {"type": "null"}]
        if kinds:
            (kind,) = kinds
            field.update(kind)
            field.pop("default", None)


class _QueryOrForm(_Request):
    """A query string or a form: fields are present or absent, never null."""

    model_config = ConfigDict(json_schema_extra=_without_null)


class NoQuery(_Request):
    """A request without query parameters."""


class UserPath(_Request):
    """The id of a user."""

    user: Id = Field(
        description="id of the user; encode a slash in it as %2F",
        json_schema_extra={"example": "ada"},
    )


class TrackPath(_Request):
    """The id of a track."""

    track: Id = Field(
        description="id of the track; encode a slash in it as %2F",
        json_schema_extra={"example": "song-17"},
    )


class SimilarToAudioQuery(_QueryOrForm):
    """Number of similar tracks, filters and explanations."""

    n: int = Field(
        10, ge=1, le=MAX_RESULTS, description="number of tracks", json_schema_extra={"example": 10}
    )
    explain: bool = Field(
        False, description="add a sentence to each result that explains its score"
    )
    deny: list[Id] = Field(
        [],
        max_length=MAX_NAMED,
        description="ids of tracks to leave out; repeat the parameter for each",
    )
    allow: list[Id] = Field(
        [],
        max_length=MAX_NAMED,
        description="ids of the only tracks to choose from; repeat the parameter for each",
    )
    artist: Text | None = Field(None, description="only tracks of this artist, by exact name")
    album: Text | None = Field(None, description="only tracks of this album, by exact name")
    per_artist: int | None = Field(
        None, ge=1, le=MAX_RESULTS, description="at most this many tracks of one artist"
    )
    per_album: int | None = Field(
        None, ge=1, le=MAX_RESULTS, description="at most this many tracks of one album"
    )

    @property
    def filters(self) -> Filters:
        """The filters of the query."""
        return Filters(
            deny=tuple(self.deny),
            allow=tuple(self.allow) or None,
            artist=self.artist,
            album=self.album,
            per_artist=self.per_artist,
            per_album=self.per_album,
        )


class SimilarQuery(SimilarToAudioQuery):
    """Number of similar tracks, filters and audio weight."""

    audio_weight: float | None = Field(
        None,
        ge=0,
        le=1,
        description="share of audio in the scores of tracks with very many listeners, 0 to 1; the "
        "fewer listeners a track has, the nearer its effective audio weight is to 1. Default: the "
        "tuned one",
    )


class RecommendationsQuery(SimilarQuery):
    """Number of recommendations, filters and audio weight."""

    exclude_played: bool = Field(True, description="leave out tracks that the user has played")


class SearchQuery(_QueryOrForm):
    """A page of a list, ordered by id."""

    q: Text = Field(
        "",
        description="words to search for; empty lists all",
        json_schema_extra={"example": "night"},
    )
    after: Id | None = Field(None, description="`next` of the previous page")
    limit: int = Field(50, ge=1, le=MAX_PAGE, description="most entries of a page")


class UserPlaysQuery(_Request):
    """Number of plays of a user."""

    limit: int = Field(50, ge=1, le=MAX_PLAYS, description="most plays to list, newest first")


class AudioForm(_QueryOrForm):
    """An audio file."""

    audio: FileStorage = Field(description=f"{AUDIO_KINDS}; recognised by content, not by name")

    @model_validator(mode="before")
    @classmethod
    def _text_as_sent(cls, data: dict[str, Any]) -> dict[str, Any]:
        """Use text as it was sent: flask-openapi3 parses the title `1999` as a number."""
        return {name: request.form.get(name, value) for name, value in data.items()}

    @field_validator("audio")
    @classmethod
    def _is_file(cls, audio: object) -> object:
        if not isinstance(audio, SentFile):
            raise ValueError("send a file, not text")
        return audio


class TrackForm(AudioForm):
    """A track to add: its audio and metadata. Missing metadata is read from the file's tags."""

    id: Id | None = Field(None, description="id of the track; default: made from the audio")
    title: Text = Field("", examples=["Clair de lune"])
    artist: Text = Field("", examples=["Claude Debussy"])
    album: Text = Field("", examples=["Suite bergamasque"])
    genre: Text = Field("", examples=["piano"])


class PlayIn(_Request):
    """One listening event, identified by user, track and time: sent twice, it counts once."""

    model_config = ConfigDict(strict=True)

    user: Id = Field(examples=["ada"])
    track: Id = Field(examples=["song-17"])
    played_at: Moment | None = Field(
        None,
        description="seconds since 1970 in UTC, or ISO 8601 with a time zone; without it the play "
        "stands for all plays of the track by the user",
        examples=[1767225600],
    )
    fraction: float | None = Field(
        None, ge=0, le=1, description="share of the track that was played"
    )
    weight: float | None = Field(
        None,
        ge=-MAX_WEIGHT,
        le=MAX_WEIGHT,
        description="weight in the interactions: below 0 for a skip, above 1 for a like; default: "
        "the fraction, or 1",
    )

    def to_play(self) -> Play:
        """The play as a value object of the library."""
        return Play(**self.model_dump())


class PlaysBody(_Request):
    """Plays to add, all or none."""

    plays: list[PlayIn] = Field(min_length=1, max_length=MAX_PLAYS)
