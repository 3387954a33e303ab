"""How fast one caller may ask: a bucket of requests for each, refilled at a steady rate."""

from __future__ import annotations

import threading
from collections import OrderedDict

MAX_CALLERS = 10_000
"""Callers remembered at a time; the one who was silent longest is forgotten first, and begins anew."""


class Pace:
    """Token buckets by caller, in bounded memory; safe to use from several threads.

    Args:
        per_minute: requests a minute that may go on for ever. A sixth of them may come at once.
    """

    def __init__(self, per_minute: int) -> None:
        self._per_second = per_minute / 60
        self._full = max(1.0, per_minute / 6)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_seconds(self, caller: str, cost: float, now: float) -> float:
        """Take a request from a caller's bucket.

        Args:
            caller: a token's name or an address.
            cost: how many requests it counts as; more than a full bucket counts as a full one.
            now: seconds of a monotonic clock.

        Returns:
            0 if it may pass, else the seconds until it may, and nothing is taken.
        """
        cost = min(cost, self._full)
        with self._lock:
            held, since = self._buckets.pop(caller, (self._full, now))
            held = min(self._full, held + (now - since) * self._per_second)
            passes = held >= cost
            self._buckets[caller] = (held - cost if passes else held, now)
            if len(self._buckets) > MAX_CALLERS:
                self._buckets.popitem(last=False)
        return 0.0 if passes else (cost - held) / self._per_second
