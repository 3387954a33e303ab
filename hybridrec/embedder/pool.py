"""A pool of processes that embed files, each within limits of time and memory.

A file that kills its process affects no other file.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

from hybridrec.config import AudioLimits
from hybridrec.embedder.client import ProgramEnded, WorkerClient, end_program, start_program
from hybridrec.embedder.library_encoder import encoder_in_use
from hybridrec.embedder.messages import pack_bytes
from hybridrec.embedder.results import AudioEmbedding, EmbeddedFile
from hybridrec.encoder.checkpoint import Checkpoint
from hybridrec.errors import InvalidInput, LibraryError, NotReady
from hybridrec.storage.library import Library

FILES_PER_WORKER = 4
"""Files handed out ahead for each process, which bounds memory however many files there are."""


class EmbedderPool:
    """Processes that embed files. A context manager; safe to use from several threads.

    Args:
        checkpoint_bytes: the encoder that each of them loads.
        limits: of a file.
        known: hex SHA-256 of files that need no embedding.
        workers: how many processes.

    Raises:
        InvalidInput: if `checkpoint_bytes` is not a checkpoint.
        NotReady: if a process cannot start.
    """

    def __init__(
        self, checkpoint_bytes: bytes, limits: AudioLimits, known: frozenset[str], workers: int
    ) -> None:
        # Checked here: a process that cannot start could not say what is wrong with it.
        Checkpoint.from_bytes(checkpoint_bytes)
        self._settings = {
            "checkpoint": pack_bytes(checkpoint_bytes),
            "limits": limits.to_dict(),
            "known": sorted(known),
        }
        self._changing = threading.Lock()
        self._closed = False
        self._start(workers)

    def embed(self, paths: Iterable[Path]) -> Iterator[EmbeddedFile]:
        """Embed files; the results are in the order of the paths."""
        paths, waiting = iter(paths), deque[Future[EmbeddedFile]]()
        with ThreadPoolExecutor(len(self._clients)) as threads:
            try:
                while True:
                    room = FILES_PER_WORKER * len(self._clients) - len(waiting)
                    some = islice(paths, room)
                    waiting.extend(threads.submit(self._embed, path) for path in some)
                    if not waiting:
                        return
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def embed_one(self, path: Path, filename: str = "") -> tuple[EmbeddedFile, AudioEmbedding]:
        """Embed one file.

        Args:
            path: the file.
            filename: the name to make a title of, where the path's own means nothing.

        Raises:
            AudioError: if it cannot be embedded, or not within the limits.
            NotReady: if its process was ended and cannot start again.
        """
        file = self._embed(path, filename)
        if file.error is not None:
            raise file.error
        assert file.embedded is not None
        return file, file.embedded

    @property
    def processes(self) -> list[int]:
        """Ids of the processes."""
        return [client.process for client in self._clients]

    def close(self) -> None:
        """End the processes."""
        with self._changing:
            self._closed = True
            end_program(self._program, self._clients)

    def _embed(self, path: Path, filename: str = "") -> EmbeddedFile:
        free = self._free
        client = free.get()
        try:
            return client.embed(path, filename)
        except ProgramEnded:
            self._restart(free)
        finally:
            free.put(client)
        return self._embed(path, filename)

    def _restart(self, ended: queue.SimpleQueue[WorkerClient]) -> None:
        """Start the program again, unless another thread has.

        A file can kill its process only; the program ends because somebody ended it.
        """
        with self._changing:
            if self._closed:
                raise NotReady("the processes that embed were closed", fix="open another pool")
            if self._free is ended:
                end_program(self._program, self._clients)
                self._start(len(self._clients))

    def _start(self, workers: int) -> None:
        self._program, self._clients = start_program(self._settings, workers)
        # A new queue for each program, by which `_restart` knows whether it was started again.
        self._free: queue.SimpleQueue[WorkerClient] = queue.SimpleQueue()
        for client in self._clients:
            self._free.put(client)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, t: TracebackType | None
    ) -> None:
        self.close()


def library_pool(library: Library, limits: AudioLimits) -> EmbedderPool:
    """A pool of one process with the encoder of a library.

    Raises:
        NotReady: if the library has no encoder, or uses embeddings that its encoder did not make.
        LibraryError: if the encoder is damaged, or newer than this program.
    """
    try:
        return EmbedderPool(encoder_in_use(library), limits, frozenset(), 1)
    except InvalidInput as error:
        what, fix = "the library's encoder cannot be used", "run `hybridrec train-encoder`"
        raise LibraryError(what, got=str(error), fix=fix) from error
