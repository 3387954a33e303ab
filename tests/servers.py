"""Servers as processes of their own, for tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


@contextmanager
def running(
    location: Path | str, workers: int = 1, options: str = "", stderr: int | None = subprocess.PIPE
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server of a library, and its address as it prints it.

    Args:
        location: the library.
        workers: processes.
        options: of the command.
        stderr: where it complains; a pipe that nobody reads holds some hundred lines.
    """
    command = [
        sys.executable,
        "-m",
        "hybridrec",
        "serve",
        "--library",
        str(location),
        "--port",
        "0",
    ]
    command += ["--workers", str(workers), *options.split()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("hybridrec answers on http"), process.communicate()[1]
            yield process, line.split()[-1]
        finally:
            process.terminate()
            process.wait(timeout=600)


def ask(address: str, **headers: str) -> dict[str, Any]:
    """What a server answers to a GET, as JSON."""
    request = urllib.request.Request(
        address, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    with urllib.request.urlopen(request, timeout=600) as answer:
        result: dict[str, Any] = json.load(answer)
    return result


def children(process: int) -> set[int]:
    """What the threads of a process have started and is still there."""
    found: set[int] = set()
    for file in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            found |= {int(child) for child in file.read_text().split()}
        except OSError:  # the thread has just ended
            continue
    return found


def of_each_worker(server: int, question: Callable[[], T]) -> list[T]:
    """What each worker of an idle server answers while all others stand still.

    Args:
        server: its process.
        question: asks the server something.
    """
    workers = children(server)
    answers = []
    for worker in workers:
        for other in workers - {worker}:
            os.kill(other, signal.SIGSTOP)
        try:
            answers.append(question())
        finally:
            for other in workers - {worker}:
                os.kill(other, signal.SIGCONT)
    return answers
