"""Schemas of the protocol of ListenBrainz, with its limits."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    StringConstraints,
    model_validator,
)

from hybridrec.data.listens import Listen
from hybridrec.data.names import MAX_NAME_CHARACTERS
from hybridrec.errors import InvalidInput

EARLIEST = 1033410600
MAX_AHEAD_SECONDS = 3600
MAX_LISTEN_BYTES = 10_240
MAX_LISTENS = 1000
MAX_TAGS = 50
MAX_TAG_CHARACTERS = 64


def _no_nul(text: str) -> str:
    if "\0" in text or text != text.encode("utf-8", "replace").decode("utf-8"):
        raise ValueError("text must be Unicode without zero bytes")
    return text


def _mbid(value: object) -> object:
    try:
        return str(UUID(value)) if isinstance(value, str) and len(value) == 36 else UUID("")
    except ValueError:
        raise ValueError("a MusicBrainz id must be a UUID") from None


Text = Annotated[
    str, StringConstraints(strict=True, max_length=MAX_NAME_CHARACTERS), AfterValidator(_no_nul)
]
Name = Annotated[
    str,
    StringConstraints(
        strict=True, strip_whitespace=True, min_length=1, max_length=MAX_NAME_CHARACTERS
    ),
    AfterValidator(_no_nul),
]
Mbid = Annotated[str, BeforeValidator(_mbid), Field(json_schema_extra={"format": "uuid"})]
Tag = Annotated[Text, StringConstraints(min_length=1, max_length=MAX_TAG_CHARACTERS)]
Duration = Annotated[StrictInt, Field(gt=0, le=2_073_600_000)]


class _Listened(BaseModel):
    model_config = ConfigDict(extra="allow")


class AdditionalInfo(_Listened):
    """Further metadata; fields that are not listed are accepted and ignored."""

    duration: Duration | None = Field(None, description="length of the track in seconds")
    duration_ms: Duration | None = Field(None, description="length of the track in milliseconds")
    recording_mbid: Mbid | None = None
    track_mbid: Mbid | None = None
    release_mbid: Mbid | None = None
    release_group_mbid: Mbid | None = None
    artist_mbids: list[Mbid] = Field([])
    work_mbids: list[Mbid] = Field([])
    tags: list[Tag] = Field([], max_length=MAX_TAGS)

    @model_validator(mode="after")
    def _one_duration(self) -> Self:
        if self.duration is not None and self.duration_ms is not None:
            raise ValueError("give duration or duration_ms, not both")
        return self


class TrackMetadata(_Listened):
    """The track that was played, as the player names it."""

    artist_name: Name = Field(examples=["Claude Debussy"])
    track_name: Name = Field(examples=["Clair de lune"])
    release_name: Text | None = Field(None, examples=["Suite bergamasque"])
    additional_info: AdditionalInfo = Field(default=AdditionalInfo.model_construct())


class ListenIn(_Listened):
    """One listen."""

    listened_at: StrictInt | None = Field(
        None,
        ge=EARLIEST,
        description="seconds since 1970; absent for `playing_now`",
        examples=[1767225600],
    )
    track_metadata: TrackMetadata

    @model_validator(mode="before")
    @classmethod
    def _size(cls, data: Any) -> Any:
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        if len(text.encode("utf-8", "replace")) > MAX_LISTEN_BYTES:
            raise ValueError(f"a listen may have at most {MAX_LISTEN_BYTES} bytes")
        return data


class SubmitListensBody(BaseModel):
    """Listens of one user."""

    listen_type: Literal["single", "playing_now", "import"]
    payload: list[ListenIn] = Field(min_length=1, max_length=MAX_LISTENS)

    @model_validator(mode="after")
    def _fits_type(self) -> Self:
        if self.listen_type != "import" and len(self.payload) > 1:
            raise ValueError(f"a {self.listen_type} submission has one listen")
        for listen in self.payload:
            if self.listen_type == "playing_now" and listen.listened_at is not None:
                raise ValueError("a playing_now listen has no listened_at")
            if self.listen_type != "playing_now" and listen.listened_at is None:
                raise ValueError("every listen needs listened_at")
        return self

    def listens(self, user: str, now: float) -> list[Listen]:
        """The listens to store; none for `playing_now`.

        Args:
            user: id of the listener.
            now: seconds since 1970.

        Raises:
            InvalidInput: if a listen is more than an hour in the future.
        """
        return [_listen(user, one, now) for one in self.payload if one.listened_at is not None]


def _listen(user: str, sent: ListenIn, now: float) -> Listen:
    assert sent.listened_at is not None
    if sent.listened_at > now + MAX_AHEAD_SECONDS:
        raise InvalidInput("listened_at is more than an hour in the future", got=sent.listened_at)
    about = sent.track_metadata
    return Listen(
        user,
        float(sent.listened_at),
        about.artist_name,
        about.track_name,
        about.release_name or "",
        about.additional_info.recording_mbid or "",
    )


class SubmittedOut(BaseModel):
    """The listens are stored."""

    status: str = Field(examples=["ok"])


class RefusedOut(BaseModel):
    """An error, in the form of ListenBrainz."""

    code: int = Field(examples=[400])
    error: str = Field(examples=["payload.0.track_metadata.artist_name: Field required"])
