"""How much a library holds, kept: large tables are counted now and then, not for everybody who asks."""

from __future__ import annotations

import threading
import time

from hybridrec.storage.library import Library

COUNTED_UP_TO_PLAYS = 100_000
"""So many plays are counted as soon as anything was written: that takes a few milliseconds."""

COUNTED_EVERY_SECONDS = 60.0
"""More than those are counted again no sooner than after this."""


class KeptCounts:
    """Counts of the tracks, users and plays of a library; safe to use from several threads.

    While one thread counts, the others are told what was counted before.

    Args:
        library: what is counted.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._state = threading.Lock()
        self._counting = threading.Lock()
        self._counts: dict[str, int] = {}
        self._seq = -1
        self._not_before = 0.0

    def at(self, seq: int) -> dict[str, int]:
        """The counts by `tracks`, `users` and `plays`.

        Args:
            seq: the newest number of the feed of changes; while it stays, so do they.

        Raises:
            LibraryError: if the library cannot be read.
        """
        if self._are_good(seq) or not self._counting.acquire(blocking=not self._counts):
            return self._counts
        try:
            return self._counts if self._are_good(seq) else self._count(seq)
        finally:
            self._counting.release()

    def _are_good(self, seq: int) -> bool:
        with self._state:
            return bool(self._counts) and (seq == self._seq or time.monotonic() < self._not_before)

    def _count(self, seq: int) -> dict[str, int]:
        counts = self._library.counts()
        with self._state:
            self._counts, self._seq = counts, seq
            many = counts["plays"] > COUNTED_UP_TO_PLAYS
            self._not_before = time.monotonic() + (COUNTED_EVERY_SECONDS if many else 0.0)
        return counts
