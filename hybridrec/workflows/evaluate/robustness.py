"""Robustness of an encoder: does a compressed, quieter or different excerpt find its original?"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hybridrec.audio.copies import write_mp3, write_wav
from hybridrec.audio.decode import decode_chunks, read_middle
from hybridrec.config import AudioConfig
from hybridrec.embedder.embedder import Embedder
from hybridrec.encoder.checkpoint import Checkpoint
from hybridrec.evaluation.retrieval import found_first
from hybridrec.workflows.evaluate.vector_cache import Extractor, Vector, VectorCache

RATE_HZ = 44100
MP3_BITS_PER_SECOND = 32_000
WHOLE_SECONDS = 1200.0
"""Of a longer track, only the middle is copied; bounds the memory for the samples."""

EXCERPT_SECONDS = 30.0
HALVES = ((0, "first"), (1, "second"))

Samples = NDArray[np.float32]
Write = Callable[[Path, Samples], None]


@dataclass(frozen=True)
class Recognition:
    """Whether changed copies find their originals.

    Attributes:
        change: what was done to the tracks, in words.
        found: `(n_tracks,)` float64, 1 where the nearest of all originals is that of
            the copy, else 0.
    """

    change: str
    found: NDArray[np.float64]


def _write_compressed(path: Path, samples: Samples) -> None:
    write_mp3(path, samples, RATE_HZ, MP3_BITS_PER_SECOND)


def _write_quieter(path: Path, samples: Samples) -> None:
    write_wav(path, samples * np.float32(0.5), RATE_HZ)


def _half_writer(number: int) -> Write:
    """A function that writes the middle of the first (0) or second half (1) of a track."""

    def write(path: Path, samples: Samples) -> None:
        # The middle, as beginnings and ends of tracks are often silent.
        half = np.array_split(samples, 2)[number]
        count = min(len(half), round(EXCERPT_SECONDS * RATE_HZ))
        start = (len(half) - count) // 2
        write_wav(path, half[start : start + count], RATE_HZ)

    return write


def recognition(
    cache: VectorCache, checkpoint: Checkpoint, originals: dict[Path, Vector]
) -> list[Recognition]:
    """Whether each track is found by changed copies of it, and by another excerpt of it.

    Copies are mono. Excerpts of the second halves are queries among those of the first halves.

    Args:
        cache: keeps the embeddings of the copies.
        checkpoint: the encoder.
        originals: embeddings of the tracks, by file.
    """
    encoder, files = Embedder(checkpoint), list(originals)

    def embedded(name: str, write: Write) -> dict[Path, Vector]:
        place = f"embeddings-{encoder.fingerprint}-{name}"
        return cache.vectors(place, files, _copy_extractor(encoder, write))

    copies = {
        "the same track at 32 kbit/s MP3": embedded("mp3-32k", _write_compressed),
        "the same track at half volume": embedded("half-volume", _write_quieter),
    }
    found = [_compare(change, vectors, originals) for change, vectors in copies.items()]
    first, second = (embedded(f"{name}-half", _half_writer(n)) for n, name in HALVES)
    return [*found, _compare("another excerpt of it", second, first)]


def track_seconds(cache: VectorCache, files: list[Path], audio: AudioConfig) -> NDArray[np.float32]:
    """Durations of the tracks that can be decoded, `(n,)` float32, in seconds."""
    one_chunk = replace(audio, chunks_per_track=1)

    def seconds(path: Path) -> Vector:
        return np.array([decode_chunks(path, one_chunk).duration_seconds], dtype=np.float32)

    return np.concatenate(list(cache.vectors("seconds", files, seconds).values()))


def _copy_extractor(encoder: Embedder, write: Write) -> Extractor:
    """A function that embeds a changed copy of a file, made for it and deleted."""
    # Copies are made at a common rate, whatever the rate that the encoder works at.
    whole = replace(encoder.audio, sample_rate_hz=RATE_HZ)

    def extract(path: Path) -> Vector:
        with tempfile.TemporaryDirectory() as place:
            copy = Path(place) / "copy"
            write(copy, read_middle(path, whole, WHOLE_SECONDS))
            return encoder.embed(copy).embedding

    return extract


def _compare(change: str, copies: dict[Path, Vector], originals: dict[Path, Vector]) -> Recognition:
    # A copy may fail to decode where the original did not; it is in `cache.failed`.
    both = [path for path in originals if path in copies]
    queries, answers = (np.stack([each[path] for path in both]) for each in (copies, originals))
    return Recognition(change, found_first(queries, answers))
