"""The catalogue: listing, adding, streaming and deleting tracks."""

from __future__ import annotations

from pathlib import Path

from flask import Response, send_file, url_for
from flask_openapi3 import APIBlueprint, Tag

from hybridrec.audio.kinds import kind_of
from hybridrec.serving.uploads import TrackDetails

from ..access import caller, counted_by
from ..context import service
from ..logs import note
from ..problems import documented
from ..request_parsing import expect_form, uploaded
from ..request_schemas import NoQuery, SearchQuery, TrackForm, TrackPath
from ..response_schemas import AddedTrackOut, KnownTrackOut, TrackOut, TracksOut

tracks = APIBlueprint(
    "tracks",
    __name__,
    url_prefix="/v1/tracks",
    abp_tags=[Tag(name="tracks", description="The catalogue.")],
)
tracks.before_request(expect_form)

_MEDIA_TYPES = {
    "aac": "audio/aac",
    "aiff": "audio/aiff",
    "flac": "audio/flac",
    "mov": "audio/mp4",
    "mp3": "audio/mpeg",
    "ogg": "audio/ogg",
    "wav": "audio/wav",
}
_AUDIO = {
    "description": "the file as it was uploaded; range requests are supported",
    "content": {"audio/*": {}},
}


@tracks.get("", responses={200: TracksOut, **documented()})
def list_tracks(query: SearchQuery) -> dict[str, object]:
    """List or search tracks, paged by cursor."""
    found = service().find_tracks(query.q, query.after, query.limit + 1)
    page = [TrackOut.of(track) for track in found[: query.limit]]
    return TracksOut(
        tracks=page, next=page[-1].id if len(found) > query.limit else None
    ).model_dump()


@tracks.post(
    "", responses={200: AddedTrackOut, 201: AddedTrackOut, **documented(403, 409, 413, 415, 507)}
)
def add_track(query: NoQuery, form: TrackForm) -> tuple[dict[str, object], int, dict[str, str]]:
    """Add a track: it is embedded, stored and recommendable when the response is sent.

    201 for a new track, 200 if the library had this audio already.
    """
    details = TrackDetails(
        filename=form.audio.filename or "",
        id=form.id,
        title=form.title,
        artist=form.artist,
        album=form.album,
        genre=form.genre,
    )
    with uploaded(form.audio) as path:
        track, created = service().add_track(path, details, caller=counted_by(caller()))
    note(track=track.id, created=created)
    location = url_for("tracks.get_track", track=track.id)
    return (
        AddedTrackOut(created=created, track=TrackOut.of(track)).model_dump(),
        201 if created else 200,
        {"Location": location},
    )


@tracks.get("/<id:track>", responses={200: KnownTrackOut, **documented(404)})
def get_track(path: TrackPath, query: NoQuery) -> dict[str, object]:
    """Look up a track."""
    track = service().track(path.track)
    return KnownTrackOut(
        **TrackOut.of(track).model_dump(), support=service().support(track.id)
    ).model_dump()


@tracks.delete("/<id:track>", responses={204: None, **documented(403, 404)})
def delete_track(path: TrackPath, query: NoQuery) -> tuple[str, int]:
    """Delete a track, its embedding, its plays and its file, if it was uploaded."""
    service().delete_track(path.track)
    return "", 204


@tracks.get("/<id:track>/audio", responses={200: _AUDIO, 206: _AUDIO, **documented(404, 416)})
def stream_track(path: TrackPath, query: NoQuery) -> Response:
    """Stream the audio of a track."""
    audio = service().audio_path(path.track)
    return send_file(audio, mimetype=_media_type(audio), download_name="audio", conditional=True)


def _media_type(audio: Path) -> str:
    """The media type of an audio file, by its content, not by its name."""
    with audio.open("rb") as file:
        kind = kind_of(file)
    return "application/octet-stream" if kind is None else _MEDIA_TYPES[kind.demuxer]
