"""Waiting with a deadline, for tests of threads and processes."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator

DEADLINE_SECONDS = 240.0
"""A machine ten times slower than usual is still in time."""


def attempts(seconds: float = DEADLINE_SECONDS) -> Iterator[int]:
    """Count from 0 until the caller breaks off the loop; fail the test at the deadline."""
    deadline = time.monotonic() + seconds
    for number in itertools.count():
        yield number
        assert time.monotonic() < deadline, f"still waiting after {seconds:.0f} s"


def wait_for(condition: Callable[[], object], seconds: float = DEADLINE_SECONDS) -> None:
    """Look at a condition every 5 ms until it holds; fail the test at the deadline."""
    for _ in attempts(seconds):
        if condition():
            return
        time.sleep(0.005)
