"""gunicorn's HTTP protocol, with deadlines for slow senders and slow readers."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

from gunicorn.asgi.protocol import ASGIProtocol

if TYPE_CHECKING:
    from .worker import BufferingWorker

LINGER_SECONDS = 5.0


class DeadlineProtocol(ASGIProtocol):  # type: ignore[misc]
    """One connection.

    Args:
        worker: the worker that accepted it.
        client: its socket, the key in the worker's `Connections`.
    """

    def __init__(self, worker: BufferingWorker, client: socket.socket) -> None:
        super().__init__(worker)
        self._client = client
        self._header: asyncio.TimerHandle | None = None
        self._sending: asyncio.TimerHandle | None = None
        self._closing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Start the deadline of the header."""
        super().connection_made(transport)
        seconds = self.worker.limits.header_seconds
        self._header = self.worker.loop.call_later(seconds, self._header_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel all deadlines."""
        super().connection_lost(exc)
        for timer in (self._header, self._sending, self._closing):
            if timer is not None:
                timer.cancel()
        self.worker.connections.left(self._client)

    def pause_writing(self) -> None:
        """Start the deadline for a client that does not read its response."""
        super().pause_writing()
        self._sending = self.worker.loop.call_later(
            self.worker.limits.send_seconds, self.transport.abort
        )

    def resume_writing(self) -> None:
        """Cancel that deadline: the client has read some of it."""
        super().resume_writing()
        if self._sending is not None:
            self._sending.cancel()

    def _on_headers_complete(self) -> bool:
        if self._header is not None:
            self._header.cancel()
        self.worker.connections.works(self._client)
        return bool(super()._on_headers_complete())

    def _arm_keepalive_timer(self) -> None:
        super()._arm_keepalive_timer()
        self.worker.connections.waits(self._client)

    def _is_websocket_upgrade(self, _request: object) -> bool:
        return False

    def _close_transport(self) -> None:
        """Close once all is sent; after `LINGER_SECONDS` the rest is dropped."""
        is_open = not self._closed
        super()._close_transport()
        if is_open and self.transport is not None:
            self._closing = self.worker.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def _header_is_late(self) -> None:
        self._send_error_response(408, "the header of the request did not arrive in time\n")
        self._close_transport()
        self._request_ready.set()
