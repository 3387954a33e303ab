"""What should this user hear next?"""

from __future__ import annotations

from flask_openapi3 import APIBlueprint, Tag

from .context import service
from .explanations import explain
from .problems import documented
from .schemas import HitOut, RecommendationsOut, RecommendationsQuery, UserPath

recommendations = APIBlueprint(
    "recommendations",
    __name__,
    url_prefix="/v1",
    abp_tags=[Tag(name="recommendations", description="What should this user hear next?")],
)


@recommendations.get(
    "/users/<id:user>/recommendations", responses={200: RecommendationsOut, **documented(422, 500, 503)}
)
def recommend(path: UserPath, query: RecommendationsQuery) -> dict[str, object]:
    """Recommend tracks to a user.

    A user whom nobody knows gets what many play: she is served, not refused.
    """
    answer = service().recommend(
        path.user, query.n, audio_weight=query.audio_weight, exclude_played=query.exclude_played
    )
    return RecommendationsOut(
        user=path.user,
        basis=answer.basis,
        audio_weight=query.audio_weight,
        recommendations=[HitOut.of(hit, explain(hit) if query.explain else None) for hit in answer.hits],
    ).model_dump()
