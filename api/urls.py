"""Ids in addresses: any character is allowed, a slash is sent as `%2F`.

WSGI servers decode an address before the application sees it, so that the id
`album/song` would look like two segments. This module reads the address as it
was sent, where the server gives it, and keeps `%2F` and `%25` encoded until the
segments are told apart.
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
    """One segment of an address that holds an outside id."""

    def to_python(self, value: str) -> str:
        """The id, with the slashes and percent signs that `keep_slashes` left encoded."""
        return _KEPT.sub(lambda kept: unquote(kept[0]), value)

    def to_url(self, value: str) -> str:
        """The id as one segment."""
        return quote(value, safe="")


def keep_slashes(application: WSGIApplication) -> WSGIApplication:
    """Wrap a WSGI application so that an encoded slash in its address stays encoded."""

    def wrapped(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        sent = str(environ.get("RAW_URI") or environ.get("REQUEST_URI") or "").partition("?")[0]
        mounted = environ.get("SCRIPT_NAME", "")
        if _KEPT.search(sent) and sent.startswith(f"{mounted}/"):
            environ["PATH_INFO"] = _decode(sent.removeprefix(mounted))
        return application(environ, start_response)

    return wrapped


def _decode(path: str) -> str:
    parts = _KEPT.split(path)
    return "".join(
        part.upper() if place % 2 else unquote(part, "latin-1") for place, part in enumerate(parts)
    )
