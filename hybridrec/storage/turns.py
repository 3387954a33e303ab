"""Writers take turns, and only so many wait for one: what waits holds a thread and delays others."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hybridrec.errors import Busy


@dataclass(frozen=True)
class WriteLimits:
    """How long writers of a process may wait.

    Attributes:
        max_waiting: how many, beside the one whose turn it is; the next is refused at once.
        wait_seconds: for how long, also for another process that writes.
    """

    max_waiting: int = 64
    wait_seconds: float = 60.0


SERVING = WriteLimits(max_waiting=5, wait_seconds=10.0)
"""Of a server with eight threads: six of them may be busy with writing, the others answer."""


class Turns:
    """The queue of a process's writers."""

    def __init__(self, limits: WriteLimits) -> None:
        self.limits = limits
        self._turn = threading.Lock()
        self._counting = threading.Lock()
        self._waiting = 0

    @contextmanager
    def take(self) -> Iterator[float]:
        """A turn to write; gives the seconds that may still be waited for other processes.

        Raises:
            Busy: if too many wait already, or the turn does not come in time.
        """
        started = time.monotonic()
        with self._in_queue():
            if not self._turn.acquire(timeout=self.limits.wait_seconds):
                waited = f"{self.limits.wait_seconds:g} s waited"
                raise Busy(
                    "another writer is not done yet; nothing was stored",
                    got=waited,
                    fix="send it again",
                )
        try:
            yield max(0.0, started + self.limits.wait_seconds - time.monotonic())
        finally:
            self._turn.release()

    @contextmanager
    def _in_queue(self) -> Iterator[None]:
        with self._counting:
            if self._waiting >= self.limits.max_waiting:
                got = f"{self._waiting} waiting"
                raise Busy(
                    "too many wait to write; nothing was stored",
                    got=got,
                    fix="send it again in a moment",
                )
            self._waiting += 1
        try:
            yield
        finally:
            with self._counting:
                self._waiting -= 1
