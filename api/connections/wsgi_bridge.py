"""Runs a WSGI application under an asyncio server, in threads.

A thread is occupied only while the application works: not while a request is received, nor while
a client reads its response.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ..problems import problem
from .body import Bodies, Body, BodyRefused, ClientGone, Receive
from .environ import BLOCK_BYTES, environ_of
from .limits import BodyLimit, ConnectionLimits

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from flask import Response

Send = Callable[[dict[str, Any]], Awaitable[None]]

DRAIN_SECONDS = 5.0
"""How long the rest of a refused body is received: clients read a response only after sending."""

_REFUSALS = {
    408: (
        "request-timeout",
        "the body did not arrive in time",
        "send it faster, or in smaller requests",
    ),
    503: ("unavailable", "too much is being sent to this server now", "try again in a while"),
    507: ("storage-full", "there is no space left for the body", "ask the operator to free some"),
}


class Answer:
    """The response of a WSGI application, read in blocks of at least `BLOCK_BYTES`.

    Args:
        application: is called at once.
        environ: WSGI environment of the request.
    """

    def __init__(self, application: WSGIApplication, environ: dict[str, Any]) -> None:
        self.status = HTTPStatus.INTERNAL_SERVER_ERROR.value
        self.headers: list[tuple[bytes, bytes]] = []
        self._parts: Iterable[bytes] = application(environ, self._start)
        self._rest: Iterator[bytes] = iter(self._parts)
        self.block, self.has_more = self._next_block()

    def go_on(self) -> None:
        """Read the next block."""
        self.block, self.has_more = self._next_block()

    def close(self) -> None:
        """Close the response, as WSGI requires."""
        if hasattr(self._parts, "close"):
            self._parts.close()

    def _start(
        self, status: str, headers: list[tuple[str, str]], _error: object = None
    ) -> Callable[[bytes], object]:
        self.status = int(status[:3])
        self.headers = [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in headers
        ]
        return _refuse_writing

    def _next_block(self) -> tuple[bytes, bool]:
        parts, size = [], 0
        for part in self._rest:
            parts.append(part)
            size += len(part)
            if size >= BLOCK_BYTES:
                return b"".join(parts), True
        return b"".join(parts), False


class WsgiBridge:
    """Makes an ASGI application of a WSGI application.

    Args:
        application: answers the requests.
        threads: the most requests answered at a time.
        body_limit: gives the most bytes of a body to buffer.
        limits: of the connections of the worker.
    """

    def __init__(
        self,
        application: WSGIApplication,
        threads: int,
        body_limit: BodyLimit,
        limits: ConnectionLimits,
    ) -> None:
        self._application = application
        self._threads = ThreadPoolExecutor(threads, "requests")
        self._body_limit = body_limit
        self._bodies = Bodies(limits)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        environ = environ_of(scope)
        body = Body()
        try:
            application = await self._received(environ, body, receive)
            await self._answer(application, environ, body, send)
            await _drain(body, receive)
        except ClientGone:
            return
        finally:
            self._bodies.release(body)

    async def _received(
        self, environ: dict[str, Any], body: Body, receive: Receive
    ) -> WSGIApplication:
        """Receive the body; return the application that answers, or a refusal."""
        declared = int(environ.get("CONTENT_LENGTH") or 0)
        limit_bytes = await self._limit_of(environ, declared)
        if declared > limit_bytes:
            # the application refuses it, by its Content-Length or by its token
            environ["wsgi.input"] = io.BytesIO()
            return self._application
        try:
            await self._bodies.take(body, receive, limit_bytes)
        except BodyRefused as refused:
            self._bodies.release(body)
            kind, detail, fix = _REFUSALS[refused.status]
            answer: Response = problem(kind, refused.status, detail, fix=fix)
            if refused.status == HTTPStatus.SERVICE_UNAVAILABLE:
                answer.headers["Retry-After"] = "10"
            return answer
        environ["wsgi.input"] = body.file
        environ["wsgi.input_terminated"] = True
        if environ.pop("HTTP_TRANSFER_ENCODING", None) or body.size:
            environ["CONTENT_LENGTH"] = str(body.size)
        return self._application

    async def _limit_of(self, environ: dict[str, Any], declared: int) -> int:
        if not declared and "HTTP_TRANSFER_ENCODING" not in environ:
            return 0
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._body_limit, environ)

    async def _answer(
        self, application: WSGIApplication, environ: dict[str, Any], body: Body, send: Send
    ) -> None:
        answer = await self._begun(application, environ)
        try:
            close = [] if body.is_whole else [(b"Connection", b"close")]
            await send(
                {
                    "type": "http.response.start",
                    "status": answer.status,
                    "headers": answer.headers + close,
                }
            )
            while True:
                await send(
                    {
                        "type": "http.response.body",
                        "body": answer.block,
                        "more_body": answer.has_more,
                    }
                )
                if not answer.has_more:
                    return
                await asyncio.wrap_future(self._threads.submit(answer.go_on))
        finally:
            self._threads.submit(answer.close)

    async def _begun(self, application: WSGIApplication, environ: dict[str, Any]) -> Answer:
        future = self._threads.submit(Answer, application, environ)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            future.add_done_callback(_close_answer)
            raise


async def _drain(body: Body, receive: Receive) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while not body.is_whole:
                message = await receive()
                body.is_whole = message["type"] != "http.request" or not message.get(
                    "more_body", False
                )


def _close_answer(future: Future[Answer]) -> None:
    if not future.cancelled() and future.exception() is None:
        future.result().close()


def _refuse_writing(_data: bytes) -> object:
    raise NotImplementedError("responses are iterated; the write() of WSGI is not supported")
