"""Time, processor time and memory of a command and all its child processes. Linux only."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLE_EVERY_SECONDS = 0.2
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Cost:
    """The cost of a finished command.

    Attributes:
        exit_code: as of `subprocess`, below zero for a signal.
        output, errors: standard output and standard error.
        seconds: of wall-clock time.
        processor_seconds: of all its processes together.
        peak_bytes: the most memory in any sample, pages that processes share counted once.
    """

    exit_code: int
    output: str
    errors: str
    seconds: float
    processor_seconds: float
    peak_bytes: int


def measured(command: Sequence[str]) -> Cost:
    """Run a command to its end; processes that outlive it are waited for and counted, too."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    before, start = _processor_seconds(), time.monotonic()
    with (
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process,
        _Memory(process.pid) as memory,
    ):
        output, errors = process.communicate()
    seconds = time.monotonic() - start
    _await_orphans()
    return Cost(
        process.returncode,
        output,
        errors,
        seconds,
        _processor_seconds() - before,
        memory.peak_bytes,
    )


def _processor_seconds() -> float:
    """Of child processes that have been waited for, and of their children."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _await_orphans() -> None:
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


class _Memory:
    """Samples the memory of a process group. A context manager."""

    def __init__(self, group: int) -> None:
        self.peak_bytes = 0
        self._group = group
        self._finished = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._finished.wait(SAMPLE_EVERY_SECONDS):
            self.peak_bytes = max(
                self.peak_bytes, sum(map(self._held, Path("/proc").glob("[0-9]*")))
            )

    def _held(self, entry: Path) -> int:
        try:
            if int((entry / "stat").read_text().rpartition(")")[2].split()[2]) != self._group:
                return 0
            lines = (entry / "smaps_rollup").read_text().splitlines()
        except OSError:
            return 0  # the process has ended
        return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))

    def __enter__(self) -> _Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._finished.set()
        self._thread.join()
