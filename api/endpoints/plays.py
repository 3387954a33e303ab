"""Plays: who played what, and when."""

from __future__ import annotations

from flask_openapi3 import APIBlueprint, Tag

from ..access import require_users
from ..context import service
from ..logs import note
from ..problems import documented
from ..request_parsing import expect_json
from ..request_schemas import NoQuery, PlaysBody
from ..response_schemas import PlaysAddedOut

plays = APIBlueprint(
    "plays",
    __name__,
    url_prefix="/v1",
    abp_tags=[Tag(name="plays", description="Who played what, and when.")],
)
plays.before_request(expect_json)


@plays.post("/plays", responses={200: PlaysAddedOut, **documented(403, 413, 415, 507)})
def add_plays(query: NoQuery, body: PlaysBody) -> dict[str, object]:
    """Add 1 to 1000 plays; they count in the next recommendation.

    A play that is stored already is not counted again, so a request may be repeated safely.
    A token of one user may add plays of that user only.
    """
    require_users({play.user for play in body.plays})
    result = service().add_plays([play.to_play() for play in body.plays])
    note(added=result.added, repeated=result.repeated)
    return PlaysAddedOut(added=result.added, repeated=result.repeated).model_dump()
