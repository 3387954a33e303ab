"""Rate limit: a token bucket per caller, refilled at a constant rate."""

from __future__ import annotations

import mmap
import struct
import threading

BUCKETS = 2**18
"""Number of buckets, in 4 MiB. Callers whose hashes collide share one; hashes are salted."""

_BUCKET = struct.Struct("=dd")
"""Requests that the bucket lacks to be full, and the time in seconds at which it did."""


class RateLimit:
    """Token buckets by caller; thread-safe, and shared with processes forked afterwards.

    There is no lock between processes: two requests of one caller in the same microsecond may be
    counted as one.

    Args:
        per_minute: sustained requests per minute, a sixth of it at once; None: no limit.
    """

    def __init__(self, per_minute: int | None) -> None:
        self._per_second = None if per_minute is None else per_minute / 60
        self._full = max(1.0, (per_minute or 0) / 6)
        self._buckets = mmap.mmap(-1, BUCKETS * _BUCKET.size)
        self._lock = threading.Lock()

    def wait_seconds(self, caller: str, cost: float, now: float) -> float:
        """Take a request from the bucket of a caller.

        Args:
            caller: key of the caller.
            cost: number of requests it counts as, at most a full bucket.
            now: seconds of a monotonic clock that all processes share.

        Returns:
            0 if the request is allowed; else the seconds until it is, and nothing is taken.
        """
        if self._per_second is None:
            return 0.0
        offset = hash(caller) % BUCKETS * _BUCKET.size
        with self._lock:
            lacked, since = _BUCKET.unpack_from(self._buckets, offset)
            lacks: float = max(0.0, lacked - (now - since) * self._per_second) + min(
                cost, self._full
            )
            if lacks <= self._full:
                _BUCKET.pack_into(self._buckets, offset, lacks, now)
        return max(0.0, lacks - self._full) / self._per_second
