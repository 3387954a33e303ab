"""Ears: from an audio file to its embedding."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from hybridrec.audio.decode import decode_chunks
from hybridrec.audio.melspec import keep_mel_bank, log_mel
from hybridrec.audio.stages import StageClock
from hybridrec.config import AudioLimits
from hybridrec.encoder.checkpoint import Checkpoint, shipped
from hybridrec.errors import InvalidInput, LibraryError, NotReady

if TYPE_CHECKING:
    from hybridrec.storage.library import Library


@dataclass(frozen=True)
class Heard:
    """What was heard of a file.

    Attributes:
        embedding: `(128,)` float32 of unit length (the length is the encoder's `embedding_size`).
        duration_seconds: length of the track.
    """

    embedding: NDArray[np.float32]
    duration_seconds: float


class Ears:
    """An encoder with the audio settings it was trained on, ready to hear files.

    May be used from several threads at once.

    Args:
        checkpoint: the encoder.
        limits: what a file may ask before it is refused.

    Attributes:
        fingerprint: names these ears.
        audio: the settings they were trained on.
    """

    def __init__(self, checkpoint: Checkpoint, limits: AudioLimits | None = None) -> None:
        self.fingerprint = checkpoint.fingerprint
        self.audio = checkpoint.audio
        keep_mel_bank(checkpoint.audio, checkpoint.mel_bank)
        self._model = checkpoint.build()
        self._limits = limits or AudioLimits()

    @classmethod
    def from_checkpoint(cls, payload: bytes, limits: AudioLimits | None = None) -> Self:
        """Ears from the bytes of a checkpoint.

        Raises:
            InvalidInput: if the bytes are no checkpoint, damaged, or written by a newer version.
        """
        return cls(Checkpoint.from_bytes(payload), limits)

    def hear(self, path: Path, clock: StageClock | None = None) -> Heard:
        """The embedding of a file: the mean of its chunks' vectors, renormalised.

        Args:
            path: an audio file.
            clock: told the time of each stage.

        Raises:
            AudioError: if the file is missing, empty, not audio, damaged, silent, or beyond the limits.
        """
        clock = clock or StageClock()
        excerpts = decode_chunks(path, self.audio, self._limits, clock)
        with clock.stage("mel"):
            chunks = log_mel(excerpts.samples, self.audio)
        with clock.stage("network"):
            embedding = self._model.embed(chunks)
        return Heard(embedding, excerpts.duration_seconds)


def library_ears(library: Library) -> Ears:
    """The ears of a library's current encoder.

    Raises:
        NotReady: if the library has no encoder, or goes by vectors that its encoder did not make.
        LibraryError: if the encoder is damaged, or newer than this program.
    """
    try:
        return Ears.from_checkpoint(ears_in_use(library))
    except InvalidInput as error:
        fix = "run `hybridrec train-encoder`"
        raise LibraryError("the library's encoder cannot be used", got=str(error), fix=fix) from error


def ears_in_use(library: Library) -> bytes:
    """The checkpoint of the encoder that made a library's embeddings.

    Raises:
        NotReady: if the library has no encoder, or goes by vectors that its encoder did not make.
    """
    current = library.current("encoder")
    if current is None:
        raise NotReady("the library has no encoder", fix="run `hybridrec ingest audio` or `hybridrec train-encoder`")
    if current.fingerprint != library.ears():
        fix = "run `hybridrec ingest audio` with its encoder"
        raise NotReady("the library's embeddings were made by other ears than its encoder", got=library.ears(), fix=fix)
    return library.artefact_bytes("encoder", current.version)


def ensure_ears(library: Library) -> bytes:
    """The library's current encoder, as the bytes of its checkpoint.

    A library without one gets the ears that come with hybridrec, until
    `hybridrec train-encoder` makes its own.
    """
    if library.current("encoder") is None:
        ears = shipped()
        library.save_artefact("encoder", ears.to_bytes(), ears.fingerprint, ears.figures)
    return library.artefact_bytes("encoder")
