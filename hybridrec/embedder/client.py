"""The near side of the program that embeds: one socket to one of its processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from hybridrec.embedder.frames import pack_bytes, receive, send, unpack_file
from hybridrec.embedder.result import EmbeddedFile
from hybridrec.errors import AudioError, NotReady

PROGRAM = "hybridrec.embedder.program"
_TRIES = 3


class Gone(Exception):
    """The program has ended."""


class Worker:
    """Asks one process of the program; not to be used from several threads at once.

    Args:
        connection: to that process, and to those that follow it where it dies.

    Attributes:
        process: its id.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._number = 0
        self.process = 0

    def set_up(self, settings: dict[str, Any]) -> None:
        """Tell the program what it needs, by its first worker.

        Raises:
            Gone: if it has ended.
        """
        self._send(settings)

    def await_ready(self) -> None:
        """Wait until the process can be asked.

        Raises:
            Gone: if it has ended.
        """
        while "ready" not in self._receive():
            continue

    def embed(self, path: Path, called: str) -> EmbeddedFile:
        """What became of a file; a process that it kills is what became of it.

        Raises:
            Gone: if the program has ended.
        """
        for _ in range(_TRIES):  # a process that died before it began has not seen the file
            self._number += 1
            self._send(
                {"number": self._number, "path": pack_bytes(os.fsencode(path)), "called": called}
            )
            begun, answer = self._answer()
            if answer is not None:
                return unpack_file(path, answer)
            if begun:
                break
        return EmbeddedFile(path, error=_fatal(path))

    def close(self) -> None:
        """End the process; who waits for its answer is told that it is gone."""
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:  # it is gone already
            return
        finally:
            self._connection.close()

    def _answer(self) -> tuple[bool, dict[str, Any] | None]:
        """Whether the process began with the last request, and its answer unless it died."""
        begun = False
        while True:
            message = self._receive()
            begun = begun or message.get("begun") == self._number
            if message.get("answer") == self._number:
                return begun, message
            if "died" in message:
                return begun, None

    def _send(self, message: dict[str, Any]) -> None:
        try:
            send(self._connection, message)
        except OSError as error:
            raise Gone from error

    def _receive(self) -> dict[str, Any]:
        try:
            message = receive(self._connection)
        except OSError as error:
            raise Gone from error
        if message is None:
            raise Gone
        self.process = message.get("ready", self.process)
        return message


def start_program(
    settings: dict[str, Any], workers: int
) -> tuple[subprocess.Popen[bytes], list[Worker]]:
    """Start the program with so many processes, and wait until they can be asked.

    Raises:
        NotReady: if they cannot start.
    """
    pairs = [socket.socketpair() for _ in range(workers)]
    theirs = [their.fileno() for _, their in pairs]
    command = [
        sys.executable,
        "-P",
        "-m",
        PROGRAM,
        *map(str, theirs),
    ]  # -P: nothing comes from the working directory
    program = subprocess.Popen(  # noqa: S603 - none of it comes from outside
        command,
        pass_fds=theirs,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    for _, their in pairs:
        their.close()
    near = [Worker(our) for our, _ in pairs]
    try:
        near[0].set_up(settings)
        for worker in near:
            worker.await_ready()
    except Gone as error:
        end_program(program, near)
        raise NotReady(
            "a process that embeds cannot start", fix="see its message above, or free memory"
        ) from error
    return program, near


def end_program(program: subprocess.Popen[bytes], workers: list[Worker]) -> None:
    """Let the program end, after the files that it is at."""
    for worker in workers:
        worker.close()
    program.wait()


def _fatal(path: Path) -> AudioError:
    what = f"{path.name}: the process that heard it died, for it took too long or too much memory or broke a decoder"
    return AudioError(what, fix="get the file again, or convert it")
