"""Files heard in processes of their own, within limits of time and memory; what kills its process harms no other."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import resource
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing.context import BaseContext
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import threadpoolctl
import torch
from numpy.typing import NDArray

from hybridrec.audio.decode import check_file
from hybridrec.audio.melspec import keep_mel_bank, mel_bank
from hybridrec.audio.stages import StageClock
from hybridrec.audio.tags import Tags, read_tags
from hybridrec.config import AudioConfig, AudioLimits
from hybridrec.encoder.checkpoint import Checkpoint
from hybridrec.errors import AudioError, InvalidInput, LibraryError, NotReady
from hybridrec.storage.library import Library
from hybridrec.workflows.ears import Ears, Heard, ears_in_use

IN_FLIGHT = 4
"""Files a worker that are handed out ahead; what bounds memory however many there are."""


@dataclass(frozen=True)
class HeardFile:
    """What became of a file.

    Attributes:
        path: the file.
        size_bytes, mtime_ns, content_hash: how it looked; the hash is hex SHA-256.
        tags: what it says of itself.
        heard: what was heard; None if that was not needed or not possible.
        error: why it could not be heard.
        stage_seconds: processor time by stage.
    """

    path: Path
    size_bytes: int = 0
    mtime_ns: int = 0
    content_hash: str = ""
    tags: Tags = field(default_factory=lambda: Tags(""))
    heard: Heard | None = None
    error: AudioError | None = None
    stage_seconds: dict[str, float] = field(default_factory=dict)

    @property
    def why(self) -> str:
        """The reason in words if it could not be heard, or empty."""
        return "" if self.error is None else str(self.error)


class HearingPool:
    """Processes that hear files. A context manager.

    Args:
        ears_bytes: the checkpoint that each of them loads.
        limits: what a file may ask.
        known: hex SHA-256 of files that need not be heard again.
        workers: how many processes.

    Raises:
        NotReady: if a process cannot start.
    """

    def __init__(self, ears_bytes: bytes, limits: AudioLimits, known: frozenset[str], workers: int) -> None:
        audio = Checkpoint.from_bytes(ears_bytes).audio
        self._initargs = (ears_bytes, audio, mel_bank(audio), limits, known)
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
        pool = ProcessPoolExecutor(workers, _process_context(), initializer=_start_worker, initargs=self._initargs)
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
    context.set_forkserver_preload([__name__])
    return context


class _Worker:
    """What a process of the pool keeps between files."""

    ears: Ears
    limits: AudioLimits
    known: frozenset[str]


def _start_worker(
    ears_bytes: bytes, audio: AudioConfig, bank: NDArray[np.float32], limits: AudioLimits, known: frozenset[str]
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    threadpoolctl.threadpool_limits(1)
    keep_mel_bank(audio, bank)
    _Worker.ears = Ears.from_checkpoint(ears_bytes, limits)
    _Worker.limits, _Worker.known = limits, known
    _silence_decoders()
    _bound_memory(limits.max_memory_bytes)


def _bound_memory(more_bytes: int) -> None:
    """Let the process have so much more address space than it has now; what asks for more gets a MemoryError."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * os.sysconf("SC_PAGE_SIZE") + more_bytes
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _silence_decoders() -> None:
    """Send standard error away: mpg123 writes there of frames that lack their past, as the first after a seek does."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def _leave_with_parent() -> None:
    """End with the parent even where it was killed and could not say so."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _hear_file(path: Path, called: str = "") -> HeardFile:
    """Hear a file, or be ended by the alarm: even a decoder that hangs in C cannot put it off."""
    signal.setitimer(signal.ITIMER_REAL, _Worker.limits.max_hearing_seconds)
    try:
        return _heard(path, called)
    except AudioError as error:
        return HeardFile(path, error=error)
    except OSError as error:
        return HeardFile(path, error=AudioError(f"{path.name}: cannot be read ({error.strerror})"))
    except Exception as error:  # one odd file must never stop the others
        return HeardFile(path, error=AudioError(f"{path.name}: {type(error).__name__}: {error}"))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _heard(path: Path, called: str) -> HeardFile:
    check_file(path, _Worker.limits)
    with path.open("rb") as file:
        facts = os.fstat(file.fileno())
        content_hash = hashlib.file_digest(file, "sha256").hexdigest()
    clock = StageClock()
    heard = None if content_hash in _Worker.known else _Worker.ears.hear(path, clock)
    tags = read_tags(path, called)
    return HeardFile(path, facts.st_size, facts.st_mtime_ns, content_hash, tags, heard, stage_seconds=clock.seconds)
