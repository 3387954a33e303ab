"""Errors as problem documents (RFC 9457): what was wrong, what was got, what to do."""

from __future__ import annotations

import errno
import json
import reprlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, current_app, request
from pydantic import BaseModel, Field, ValidationError
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from hybridrec.errors import (
    AudioError,
    Busy,
    Conflict,
    FingerprintMismatch,
    HybridrecError,
    InvalidInput,
    LibraryError,
    NotFound,
    NotReady,
    StorageFull,
)

MEDIA_TYPE = "application/problem+json"
MOST_ERRORS = 20
_MAX_GOT_CHARACTERS = 200
_REPR = reprlib.Repr()
_REPR.maxlevel, _REPR.maxdict, _REPR.maxlist, _REPR.maxstring = 3, 10, 10, _MAX_GOT_CHARACTERS
_OF_EVERY_CALL = (400, 401, 403, 408, 422, 429, 500, 503, 507)
TOO_LONG: dict[str | int, Any] = {414: {"description": "the address is too long; answered as text"}}
"""What the server says before the application is asked: eight kilobytes are the most, which long ids may exceed."""

FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT})
FREE_SPACE = "nothing was stored; ask the operator to free some, then send it again"

_BODY_HEADERS = frozenset({"content-type", "content-length"})

_KINDS: tuple[tuple[type[HybridrecError], str, HTTPStatus], ...] = (
    (NotFound, "not-found", HTTPStatus.NOT_FOUND),
    (Conflict, "conflict", HTTPStatus.CONFLICT),
    (AudioError, "audio", HTTPStatus.UNPROCESSABLE_ENTITY),
    (InvalidInput, "invalid-input", HTTPStatus.UNPROCESSABLE_ENTITY),
    (NotReady, "not-ready", HTTPStatus.SERVICE_UNAVAILABLE),
    (FingerprintMismatch, "not-ready", HTTPStatus.SERVICE_UNAVAILABLE),
    (Busy, "busy", HTTPStatus.SERVICE_UNAVAILABLE),
    (StorageFull, "storage-full", HTTPStatus.INSUFFICIENT_STORAGE),
)
_HTTP_KINDS: dict[int, tuple[str, str | None]] = {
    400: ("bad-request", "send a request that HTTP and JSON allow"),
    401: (
        "unauthorized",
        "send `Authorization: Bearer TOKEN`; an operator makes one with `hybridrec token create`",
    ),
    403: ("forbidden", "write from a page of this service, or from a program"),
    404: ("not-found", "see /docs for the addresses that exist"),
    405: ("method-not-allowed", "use one of the methods in the Allow header"),
    413: ("too-large", None),
    415: (
        "unsupported-media-type",
        "send application/json, or multipart/form-data where a file is sent",
    ),
    429: ("too-many-requests", "wait as long as the Retry-After header says"),
}


class FieldError(BaseModel):
    """One field of a request that was refused."""

    field: str = Field(description="where it stands, as in `plays.3.fraction`", examples=["n"])
    got: str = Field(description="the value, shortened", examples=["1000"])
    fix: str = Field(
        description="what it should be", examples=["Input should be less than or equal to 100"]
    )


class Problem(BaseModel):
    """Why a request was not answered, after RFC 9457."""

    type: str = Field(
        description="names the kind of problem; never changes", examples=["/problems/not-found"]
    )
    title: str = Field(description="the kind in words", examples=["Not Found"])
    status: int = Field(description="the HTTP status", examples=[404])
    detail: str = Field(description="what was wrong this time", examples=["there is no such track"])
    got: str | None = Field(
        None, description="the offending value, shortened", examples=["song-17"]
    )
    fix: str | None = Field(
        None, description="what to do about it", examples=["search for it with GET /v1/tracks?q="]
    )
    errors: list[FieldError] | None = Field(
        None,
        description=f"the fields that were refused, {MOST_ERRORS} at most; `detail` counts them",
    )


def documented(*statuses: int) -> dict[str | int, Any]:
    """Which problems a call may answer with, beside those of every call, for the OpenAPI document."""
    schema = {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}
    problems = {
        status: {"content": {MEDIA_TYPE: schema}} for status in sorted({*_OF_EVERY_CALL, *statuses})
    }
    return TOO_LONG | problems


