"""A process that hears: what the processes of a pool run, and the only one of the two sides that needs torch."""

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
from hybridrec.embedder.result import EmbeddedFile
from hybridrec.errors import AudioError


class _Worker:
    """What a process of the pool keeps between files."""

    encoder: Embedder
    limits: AudioLimits
    known: frozenset[str]


def load(checkpoint_bytes: bytes, limits: AudioLimits, known: frozenset[str]) -> None:
    """Make this process, and those that it forks, ready to hear within limits."""
    torch.set_num_threads(1)
    threadpoolctl.threadpool_limits(1)
    _Worker.encoder = Embedder.from_checkpoint(checkpoint_bytes, limits)
    _Worker.limits, _Worker.known = limits, known


def bound_memory() -> None:
    """Let the process have only so much more address space than now; what asks for more gets a MemoryError."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * os.sysconf("SC_PAGE_SIZE") + _Worker.limits.max_memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def silence_decoders() -> None:
    """Send standard error away: mpg123 writes there of frames that lack their past, as the first after a seek does."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def embed_file(path: Path, called: str) -> EmbeddedFile:
    """Hear a file, or be ended by the alarm: even a decoder that hangs in C cannot put it off."""
    signal.setitimer(signal.ITIMER_REAL, _Worker.limits.max_embedding_seconds)
    try:
        return _embedded(path, called)
    except AudioError as error:
        return EmbeddedFile(path, error=error)
    except OSError as error:
        return EmbeddedFile(
            path, error=AudioError(f"{path.name}: cannot be read ({error.strerror})")
        )
    except Exception as error:  # one odd file must never stop the others
        return EmbeddedFile(path, error=AudioError(f"{path.name}: {type(error).__name__}: {error}"))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _embedded(path: Path, called: str) -> EmbeddedFile:
    check_file(path, _Worker.limits)
    with path.open("rb") as file:
        facts = os.fstat(file.fileno())
        content_hash = hashlib.file_digest(file, "sha256").hexdigest()
    clock = StageClock()
    embedded = None if content_hash in _Worker.known else _Worker.encoder.embed(path, clock)
    tags = read_tags(path, called)
    return EmbeddedFile(
        path,
        facts.st_size,
        facts.st_mtime_ns,
        content_hash,
        tags,
        embedded,
        stage_seconds=clock.seconds,
    )
