"""Errors as problem documents (RFC 9457): what was wrong, the value received, how to fix it."""

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
_OF_EVERY_ENDPOINT = (400, 401, 403, 408, 422, 429, 500, 503, 507)
TOO_LONG: dict[str | int, Any] = {414: {"description": "the address is too long; answered as text"}}
"""gunicorn's answer to a request line above eight kilobytes, which long ids may exceed."""

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
    """One invalid field of a request."""

    field: str = Field(description="path of the field, as in `plays.3.fraction`", examples=["n"])
    got: str = Field(description="the value, shortened", examples=["1000"])
    fix: str = Field(
        description="what it should be", examples=["Input should be less than or equal to 100"]
    )


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    type: str = Field(
        description="kind of problem; stable across releases", examples=["/problems/not-found"]
    )
    title: str = Field(description="name of the status", examples=["Not Found"])
    status: int = Field(description="the HTTP status", examples=[404])
    detail: str = Field(description="what was wrong", examples=["there is no such track"])
    got: str | None = Field(
        None, description="the offending value, shortened", examples=["song-17"]
    )
    fix: str | None = Field(
        None, description="how to fix it", examples=["search for it with GET /v1/tracks?q="]
    )
    errors: list[FieldError] | None = Field(
        None,
        description=f"the invalid fields, at most {MOST_ERRORS}; `detail` has their number",
    )


def documented(*statuses: int) -> dict[str | int, Any]:
    """Problems that an endpoint may respond with, and those of every endpoint, for OpenAPI."""
    schema = {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}
    problems = {
        status: {"content": {MEDIA_TYPE: schema}}
        for status in sorted({*_OF_EVERY_ENDPOINT, *statuses})
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
    """A response with a problem document; `extra` adds extension members."""
    document = Problem(
        type=f"/problems/{kind}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        **members,
    ).model_dump(exclude_none=True)
    return Response(json.dumps({**document, **(extra or {})}), status, mimetype=MEDIA_TYPE)


def refuse_fields(error: ValidationError) -> Response:
    """The response to a request whose fields do not match the schema."""
    errors = [
        FieldError(
            field=_shown(".".join(str(part) for part in found["loc"]) or "body"),
            got=_shown(found["input"]),
            fix=found["msg"].removeprefix("Value error, "),
        )
        for found in error.errors(include_url=False, include_context=False)[:MOST_ERRORS]
    ]
    count = error.error_count()
    shortened = f"; the first {MOST_ERRORS} are listed" if count > MOST_ERRORS else ""
    detail = f"{count} field{'s' * (count > 1)} of the request cannot be used{shortened}"
    return problem(
        "invalid-input", 422, detail, fix=f"{errors[0].field}: {errors[0].fix}", errors=errors
    )


def answer_errors(app: Flask) -> None:
    """Answer every error of an application with a problem document."""
    app.register_error_handler(HybridrecError, _from_hybridrec)
    app.register_error_handler(HTTPException, _from_http)
    app.register_error_handler(OSError, _from_system)
    app.register_error_handler(Exception, _from_bug)


def refusing_status(error: HybridrecError) -> HTTPStatus:
    """The HTTP status of an error."""
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
    """Details go to the log only: they name paths of the server."""
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
    """A full disk is reported as such; any other error is a bug."""
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
