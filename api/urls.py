"""Ids in paths: any character is allowed, a slash is sent as `%2F`.

WSGI servers decode a path before the application sees it, so that the id `album/song` would look
like two segments. This module takes the path as it was sent, if the server provides it, and keeps
`%2F` and `%25` encoded until the path is split into segments.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from werkzeug.routing import BaseConverter

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_KEPT = re.compile(r"(%2[fF]|%25)")


class IdConverter(BaseConverter):
    """A path segment that is an id."""

    def to_python(self, value: str) -> str:
        """Decode the slashes and percent signs that `keep_slashes` left encoded."""
        return _KEPT.sub(lambda kept: unquote(kept[0]), value)

    def to_url(self, value: str) -> str:
        """Encode an id as one segment."""
        return quote(value, safe="")


def keep_slashes(application: WSGIApplication) -> WSGIApplication:
    """Wrap a WSGI application so that encoded slashes in its path stay encoded."""

    def wrapped(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        sent = str(environ.get("RAW_URI") or environ.get("REQUEST_URI") or "").partition("?")[0]
        prefix = environ.get("SCRIPT_NAME", "")
        if _KEPT.search(sent) and sent.startswith(f"{prefix}/"):
            environ["PATH_INFO"] = _decode(sent.removeprefix(prefix))
        return application(environ, start_response)

    return wrapped


def _decode(path: str) -> str:
    parts = _KEPT.split(path)
    return "".join(
        part.upper() if index % 2 else unquote(part, "latin-1") for index, part in enumerate(parts)
    )
