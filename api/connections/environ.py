"""The WSGI environment (PEP 3333) of a request, from its ASGI scope."""

from __future__ import annotations

import re
import sys
from typing import IO, Any
from urllib.parse import unquote_to_bytes

from werkzeug.wsgi import FileWrapper

BLOCK_BYTES = 2**16
_ORIGIN = re.compile(rb"https?://[^/?#]*", re.IGNORECASE)
_UNPREFIXED = frozenset({"CONTENT_TYPE", "CONTENT_LENGTH"})


def environ_of(scope: dict[str, Any]) -> dict[str, Any]:
    """The environment of a request, without its body.

    Args:
        scope: ASGI scope of the type `http`.
    """
    path = _ORIGIN.sub(b"", scope["raw_path"], count=1) or b"/"
    query = scope["query_string"].decode("latin-1")
    host, port = (*(scope["server"] or ()), "", "")[:2]
    client, client_port = (*(scope["client"] or ()), "", "")[:2]
    return {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "RAW_URI": path.decode("latin-1") + (f"?{query}" if query else ""),
        "SERVER_NAME": str(host),
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": str(client),
        "REMOTE_PORT": str(client_port),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": _in_blocks,
    } | _headers(scope["headers"])


def _in_blocks(file: IO[bytes], _block_bytes: int = 0) -> FileWrapper:
    return FileWrapper(file, BLOCK_BYTES)


def _headers(sent: list[tuple[bytes, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name_bytes, value_bytes in sent:
        name, value = (
            name_bytes.decode("latin-1").upper().replace("-", "_"),
            value_bytes.decode("latin-1"),
        )
        key = name if name in _UNPREFIXED else f"HTTP_{name}"
        between = "; " if name == "COOKIE" else ","
        headers[key] = f"{headers[key]}{between}{value}" if key in headers else value
    return headers
