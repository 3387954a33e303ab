"""Recommendations for a user."""

from __future__ import annotations

from flask_openapi3 import APIBlueprint, Tag

from ..context import service
from ..metrics import counted
from ..problems import documented
from ..request_schemas import RecommendationsQuery, UserPath
from ..response_schemas import RecommendationsOut

recommendations = APIBlueprint(
    "recommendations",
    __name__,
    url_prefix="/v1",
    abp_tags=[Tag(name="recommendations", description="Tracks to recommend to a user.")],
)


@recommendations.get(
    "/users/<id:user>/recommendations", responses={200: RecommendationsOut, **documented(503)}
)
def recommend(path: UserPath, query: RecommendationsQuery) -> dict[str, object]:
    """Recommend tracks to a user.

    An unknown user gets popular tracks, not an error.
    """
    answer = service().recommend(
        path.user,
        query.n,
        audio_weight=query.audio_weight,
        exclude_played=query.exclude_played,
        filters=query.filters,
    )
    return RecommendationsOut.of(path.user, counted(answer), query.explain).model_dump()
