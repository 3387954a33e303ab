"""The connections of one worker: never more than it may hold, whoever opens them and says nothing."""

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
    """Accepts connections and keeps account of them.

    Where there are as many as there may be, a newcomer takes the place of the connection that has waited
    longest without a request; where all are being answered, newcomers wait in the kernel's queue.

    Args:
        loop: that of the worker.
        most: how many there may be.
        admit: speaks with an accepted socket.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, most: int, admit: Admit) -> None:
        self._loop = loop
        self._most = most
        self._admit = admit
        self._listeners: list[socket.socket] = []
        self._open: set[socket.socket] = set()
        self._waiting: dict[socket.socket, None] = {}  # in the order in which they began to wait
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_listening = False

    def __len__(self) -> int:
        return len(self._open)

    def listen(self, listeners: list[socket.socket]) -> None:
        """Accept from now on."""
        self._listeners = listeners
        for listener in listeners:
            listener.setblocking(False)
        self._resume()

    def stop(self) -> None:
        """Accept no more."""
        self._pause()
        self._listeners = []

    def close_waiting(self) -> None:
        """Close all connections that have no request under way."""
        while self._close_oldest():
            pass

    def waits(self, client: socket.socket) -> None:
        """A connection has no request under way."""
        if client in self._open:
            self._waiting.setdefault(client)

    def works(self, client: socket.socket) -> None:
        """The header of a request has come."""
        self._waiting.pop(client, None)

    def left(self, client: socket.socket) -> None:
        """A connection is closed."""
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
            except OSError:  # the process or the machine is out of descriptors
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
        """Close what has waited longest; whether there was any. Its descriptor is free in the loop's next round."""
        client = next(iter(self._waiting), None)
        if client is None:
            return False
        del self._waiting[client]
        self._open.discard(client)
        with suppress(OSError):  # the other side was faster
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
