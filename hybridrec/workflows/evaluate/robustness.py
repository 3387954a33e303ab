"""Whether ears know a track again after what happens to tracks: squeezed, softer, or heard elsewhere."""

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
from hybridrec.workflows.evaluate.vector_cache import Listen, VectorCache

RATE_HZ = 44100
MP3_BITS_PER_SECOND = 32_000
WHOLE_SECONDS = 1200.0
"""A longer track is copied by its middle."""
EXCERPT_SECONDS = 30.0

Samples = NDArray[np.float32]
Write = Callable[[Path, Samples], None]


@dataclass(frozen=True)
class KnownAgain:
    """How often a changed track found itself among all tracks.

    Attributes:
        change: what was done to it, in words.
        found: `(n_tracks,)` float64, 1 where the nearest of all tracks is the track itself, else 0.
    """

    change: str
    found: NDArray[np.float64]


def _squeezed(path: Path, samples: Samples) -> None:
    write_mp3(path, samples, RATE_HZ, MP3_BITS_PER_SECOND)


def _half_volume(path: Path, samples: Samples) -> None:
    write_wav(path, samples * np.float32(0.5), RATE_HZ)


def _half(number: int) -> Write:
    """Writes the middle of the first or the second half of a track, `EXCERPT_SECONDS` at most."""

    def write(path: Path, samples: Samples) -> None:
        half = np.array_split(samples, 2)[number]
        count = min(len(half), round(EXCERPT_SECONDS * RATE_HZ))
        start = (len(half) - count) // 2
        write_wav(path, half[start : start + count], RATE_HZ)

    return write


def known_again(
    cache: VectorCache, checkpoint: Checkpoint, originals: dict[Path, NDArray[np.float32]]
) -> list[KnownAgain]:
    """Whether each track finds itself by a copy of it, and by another part of it.

    Copies are mono. Of the parts, the first halves of all tracks are what a second half is sought among.

    Args:
        cache: keeps what was heard of the copies.
        checkpoint: the ears.
        originals: embeddings by file.
    """
    encoder, files = Embedder(checkpoint), list(originals)

    def embedded(name: str, write: Write) -> dict[Path, NDArray[np.float32]]:
        return cache.vectors(f"ears-{encoder.fingerprint}-{name}", files, _listen_to_copy(encoder, write))

    copies = {
        "the same track at 32 kbit/s MP3": embedded("mp3-32k", _squeezed),
        "the same track at half volume": embedded("half-volume", _half_volume),
    }
    known = [_compare(change, vectors, originals) for change, vectors in copies.items()]
    return [*known, _compare("another part of it", embedded("second-half", _half(1)), embedded("first-half", _half(0)))]


def track_seconds(cache: VectorCache, files: list[Path], audio: AudioConfig) -> NDArray[np.float32]:
    """How long tracks are that can be heard, `(n,)` float32."""
    one_chunk = replace(audio, chunks_per_track=1)

    def seconds(path: Path) -> NDArray[np.float32]:
        return np.array([decode_chunks(path, one_chunk).duration_seconds], dtype=np.float32)

    return np.concatenate(list(cache.vectors("seconds", files, seconds).values()))


def _listen_to_copy(encoder: Embedder, write: Write) -> Listen:
    whole = replace(encoder.audio, sample_rate_hz=RATE_HZ)

    def listen(path: Path) -> NDArray[np.float32]:
        with tempfile.TemporaryDirectory() as place:
            copy = Path(place) / "copy"
            write(copy, read_middle(path, whole, WHOLE_SECONDS))
            return encoder.embed(copy).embedding

    return listen


def _compare(
    change: str, copies: dict[Path, NDArray[np.float32]], originals: dict[Path, NDArray[np.float32]]
) -> KnownAgain:
    both = [path for path in originals if path in copies]
    return KnownAgain(change, found_first(np.stack([copies[p] for p in both]), np.stack([originals[p] for p in both])))
