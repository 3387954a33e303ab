"""A bounded queue for the embedding of uploads: who comes when it is full is told when to come back."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from hybridrec.errors import Busy

MOST_UPLOADS = 4
"""Uploads that are embedded or wait for it, in one process; half of the server's threads stay free for others."""

MOST_OF_ONE_CALLER = 2
SECONDS_OF_ONE = 3
"""What one upload usually takes at most, told to those who are to come back."""


class Admission:
    """Lets one in at a time, a few wait, and no caller be all of those.

    Args:
        most: who may be there at once, waiting or not.
        most_of_one: how many of them may be one caller's.
    """

    def __init__(self, most: int = MOST_UPLOADS, most_of_one: int = MOST_OF_ONE_CALLER) -> None:
        self._most, self._most_of_one = most, most_of_one
        self._state = threading.Lock()
        self._turn = threading.Lock()
        self._there: Counter[str | None] = Counter()

    @contextmanager
    def turn(self, caller: str | None) -> Iterator[None]:
        """Wait for one's turn and hold it inside the block.

        Args:
            caller: who asks; None: the program itself, of which only `most` is asked.

        Raises:
            Busy: at once, if the queue is full or as full as one caller may make it.
        """
        self._enter(caller)
        try:
            with self._turn:
                yield
        finally:
            with self._state:
                self._there[caller] -= 1
                self._there += Counter()  # forgets callers who have left

    def _enter(self, caller: str | None) -> None:
        with self._state:
            there = self._there.total()
            if there >= self._most or (
                caller is not None and self._there[caller] >= self._most_of_one
            ):
                error = Busy(
                    "too many uploads wait to be embedded",
                    got=there,
                    fix="send it again in a moment",
                )
                error.retry_after_seconds = SECONDS_OF_ONE * there
                raise error
            self._there[caller] += 1
