"""Users: listing them, their plays, and deletion of all that is stored about one."""

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
    abp_tags=[Tag(name="users", description="Users, their plays, and their deletion.")],
)


@users.get("/users", responses={200: UsersOut, **documented()})
def list_users(query: SearchQuery) -> dict[str, object]:
    """List users, paged by cursor; needs the role admin if tokens are required."""
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
    """Delete a user: plays, listens that wait for their track, and tokens of that user.

    The next recommendations do not use the plays; the factors of the model, which hold no ids, are
    free of them after the next fit. What remains: earlier backups, earlier lines of the audit log
    and of the server's log, and, on PostgreSQL, deleted rows until its next vacuum. The audit log
    records the caller and the SHA-256 of the id.
    """
    service().delete_user(path.user)
    return "", 204
