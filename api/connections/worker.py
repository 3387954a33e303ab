"""A gunicorn worker that takes requests in whole, without a thread, and answers them in threads."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any

from gunicorn.workers.gasgi import ASGIWorker

from .acceptor import Connections
from .limits import ConnectionLimits, most_connections
from .protocol import DeadlineProtocol
from .wsgi_bridge import WsgiBridge

LAST_REQUEST_SECONDS = 1.0
"""How long a worker that ends keeps connections without a request, on which one may be coming."""

_LOOK_EVERY_SECONDS = 0.05


class BufferingWorker(ASGIWorker):  # type: ignore[misc]
    """gunicorn's asyncio worker, for a WSGI application.

    The application that gunicorn loads has, beside what gunicorn asks for, `threads`, `limits` (of
    connections) and `body_limit`.
    """

    limits: ConnectionLimits
    connections: Connections

    def load_wsgi(self) -> None:
        """Load the application, to be answered by in threads."""
        application = self.app.wsgi()
        self.limits = self.app.limits
        self.asgi = WsgiBridge(application, self.app.threads, self.app.body_limit, self.limits)

    def handle_exit_signal(self) -> None:
        """SIGTERM: answer what has come, then end."""
        super().handle_exit_signal()
        self._told.set()

    def handle_quit_signal(self) -> None:
        """SIGINT: end now."""
        super().handle_quit_signal()
        self._told.set()

    def init_process(self) -> None:
        """See `ASGIWorker`."""
        self._told = asyncio.Event()
        super().init_process()

    async def _serve(self) -> None:
        self._tls = self._get_ssl_context()
        self.connections = Connections(self.loop, most_connections(self.app.threads), self._admit)
        self.connections.listen([listener.sock for listener in self.sockets])
        while self.alive and self.ppid == os.getppid():
            self.notify()
            try:
                await asyncio.wait_for(self._told.wait(), 1.0)
            except TimeoutError:
                continue
        await self._end()

    async def _end(self) -> None:
        """Wait for what is under way, as long as gunicorn allows."""
        self.connections.stop()
        now = self.loop.time()
        patience, deadline = now + LAST_REQUEST_SECONDS, now + self.cfg.graceful_timeout
        while self.connections and self.loop.time() < deadline and not self._quick_shutdown:
            if self.loop.time() > patience:
                self.connections.close_waiting()
            self.notify()
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def _admit(self, client: socket.socket) -> None:
        seconds: dict[str, Any] = {}
        if self._tls is not None:
            seconds = {
                "ssl_handshake_timeout": self.limits.header_seconds,
                "ssl_shutdown_timeout": 1.0,
            }
        try:
            await self.loop.connect_accepted_socket(
                lambda: DeadlineProtocol(self, client), client, ssl=self._tls, **seconds
            )
        except OSError:  # no TLS, or gone: ssl.SSLError and TimeoutError are among these
            client.close()
            self.connections.left(client)
