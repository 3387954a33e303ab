"""A gunicorn worker that buffers requests in its event loop and answers them in threads."""

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
"""How long a stopping worker keeps idle connections: a request may be on its way."""

_POLL_SECONDS = 0.05


class BufferingWorker(ASGIWorker):  # type: ignore[misc]
    """gunicorn's asyncio worker, for a WSGI application.

    Beside what gunicorn needs, its application object has `threads`, `limits` (of connections) and
    `body_limit`.
    """

    limits: ConnectionLimits
    connections: Connections

    def load_wsgi(self) -> None:
        """Load the application and wrap it in a `WsgiBridge`."""
        application = self.app.wsgi()
        self.limits = self.app.limits
        self.asgi = WsgiBridge(application, self.app.threads, self.app.body_limit, self.limits)

    def handle_exit_signal(self) -> None:
        """On SIGTERM, answer the requests received, then stop."""
        super().handle_exit_signal()
        self._stopping.set()

    def handle_quit_signal(self) -> None:
        """On SIGINT, stop at once."""
        super().handle_quit_signal()
        self._stopping.set()

    def init_process(self) -> None:
        """See `ASGIWorker`."""
        self._stopping = asyncio.Event()
        super().init_process()

    async def _serve(self) -> None:
        self._tls = self._get_ssl_context()
        self.connections = Connections(self.loop, most_connections(self.app.threads), self._admit)
        self.connections.listen([listener.sock for listener in self.sockets])
        while self.alive and self.ppid == os.getppid():
            self.notify()
            try:
                await asyncio.wait_for(self._stopping.wait(), 1.0)
            except TimeoutError:
                continue
        await self._end()

    async def _end(self) -> None:
        """Wait for requests in progress, for at most gunicorn's `graceful_timeout`."""
        self.connections.stop()
        now = self.loop.time()
        idle_until, deadline = now + LAST_REQUEST_SECONDS, now + self.cfg.graceful_timeout
        while self.connections and self.loop.time() < deadline and not self._quick_shutdown:
            if self.loop.time() > idle_until:
                self.connections.close_waiting()
            self.notify()
            await asyncio.sleep(_POLL_SECONDS)

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
        except OSError:  # includes ssl.SSLError and TimeoutError of the handshake
            client.close()
            self.connections.left(client)
