"""A worker starts even if its library cannot be opened yet: it answers 503 and retries."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from werkzeug.wrappers import Response

from hybridrec.errors import HybridrecError

from .problems import problem

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

RETRY_SECONDS = 1.0
_log = logging.getLogger("hybridrec")


class StartupApplication:
    """The application of a library; answers 503 until the library can be opened.

    Args:
        make: opens the library and creates the application; `HybridrecError` means a retry.
    """

    def __init__(self, make: Callable[[], WSGIApplication]) -> None:
        self._make = make
        self._application: WSGIApplication | None = None
        self._closed = threading.Event()
        if not self._opens():
            threading.Thread(target=self._retry, name="library-startup", daemon=True).start()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        return (self._application or _not_ready)(environ, start_response)

    def close(self) -> None:
        """Stop retrying."""
        self._closed.set()

    def _opens(self) -> bool:
        try:
            self._application = self._make()
        except HybridrecError as error:
            _log.error("the library cannot be opened, retrying: %s", error)
            return False
        return True

    def _retry(self) -> None:
        while not self._closed.wait(RETRY_SECONDS):
            if self._opens():
                return


def _not_ready(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    path = environ.get("PATH_INFO", "")
    if path == "/healthz":
        return Response('{"status": "ok"}\n', mimetype="application/json")(environ, start_response)
    kind, extra = ("not-ready", {"ready": False}) if path == "/readyz" else ("unavailable", {})
    fix = "look into the server's log, or try again"
    answer = problem(kind, 503, "the library cannot be used now", fix=fix, extra=extra)
    answer.headers["Retry-After"] = "5"
    return answer(environ, start_response)
