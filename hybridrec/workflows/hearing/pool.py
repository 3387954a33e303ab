"""Files heard in processes of their own, within limits of time and memory; what kills its process harms no other."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing.context import BaseContext
from pathlib import Path
from types import TracebackType
from typing import Self

from hybridrec.config import AudioLimits
from hybridrec.encoder.checkpoint import Checkpoint
from hybridrec.errors import AudioError, InvalidInput, LibraryError, NotReady
from hybridrec.storage.library import Library
from hybridrec.workflows.hearing.heard import Heard, HeardFile
from hybridrec.workflows.hearing.library_encoder import ears_in_use

IN_FLIGHT = 4
"""Files a worker that are handed out ahead; what bounds memory however many there are."""


class HearingPool:
    """Processes that hear files. A context manager.

    Args:
        ears_bytes: the checkpoint that each of them loads.
        limits: what a file may ask.
        known: hex SHA-256 of files that need not be heard again.
        workers: how many processes.

    Raises:
        InvalidInput: if `ears_bytes` is no checkpoint.
        NotReady: if a process cannot start.
    """

    def __init__(self, ears_bytes: bytes, limits: AudioLimits, known: frozenset[str], workers: int) -> None:
        Checkpoint.from_bytes(ears_bytes)  # a process that cannot start could not say what is wrong with it
        self._initargs = (ears_bytes, limits, known)
        self._workers = workers
        self._pool = self._start(workers)

    def hear(self, paths: Iterable[Path]) -> Iterator[HeardFile]:
        """What became of each file, in the order given."""
        paths = iter(paths)
        waiting: deque[tuple[Path, Future[HeardFile]]] = deque()
        while True:
            room = IN_FLIGHT * self._workers - len(waiting)
            waiting.extend((path, self._submit(path)) for path in islice(paths, room))
            if not waiting:
                return
            path, future = waiting.popleft()
            try:
                heard = future.result()
            except BrokenProcessPool:
                suspects = [path, *(path for path, _ in waiting)]
                waiting.clear()
                yield from self._one_by_one(suspects)
            else:
                yield heard

    def hear_one(self, path: Path, called: str = "") -> tuple[HeardFile, Heard]:
        """What one file is and sounds like; not to be used from several threads at once.

        Args:
            path: the file.
            called: the name to make a title of, where the path's own says nothing.

        Raises:
            AudioError: if it cannot be heard, or not within the limits.
        """
        try:
            future = self._pool.submit(_hear_file, path, called)
        except BrokenProcessPool:  # somebody ended the process while it had nothing to do
            self._restart(1)
            future = self._pool.submit(_hear_file, path, called)
        try:
            file = future.result()
        except BrokenProcessPool:
            self._restart(1)
            raise _fatal(path) from None
        if file.error is not None:
            raise file.error
        assert file.heard is not None
        return file, file.heard

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown(cancel_futures=True)

    def _one_by_one(self, suspects: list[Path]) -> Iterator[HeardFile]:
        """Hear files one at a time, so that one that kills its process is known by it."""
        self._restart(1)
        for path in suspects:
            try:
                heard = self._submit(path).result()
            except BrokenProcessPool:
                heard = HeardFile(path, error=_fatal(path))
                self._restart(1)
            yield heard
        if self._workers > 1:
            self._restart(self._workers)

    def _submit(self, path: Path) -> Future[HeardFile]:
        try:
            return self._pool.submit(_hear_file, path)
        except BrokenProcessPool as error:
            broken: Future[HeardFile] = Future()
            broken.set_exception(error)
            return broken

    def _restart(self, workers: int) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._pool = self._start(workers)

    def _start(self, workers: int) -> ProcessPoolExecutor:
        pool = ProcessPoolExecutor(workers, _process_context(), initializer=_start_process, initargs=self._initargs)
        try:
            pool.submit(os.getpid).result()
        except BrokenProcessPool as error:
            raise NotReady("a process that hears cannot start", fix="see its message above, or free memory") from error
        return pool

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, t: TracebackType | None) -> None:
        self.close()


def library_pool(library: Library, limits: AudioLimits) -> HearingPool:
    """One process with the ears of a library.

    Raises:
        NotReady: if the library has no encoder, or goes by vectors that its encoder did not make.
        LibraryError: if the encoder is damaged, or newer than this program.
    """
    try:
        return HearingPool(ears_in_use(library), limits, frozenset(), 1)
    except InvalidInput as error:
        fix = "run `hybridrec train-encoder`"
        raise LibraryError("the library's encoder cannot be used", got=str(error), fix=fix) from error


def _fatal(path: Path) -> AudioError:
    what = f"{path.name}: the process that heard it died, for it took too long or too much memory or broke a decoder"
    return AudioError(what, fix="get the file again, or convert it")


def _process_context() -> BaseContext:
    """Fresh processes off a server that has imported torch once for all of them, and does nothing else."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hybridrec.workflows.hearing.process"])
    return context


def _start_process(ears_bytes: bytes, limits: AudioLimits, known: frozenset[str]) -> None:
    from hybridrec.workflows.hearing import process

    process.start(ears_bytes, limits, known)


def _hear_file(path: Path, called: str = "") -> HeardFile:
    from hybridrec.workflows.hearing import process

    return process.hear_file(path, called)
