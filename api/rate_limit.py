"""How fast one caller may ask: a bucket of requests for each, refilled at a steady rate."""

from __future__ import annotations

import mmap
import struct
import threading

BUCKETS = 2**18
"""Buckets kept, in 4 MiB. Callers of one hash share a bucket; nobody outside can foresee who does."""

_BUCKET = struct.Struct(
    "=dd"
)  # the requests that it lacks to be full, and the second when that was so


class RateLimit:
    """Token buckets by caller; safe to use from several threads, and shared by the processes that are forked later.

    Processes do not wait for each other: two that ask for one caller in the same
    microsecond may count one request for both.

    Args:
        per_minute: requests a minute that may go on for ever; None: any number. A sixth of them may come at once.
    """

    def __init__(self, per_minute: int | None) -> None:
        self._per_second = None if per_minute is None else per_minute / 60
        self._full = max(1.0, (per_minute or 0) / 6)
        self._buckets = mmap.mmap(-1, BUCKETS * _BUCKET.size)
        self._lock = threading.Lock()

    def wait_seconds(self, caller: str, cost: float, now: float) -> float:
        """Take a request from a caller's bucket.

        Args:
            caller: a token's name or an address.
            cost: how many requests it counts as; more than a full bucket counts as a full one.
            now: seconds of a monotonic clock that all processes share.

        Returns:
            0 if it may pass, else the seconds until it may, and nothing is taken.
        """
        if self._per_second is None:
            return 0.0
        place = hash(caller) % BUCKETS * _BUCKET.size
        with self._lock:
            lacked, since = _BUCKET.unpack_from(self._buckets, place)
            lacks: float = max(0.0, lacked - (now - since) * self._per_second) + min(
                cost, self._full
            )
            if lacks <= self._full:
                _BUCKET.pack_into(self._buckets, place, lacks, now)
        return max(0.0, lacks - self._full) / self._per_second
