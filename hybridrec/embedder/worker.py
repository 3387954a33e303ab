"""What each process of a pool runs; the caller's side needs no torch."""

from __future__ import annotations

import hashlib
import os
import resource
import signal
from pathlib import Path

import threadpoolctl
import torch

from hybridrec.audio.decode import check_file
from hybridrec.audio.stages import StageClock
from hybridrec.audio.tags import read_tags
from hybridrec.config import AudioLimits
from hybridrec.embedder.embedder import Embedder
from hybridrec.embedder.results import EmbeddedFile
from hybridrec.errors import AudioError


class _Worker:
    """What a process of the pool keeps between files."""

    embedder: Embedder
    limits: AudioLimits
    known: frozenset[str]


def load(checkpoint_bytes: bytes, limits: AudioLimits, known: frozenset[str]) -> None:
    """Make this process, and those that it forks, ready to embed within limits."""
    torch.set_num_threads(1)
    threadpoolctl.threadpool_limits(1)
    _Worker.embedder = Embedder.from_checkpoint(checkpoint_bytes, limits)
    _Worker.limits, _Worker.known = limits, known


def bound_memory() -> None:
    """Limit the process to `max_memory_bytes` of address space beyond what it has now.

    An allocation beyond that raises MemoryError, or ends the process inside a decoder.
    """
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit_bytes = pages * os.sysconf("SC_PAGE_SIZE") + _Worker.limits.max_memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))


def silence_decoders() -> None:
    """Discard standard error, where mpg123 complains of the first frame after each seek."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    os.close(null)


def embed_file(path: Path, filename: str) -> EmbeddedFile:
    """Embed a file within the time limit; the alarm ends this process otherwise."""
    # An alarm without a handler ends even a decoder that hangs in C.
    signal.setitimer(signal.ITIMER_REAL, _Worker.limits.max_embedding_seconds)
    try:
        return _embedded(path, filename)
    except AudioError as error:
        return EmbeddedFile(path, error=error)
    except OSError as error:
        what = f"{path.name}: cannot be read ({error.strerror})"
        return EmbeddedFile(path, error=AudioError(what))
    except Exception as error:  # one odd file must not stop the others
        return EmbeddedFile(path, error=AudioError(f"{path.name}: {type(error).__name__}: {error}"))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _embedded(path: Path, filename: str) -> EmbeddedFile:
    check_file(path, _Worker.limits)
    # Size, time and hash of one open file: the path may be replaced meanwhile.
    with path.open("rb") as file:
        facts = os.fstat(file.fileno())
        content_hash = hashlib.file_digest(file, "sha256").hexdigest()
    clock = StageClock()
    embedded = None if content_hash in _Worker.known else _Worker.embedder.embed(path, clock)
    tags = read_tags(path, filename)
    return EmbeddedFile(
        path,
        facts.st_size,
        facts.st_mtime_ns,
        content_hash,
        tags,
        embedded,
        stage_seconds=clock.seconds,
    )
