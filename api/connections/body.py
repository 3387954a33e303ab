"""Buffers request bodies: small ones in memory, larger ones in an unnamed temporary file."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from tempfile import SpooledTemporaryFile
from typing import Any

from ..problems import FULL_DISK
from .limits import ConnectionLimits

IN_MEMORY_BYTES = 2**18

Receive = Callable[[], Awaitable[dict[str, Any]]]


class BodyRefused(Exception):
    """A body that is not received.

    Args:
        status: HTTP status of the refusal.
    """

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class ClientGone(Exception):
    """The client has closed the connection."""


class Body:
    """The received part of one body.

    Attributes:
        file: the bytes, positioned at the start once received.
        size: bytes received; above the limit if the body was cut off.
        is_whole: whether the whole body was received.
    """

    def __init__(self) -> None:
        self.file = SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115 (closed by `Bodies.release`)
        self.size = 0
        self.is_whole = False


class Bodies:
    """Receives bodies, together at most as many bytes as a worker may buffer.

    Args:
        limits: see `ConnectionLimits`.
    """

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self._held_bytes = 0
        # a slow disk must delay neither the event loop nor the requests
        self._writer = ThreadPoolExecutor(1, "bodies")

    async def take(self, body: Body, receive: Receive, limit_bytes: int) -> None:
        """Receive a body until it ends or exceeds its limit.

        Raises:
            BodyRefused: 408 if too slow, 503 if too much is buffered, 507 if the disk is full.
            ClientGone: if the client closed the connection.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not body.is_whole and body.size <= limit_bytes:
            seconds = self._limits.body_seconds + body.size / self._limits.body_bytes_per_second
            try:
                async with asyncio.timeout_at(began + seconds):
                    message = await receive()
            except TimeoutError:
                raise BodyRefused(408) from None
            if message["type"] != "http.request":
                raise ClientGone
            await self._keep(body, message.get("body", b""))
            body.is_whole = not message.get("more_body", False)
        body.file.seek(0)

    def release(self, body: Body) -> None:
        """Free the buffer of a body; a second call does nothing."""
        self._held_bytes -= body.size
        body.size = 0
        body.file.close()

    async def _keep(self, body: Body, chunk: bytes) -> None:
        body.size += len(chunk)
        self._held_bytes += len(chunk)
        if self._held_bytes > self._limits.held_bytes:
            raise BodyRefused(503)
        try:
            if body.size <= IN_MEMORY_BYTES:
                body.file.write(chunk)
            else:
                await asyncio.get_running_loop().run_in_executor(
                    self._writer, body.file.write, chunk
                )
        except OSError as error:
            if error.errno in FULL_DISK:
                raise BodyRefused(507) from error
            raise
