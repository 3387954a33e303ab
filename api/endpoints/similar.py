"""Tracks similar to a track or to an audio file."""

from __future__ import annotations

from flask_openapi3 import APIBlueprint, Tag

from ..access import caller, counted_by
from ..context import service
from ..metrics import counted
from ..problems import documented
from ..request_parsing import expect_form, uploaded
from ..request_schemas import AudioForm, SimilarQuery, SimilarToAudioQuery, TrackPath
from ..response_schemas import SimilarOut

similar = APIBlueprint(
    "similar",
    __name__,
    url_prefix="/v1",
    abp_tags=[Tag(name="similar", description="Tracks similar to a seed song.")],
)
similar.before_request(expect_form)


@similar.get("/tracks/<id:track>/similar", responses={200: SimilarOut, **documented(404, 503)})
def similar_to_track(path: TrackPath, query: SimilarQuery) -> dict[str, object]:
    """Find tracks similar to a track of the catalogue."""
    answer = service().similar(
        path.track, query.n, audio_weight=query.audio_weight, filters=query.filters
    )
    return SimilarOut.of(path.track, counted(answer), query.explain).model_dump()


@similar.post("/similar", responses={200: SimilarOut, **documented(403, 413, 415, 503)})
def similar_to_audio(query: SimilarToAudioQuery, form: AudioForm) -> dict[str, object]:
    """Find tracks similar to an audio file, which is not stored."""
    with uploaded(form.audio) as path:
        answer = service().similar_to_audio(
            path, query.n, filters=query.filters, caller=counted_by(caller())
        )
    return SimilarOut.of(None, counted(answer), query.explain).model_dump()
