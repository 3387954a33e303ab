"""Files heard in processes of their own, within limits of time and memory; what kills its process harms no other."""

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
from hybridrec.embedder.client import Gone, Worker, end_program, start_program
from hybridrec.embedder.frames import pack_bytes
from hybridrec.embedder.library_encoder import encoder_in_use
from hybridrec.embedder.result import AudioEmbedding, EmbeddedFile
from hybridrec.encoder.checkpoint import Checkpoint
from hybridrec.errors import InvalidInput, LibraryError, NotReady
from hybridrec.storage.library import Library

IN_FLIGHT = 4
"""Files a worker that are handed out ahead; what bounds memory however many there are."""


class EmbedderPool:
    """Processes that hear files. A context manager; safe to use from several threads.

    Args:
        ears_bytes: the checkpoint that each of them loads.
        limits: what a file may ask.
        known: hex SHA-256 of files that need not be heard again.
        workers: how many processes.

    Raises:
        InvalidInput: if `checkpoint_bytes` is no checkpoint.
        NotReady: if a process cannot start.
    """

    def __init__(
        self, checkpoint_bytes: bytes, limits: AudioLimits, known: frozenset[str], workers: int
    ) -> None:
        Checkpoint.from_bytes(
            checkpoint_bytes
        )  # a process that cannot start could not say what is wrong with it
        self._settings = {
            "checkpoint": pack_bytes(checkpoint_bytes),
            "limits": limits.to_dict(),
            "known": sorted(known),
        }
        self._changing = threading.Lock()
        self._closed = False
        self._start(workers)

    def embed(self, paths: Iterable[Path]) -> Iterator[EmbeddedFile]:
        """What became of each file, in the order given."""
        paths, waiting = iter(paths), deque[Future[EmbeddedFile]]()
        with ThreadPoolExecutor(len(self._workers)) as threads:
            try:
                while True:
                    room = IN_FLIGHT * len(self._workers) - len(waiting)
                    waiting.extend(
                        threads.submit(self._embed, path) for path in islice(paths, room)
                    )
                    if not waiting:
                        return
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def embed_one(self, path: Path, called: str = "") -> tuple[EmbeddedFile, AudioEmbedding]:
        """What one file is and sounds like.

        Args:
            path: the file.
            called: the name to make a title of, where the path's own says nothing.

        Raises:
            AudioError: if it cannot be heard, or not within the limits.
            NotReady: if its process was ended and cannot start again.
        """
        file = self._embed(path, called)
        if file.error is not None:
            raise file.error
        assert file.embedded is not None
        return file, file.embedded

    @property
    def processes(self) -> list[int]:
        """Ids of the processes, as far as they have told."""
        return [worker.process for worker in self._workers]

    def close(self) -> None:
        """End the processes."""
        with self._changing:
            self._closed = True
            end_program(self._program, self._workers)

    def _embed(self, path: Path, called: str = "") -> EmbeddedFile:
        free = self._free
        worker = free.get()
        try:
            return worker.embed(path, called)
        except Gone:
            self._start_again(free)
        finally:
            free.put(worker)
        return self._embed(path, called)

    def _start_again(self, ended: queue.SimpleQueue[Worker]) -> None:
        """Start the program again, unless another thread has; somebody ended it, for a file cannot."""
        with self._changing:
            if self._closed:
                raise NotReady("the processes that embed were closed", fix="open others")
            if self._free is ended:
                end_program(self._program, self._workers)
                self._start(len(self._workers))

    def _start(self, workers: int) -> None:
        self._program, self._workers = start_program(self._settings, workers)
        self._free: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        for worker in self._workers:
            self._free.put(worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, t: TracebackType | None
    ) -> None:
        self.close()


def library_pool(library: Library, limits: AudioLimits) -> EmbedderPool:
    """One process with the ears of a library.

    Raises:
        NotReady: if the library has no encoder, or goes by vectors that its encoder did not make.
        LibraryError: if the encoder is damaged, or newer than this program.
    """
    try:
        return EmbedderPool(encoder_in_use(library), limits, frozenset(), 1)
    except InvalidInput as error:
        fix = "run `hybridrec train-encoder`"
        raise LibraryError(
            "the library's encoder cannot be used", got=str(error), fix=fix
        ) from error
