"""Listeners: who is known, what of them, and forgetting it."""

from __future__ import annotations

from flask_openapi3 import APIBlueprint, Tag

from ..context import service
from ..problems import documented
from ..request_schemas import NoQuery, SearchQuery, UserPath, UserPlaysQuery
from ..response_schemas import PlayOut, UserOut, UserPlaysOut, UsersOut

users = APIBlueprint(
    "users",
    __name__,
    url_prefix="/v1",
    abp_tags=[
        Tag(name="users", description="Listeners: who is known, what of them, and forgetting it.")
    ],
)


@users.get("/users", responses={200: UsersOut, **documented()})
def list_users(query: SearchQuery) -> dict[str, object]:
    """List users, paged by cursor; takes the role admin where tokens are asked for."""
    found = service().find_users(query.q, query.after, query.limit + 1)
    page = [UserOut.of(user) for user in found[: query.limit]]
    return UsersOut(users=page, next=page[-1].id if len(found) > query.limit else None).model_dump()


@users.get("/users/<id:user>/plays", responses={200: UserPlaysOut, **documented(404)})
def list_plays(path: UserPath, query: UserPlaysQuery) -> dict[str, object]:
    """List what a user has played, newest first."""
    known = service().user_plays(path.user, query.limit)
    tracks = service().library.tracks({play.track for play in known})
    played = [PlayOut.of(play, tracks[play.track]) for play in known if play.track in tracks]
    return UserPlaysOut(user=path.user, plays=played).model_dump()


@users.delete("/users/<id:user>", responses={204: None, **documented(403, 404)})
def forget_user(path: UserPath, query: NoQuery) -> tuple[str, int]:
    """Forget a user: the plays, the listens that wait for their track, and all tokens of that person, which end.

    Recommendations know nothing of her from the next request on; the factors of the model, which hold no name,
    are without her plays from the next fit on. What remains: backups that were made before, lines of
    the audit log and of the server's log from before, and, on PostgreSQL, deleted rows until its next vacuum. The
    audit log says of this call who made it and the SHA-256 of the id.
    """
    service().delete_user(path.user)
    return "", 204
