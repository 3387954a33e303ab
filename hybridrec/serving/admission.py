"""Admission control for uploads: a bounded queue that refuses at once when it is full."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from hybridrec.errors import Busy

MAX_UPLOADS = 4
"""Uploads that are embedded or wait for it, in one process; half of the server's threads stay
free for other requests."""

MAX_UPLOADS_PER_CALLER = 2
SECONDS_PER_UPLOAD = 3
"""What one upload usually takes at most; those who are refused are told when to come back."""


class Admission:
    """Admits one upload at a time, lets a few wait, and keeps one caller from taking all places.

    Args:
        limit: the most uploads at once, waiting or not.
        limit_per_caller: how many of them may be one caller's.
    """

    def __init__(
        self, limit: int = MAX_UPLOADS, limit_per_caller: int = MAX_UPLOADS_PER_CALLER
    ) -> None:
        self._limit, self._limit_per_caller = limit, limit_per_caller
        self._state = threading.Lock()
        self._turn = threading.Lock()
        self._present: Counter[str | None] = Counter()

    @contextmanager
    def turn(self, caller: str | None) -> Iterator[None]:
        """Wait for a turn and hold it inside the `with` block.

        Args:
            caller: who asks; None is the program itself, which has no limit of its own.

        Raises:
            Busy: at once, if the queue is full or the caller has all the places allowed to one.
        """
        self._enter(caller)
        try:
            with self._turn:
                yield
        finally:
            with self._state:
                self._present[caller] -= 1
                self._present += Counter()  # drops callers whose count is zero

    def _enter(self, caller: str | None) -> None:
        with self._state:
            present = self._present.total()
            at_own_limit = caller is not None and self._present[caller] >= self._limit_per_caller
            if present >= self._limit or at_own_limit:
                what, fix = "too many uploads wait to be embedded", "send it again in a moment"
                error = Busy(what, got=present, fix=fix)
                error.retry_after_seconds = SECONDS_PER_UPLOAD * present
                raise error
            self._present[caller] += 1
