"""Cached counts of a library: large tables are counted now and then, not for every request."""

from __future__ import annotations

import threading
import time

from hybridrec.storage.library import Library

EXACT_UP_TO_PLAYS = 100_000
"""Up to this many plays are counted after every change, which takes a few milliseconds."""

RECOUNT_SECONDS = 60.0
"""More plays than that are counted again after this time at the earliest."""


class CachedCounts:
    """Counts of the tracks, users and plays of a library; safe to use from several threads.

    While one thread counts, the others get the previous counts.

    Args:
        library: what is counted.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._state = threading.Lock()
        self._counting = threading.Lock()
        self._counts: dict[str, int] = {}
        self._seq = -1
        self._valid_until = 0.0

    def at(self, seq: int) -> dict[str, int]:
        """The counts by `tracks`, `users` and `plays`.

        Args:
            seq: the newest sequence number of the change feed; while it stays, so do the counts.

        Raises:
            LibraryError: if the library cannot be read.
        """
        # Only the first count is waited for; later ones leave the previous result to the others.
        if self._is_valid(seq) or not self._counting.acquire(blocking=not self._counts):
            return self._counts
        try:
            return self._counts if self._is_valid(seq) else self._count(seq)
        finally:
            self._counting.release()

    def _is_valid(self, seq: int) -> bool:
        with self._state:
            return bool(self._counts) and (seq == self._seq or time.monotonic() < self._valid_until)

    def _count(self, seq: int) -> dict[str, int]:
        counts = self._library.counts()
        with self._state:
            self._counts, self._seq = counts, seq
            # Timed from the end of counting, which may take seconds itself.
            is_large = counts["plays"] > EXACT_UP_TO_PLAYS
            self._valid_until = time.monotonic() + (RECOUNT_SECONDS if is_large else 0.0)
        return counts
