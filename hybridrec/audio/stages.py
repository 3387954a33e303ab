"""Processor time of the stages of embedding a file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

STAGES = ("decode", "resample", "mel", "network")


class StageClock:
    """Adds up the processor time of this thread in each stage.

    Attributes:
        seconds: by stage; other threads and processes do not count.
    """

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time inside the `with` block as the stage's."""
        start = time.thread_time()
        try:
            yield
        finally:
            self.seconds[name] += time.thread_time() - start
