"""Accepts the connections of one worker, up to a maximum; idle ones are closed for new ones."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

ACCEPTED_AT_ONCE = 64
RETRY_SECONDS = 0.1

Admit = Callable[[socket.socket], Coroutine[Any, Any, None]]


class Connections:
    """Accepts connections and keeps track of those without a request.

    At the maximum, a new connection replaces the one that has been idle longest; if none is idle,
    new connections wait in the kernel's queue.

    Args:
        loop: event loop of the worker.
        most: maximum of open connections.
        admit: serves an accepted socket.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, most: int, admit: Admit) -> None:
        self._loop = loop
        self._most = most
        self._admit = admit
        self._listeners: list[socket.socket] = []
        self._open: set[socket.socket] = set()
        self._waiting: dict[socket.socket, None] = {}  # idle ones, longest first
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_listening = False

    def __len__(self) -> int:
        return len(self._open)

    def listen(self, listeners: list[socket.socket]) -> None:
        """Start to accept."""
        self._listeners = listeners
        for listener in listeners:
            listener.setblocking(False)
        self._resume()

    def stop(self) -> None:
        """Stop accepting."""
        self._pause()
        self._listeners = []

    def close_waiting(self) -> None:
        """Close all connections without a request in progress."""
        while self._close_oldest():
            pass

    def waits(self, client: socket.socket) -> None:
        """Mark a connection as idle."""
        if client in self._open:
            self._waiting.setdefault(client)

    def works(self, client: socket.socket) -> None:
        """Mark a connection as busy: the header of a request has arrived."""
        self._waiting.pop(client, None)

    def left(self, client: socket.socket) -> None:
        """Remove a connection that was closed."""
        self._waiting.pop(client, None)
        self._open.discard(client)
        self._resume()

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            if len(self._open) >= self._most and not self._close_oldest():
                return self._pause()
            try:
                client, _ = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return None
            except OSError:  # no file descriptors are left
                self._close_oldest()
                self._pause()
                self._loop.call_later(RETRY_SECONDS, self._resume)
                return None
            client.setblocking(False)
            self._open.add(client)
            self._waiting[client] = None
            task = self._loop.create_task(self._admit(client))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return None

    def _close_oldest(self) -> bool:
        """Close the connection that has been idle longest; return whether there was one.

        Its descriptor is free in the next iteration of the loop.
        """
        client = next(iter(self._waiting), None)
        if client is None:
            return False
        del self._waiting[client]
        self._open.discard(client)
        with suppress(OSError):  # the client has closed it already
            client.shutdown(socket.SHUT_RDWR)
        return True

    def _pause(self) -> None:
        if self._is_listening:
            self._is_listening = False
            for listener in self._listeners:
                self._loop.remove_reader(listener)

    def _resume(self) -> None:
        if not self._is_listening and self._listeners:
            self._is_listening = True
            for listener in self._listeners:
                self._loop.add_reader(listener, self._accept, listener)
