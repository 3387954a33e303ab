"""Ears: from an audio file to its embedding."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from hybridrec.audio.decode import decode_chunks
from hybridrec.audio.melspec import keep_mel_bank, log_mel
from hybridrec.audio.stages import StageClock
from hybridrec.config import AudioLimits
from hybridrec.embedder.result import AudioEmbedding
from hybridrec.encoder.checkpoint import Checkpoint


class Embedder:
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

    def embed(self, path: Path, clock: StageClock | None = None) -> AudioEmbedding:
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
        return AudioEmbedding(embedding, excerpts.duration_seconds)
