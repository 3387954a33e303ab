"""The protocol of ListenBrainz, for scrobblers: https://listenbrainz.readthedocs.io."""

from __future__ import annotations

import time

from flask import Response, jsonify, request
from flask_openapi3 import APIBlueprint, Tag
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from hybridrec.errors import HybridrecError

from ..access import caller, require
from ..context import service
from ..listenbrainz_schemas import RefusedOut, SubmitListensBody, SubmittedOut
from ..logs import note
from ..problems import TOO_LONG, refusing_status
from ..request_parsing import read_json
from ..request_schemas import NoQuery

MAX_BODY_BYTES = 10_240_000 + 1000

listenbrainz = APIBlueprint(
    "listenbrainz",
    __name__,
    url_prefix="/1",
    abp_tags=[
        Tag(
            name="listenbrainz",
            description="Listens of scrobblers, in the protocol of ListenBrainz.",
        )
    ],
)
_HEADERS = frozenset({"WWW-Authenticate", "Retry-After", "Allow"})
_REFUSALS = TOO_LONG | dict.fromkeys((400, 401, 403, 408, 413, 429, 500, 503, 507), RefusedOut)


@listenbrainz.before_request
def _read_json() -> None:
    """Read JSON whatever the content type: not every scrobbler sets it."""
    if request.method == "POST":
        require("write")
        read_json(MAX_BODY_BYTES, force=True)


@listenbrainz.post("/submit-listens", responses={200: SubmittedOut, 422: None, **_REFUSALS})
def submit_listens(query: NoQuery, body: SubmitListensBody) -> dict[str, object]:
    """Add 1 to 1000 listens of the token's user; `playing_now` is accepted and not stored.

    A listen is matched to a track by MusicBrainz id, or by artist and title; it waits if the
    catalogue has no such track yet.
    """
    holder = caller().token
    assert holder is not None
    result = service().add_listens(body.listens(holder.listener, now=time.time()))
    note(added=result.added, waiting=result.waiting, repeated=result.repeated)
    return SubmittedOut(status="ok").model_dump()


@listenbrainz.get("/validate-token", doc_ui=False)
def validate_token() -> Response:
    """Report whether a token is valid; an invalid one is a 200, as in ListenBrainz."""
    holder = caller().token
    if holder is not None:
        return jsonify(code=200, message="Token valid.", valid=True, user_name=holder.listener)
    if not (request.headers.get("Authorization") or request.args.get("token")):
        require("read")
    return jsonify(code=200, message="Token invalid.", valid=False)


def refuse_listens(error: ValidationError) -> Response:
    """The response to listens that do not match the schema: the first error."""
    first = error.errors(include_url=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    return _refused(
        400, f"{field}: {first['msg'].removeprefix('Value error, ')}" if field else first["msg"]
    )


@listenbrainz.errorhandler(HTTPException)
def _from_http(error: HTTPException) -> Response:
    answer = _refused(error.code or 500, error.description or error.name)
    answer.headers.extend((name, value) for name, value in error.get_headers() if name in _HEADERS)
    return answer


@listenbrainz.errorhandler(HybridrecError)
def _from_hybridrec(error: HybridrecError) -> Response:
    status = refusing_status(error)
    return _refused(
        400 if status == 422 else status,
        error.what if status < 500 else "this cannot be answered now",
    )


def _refused(code: int, error: str) -> Response:
    answer = jsonify(RefusedOut(code=code, error=error).model_dump())
    answer.status_code = code
    return answer


def is_listenbrainz() -> bool:
    """Whether this request is to an endpoint of ListenBrainz' protocol."""
    return request.blueprint == listenbrainz.name
