"""The caller's side of the program that embeds: one socket to each of its processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from hybridrec.embedder.messages import pack_bytes, receive, send, unpack_file
from hybridrec.embedder.results import EmbeddedFile
from hybridrec.errors import AudioError, NotReady

PROGRAM = "hybridrec.embedder.program"
_MAX_TRIES = 3


class ProgramEnded(Exception):
    """The program has ended."""


class WorkerClient:
    """Sends files to one process of the program; for one thread at a time.

    Args:
        connection: to that process, and to those that replace it when it dies.

    Attributes:
        process: the id of the present process; 0 before it is ready.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._number = 0
        self.process = 0

    def set_up(self, settings: dict[str, Any]) -> None:
        """Send the program its settings, which the first of its clients does.

        Raises:
            ProgramEnded: if it has ended.
        """
        self._send(settings)

    def await_ready(self) -> None:
        """Wait until the process accepts files.

        Raises:
            ProgramEnded: if it has ended.
        """
        while "ready" not in self._receive():
            continue

    def embed(self, path: Path, filename: str) -> EmbeddedFile:
        """Embed a file; the result has an error where the process died of it.

        Args:
            path: the file.
            filename: the name to make a title of, where the path's own means nothing.

        Raises:
            ProgramEnded: if it has ended.
        """
        # Tried again where the process died before it began: then the file is not the cause.
        for _ in range(_MAX_TRIES):
            self._number += 1
            packed_path = pack_bytes(os.fsencode(path))
            self._send({"number": self._number, "path": packed_path, "filename": filename})
            begun, answer = self._await_answer()
            if answer is not None:
                return unpack_file(path, answer)
            if begun:
                break
        return EmbeddedFile(path, error=_fatal(path))

    def close(self) -> None:
        """End the process; a thread that waits for its answer gets `ProgramEnded`."""
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:  # the other side has closed it
            return
        finally:
            self._connection.close()

    def _await_answer(self) -> tuple[bool, dict[str, Any] | None]:
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
            raise ProgramEnded from error

    def _receive(self) -> dict[str, Any]:
        try:
            message = receive(self._connection)
        except OSError as error:
            raise ProgramEnded from error
        if message is None:
            raise ProgramEnded
        self.process = message.get("ready", self.process)
        return message


def start_program(
    settings: dict[str, Any], workers: int
) -> tuple[subprocess.Popen[bytes], list[WorkerClient]]:
    """Start the program with so many processes, and wait until they accept files.

    Raises:
        NotReady: if they cannot start.
    """
    pairs = [socket.socketpair() for _ in range(workers)]
    descriptors = [remote.fileno() for _, remote in pairs]
    # -P: nothing is imported from the working directory.
    command = [sys.executable, "-P", "-m", PROGRAM, *map(str, descriptors)]
    program = subprocess.Popen(  # noqa: S603 - fixed arguments
        command,
        pass_fds=descriptors,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    # Closed here, so that reading ends when the program has closed its own copies.
    for _, remote in pairs:
        remote.close()
    clients = [WorkerClient(local) for local, _ in pairs]
    try:
        clients[0].set_up(settings)
        for client in clients:
            client.await_ready()
    except ProgramEnded as error:
        end_program(program, clients)
        what, fix = "a process that embeds cannot start", "see its message above, or free memory"
        raise NotReady(what, fix=fix) from error
    return program, clients


def end_program(program: subprocess.Popen[bytes], clients: list[WorkerClient]) -> None:
    """Let the program end, after the files that it is embedding."""
    for client in clients:
        client.close()
    program.wait()


def _fatal(path: Path) -> AudioError:
    causes = "too long or too much memory, or broke a decoder"
    what = f"{path.name}: the process that embedded it died, for it took {causes}"
    return AudioError(what, fix="get the file again, or convert it")