def problem(
    kind: str,
    status: int,
    detail: str,
    *,
    extra: Mapping[str, object] | None = None,
    **members: Any,
) -> Response:
    """A problem document as a response; `extra` adds members that RFC 9457 calls extensions."""
    document = Problem(
        type=f"/problems/{kind}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        **members,
    ).model_dump(exclude_none=True)
    return Response(json.dumps({**document, **(extra or {})}), status, mimetype=MEDIA_TYPE)


def refuse_fields(error: ValidationError) -> Response:
    """The answer to a request whose fields do not fit their schema."""
    errors = [
        FieldError(
            field=_shown(".".join(str(part) for part in found["loc"]) or "body"),
            got=_shown(found["input"]),
            fix=found["msg"].removeprefix("Value error, "),
        )
        for found in error.errors(include_url=False, include_context=False)[:MOST_ERRORS]
    ]
    count = error.error_count()
    rest = f"; the first {MOST_ERRORS} are listed" if count > MOST_ERRORS else ""
    detail = f"{count} field{'s' * (count > 1)} of the request cannot be used{rest}"
    return problem(
        "invalid-input", 422, detail, fix=f"{errors[0].field}: {errors[0].fix}", errors=errors
    )


def answer_errors(app: Flask) -> None:
    """Let an application answer every error with a problem document."""
    app.register_error_handler(HybridrecError, _from_hybridrec)
    app.register_error_handler(HTTPException, _from_http)
    app.register_error_handler(OSError, _from_system)
    app.register_error_handler(Exception, _from_bug)


def refusing_status(error: HybridrecError) -> HTTPStatus:
    """The HTTP status that goes with a mistake."""
    found = (status for cls, _, status in _KINDS if isinstance(error, cls))
    broken = (
        HTTPStatus.SERVICE_UNAVAILABLE
        if isinstance(error, LibraryError)
        else HTTPStatus.INTERNAL_SERVER_ERROR
    )
    return next(found, broken)


def _from_hybridrec(error: HybridrecError) -> Response:
    for cls, kind, status in _KINDS:
        if isinstance(error, cls):
            got = None if error.got is None else _shown(error.got)
            answer = problem(kind, status, error.what, got=got, fix=error.fix or None)
            if isinstance(error, Busy):
                answer.headers["Retry-After"] = str(error.retry_after_seconds)
            return answer
    return _from_library(error) if isinstance(error, LibraryError) else _from_bug(error)


def _from_library(error: LibraryError) -> Response:
    """What is wrong with the library is the operator's to read: it names places on this machine."""
    current_app.logger.error("%s %s failed: %s", request.method, request.path, error)
    return problem(
        "unavailable",
        503,
        "the library cannot be used now",
        fix="look into the server's log, or try again",
    )


def _from_http(error: HTTPException) -> Response:
    status = error.code or 500
    kind, fix = _HTTP_KINDS.get(status, (f"http-{status}", None))
    fix = getattr(error, "fix", fix)
    detail = error.description or error.name
    if status == 404:
        detail = "there is nothing at this address"
    elif status == 413 and fix is None and error.description == type(error).description:
        detail, fix = (
            "the request is too large",
            f"send at most {request.max_content_length} bytes in one request",
        )
    answer = problem(kind, status, detail, fix=fix)
    answer.headers.extend(
        (name, value) for name, value in error.get_headers() if name.lower() not in _BODY_HEADERS
    )
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        answer.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return answer


def _from_system(error: OSError) -> Response:
    """A full disk is the operator's to mend; anything else is our fault."""
    if error.errno not in FULL_DISK:
        return _from_bug(error)
    current_app.logger.error(
        "%s %s failed: the disk is full: %s", request.method, request.path, error
    )
    return problem("storage-full", 507, "there is no space left on the server", fix=FREE_SPACE)


def _from_bug(error: Exception) -> Response:
    current_app.logger.error("%s %s failed", request.method, request.path, exc_info=error)
    return problem(
        "internal", 500, "the server failed to answer this", fix="look into its log, or try again"
    )


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else _REPR.repr(value)
    return text if len(text) <= _MAX_GOT_CHARACTERS else f"{text[: _MAX_GOT_CHARACTERS - 1]}…"
