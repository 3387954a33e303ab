"""What sounds and is heard like this?"""

from __future__ import annotations

from flask_openapi3 import APIBlueprint, Tag

from hybridrec.service import Answer

from .context import service
from .explanations import explain
from .problems import documented
from .requests import expect_form, file_of
from .schemas import AudioForm, HitOut, SimilarOut, SimilarQuery, SimilarToAudioQuery, TrackPath

similar = APIBlueprint(
    "similar",
    __name__,
    url_prefix="/v1",
    abp_tags=[Tag(name="similar", description="What sounds and is heard like this song?")],
)
similar.before_request(expect_form)


@similar.get("/tracks/<id:track>/similar", responses={200: SimilarOut, **documented(404, 422, 500, 503)})
def similar_to_track(path: TrackPath, query: SimilarQuery) -> dict[str, object]:
    """Find tracks like a track of the catalogue."""
    answer = service().similar(path.track, query.n, audio_weight=query.audio_weight)
    return _serialise(answer, path.track, query.audio_weight, query.explain)


@similar.post("/similar", responses={200: SimilarOut, **documented(400, 413, 415, 422, 500, 503)})
def similar_to_audio(query: SimilarToAudioQuery, form: AudioForm) -> dict[str, object]:
    """Find tracks like an audio file, which is not kept."""
    answer = service().similar_to_audio(file_of(form.audio), query.n)
    return _serialise(answer, None, None, query.explain)


def _serialise(answer: Answer, track: str | None, audio_weight: float | None, explained: bool) -> dict[str, object]:
    hits = [HitOut.of(hit, explain(hit) if explained else None) for hit in answer.hits]
    return SimilarOut(track=track, basis=answer.basis, audio_weight=audio_weight, similar=hits).model_dump()
