"""The queue of writers of a process; it is short, because each waiter holds a thread."""

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
        max_waiting: how many may wait, beside the one that writes; the next is refused at once.
        wait_seconds: for how long, including the wait for other processes that write.
    """

    max_waiting: int = 64
    wait_seconds: float = 60.0


SERVING = WriteLimits(max_waiting=5, wait_seconds=10.0)
"""For a server of eight threads: six may be busy with writing, the other two answer."""


class WriteQueue:
    """Lets one writer of this process at a time start its transaction."""

    def __init__(self, limits: WriteLimits) -> None:
        self.limits = limits
        self._writing = threading.Lock()
        self._counting = threading.Lock()
        self._waiting = 0

    @contextmanager
    def turn(self) -> Iterator[float]:
        """Wait for the turn to write, and hold it for the block.

        Yields:
            The seconds that are left to wait for writers of other processes.

        Raises:
            Busy: if too many wait already, or the turn does not come in time.
        """
        started = time.monotonic()
        with self._counted():
            if not self._writing.acquire(timeout=self.limits.wait_seconds):
                waited = f"{self.limits.wait_seconds:g} s waited"
                raise Busy(
                    "another writer is not done yet; nothing was stored",
                    got=waited,
                    fix="send it again",
                )
        try:
            yield max(0.0, started + self.limits.wait_seconds - time.monotonic())
        finally:
            self._writing.release()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Count this writer among those that wait, if there is room."""
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
