"""The queue of uploads is bounded, shared by callers, and refuses at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from hybridrec.errors import Busy
from hybridrec.serving.admission import Admission

PATIENCE = 60


class Waiting:
    """Threads that hold a turn, or wait for one, until the end of the `with` block."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._leave = threading.Event()
        self._threads = ThreadPoolExecutor(20)

    def __enter__(self) -> Waiting:
        return self

    def __exit__(self, *_: object) -> None:
        self._leave.set()
        self._threads.shutdown()

    def add(self, caller: str | None) -> None:
        """Another upload of this caller; returns when it is admitted."""
        before, deadline = self._admission._present.total(), threading.Event()
        self._threads.submit(self._stay, caller)
        for _ in range(PATIENCE * 100):
            if self._admission._present.total() > before:
                return
            deadline.wait(0.01)
        raise AssertionError("was not admitted")

    def _stay(self, caller: str | None) -> None:
        with self._admission.turn(caller):
            self._leave.wait(PATIENCE)


def test_a_full_queue_refuses_at_once_and_says_when_to_come_back() -> None:
    admission = Admission(3, 2)
    with Waiting(admission) as waiting:
        for caller in ("a", "b", "c"):
            waiting.add(caller)
        with pytest.raises(Busy, match="too many uploads wait") as refused, admission.turn("d"):
            pass
        assert refused.value.retry_after_seconds >= 1
    with admission.turn("d"):
        assert admission._present == {"d": 1}


def test_one_caller_cannot_fill_the_queue() -> None:
    admission = Admission(4, 2)
    with Waiting(admission) as waiting, ExitStack() as stack:
        for _ in range(2):
            waiting.add("greedy")
        with pytest.raises(Busy, match="too many uploads wait"):
            stack.enter_context(admission.turn("greedy"))
        waiting.add("other")
        waiting.add(None)


def test_an_error_frees_the_place() -> None:
    admission = Admission(1, 1)
    for _ in range(3):
        with pytest.raises(ValueError, match="broken file"), admission.turn("a"):
            raise ValueError("broken file")
