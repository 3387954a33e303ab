"""The embedder: from an audio file to its embedding."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np

from hybridrec.audio.decode import decode_chunks
from hybridrec.audio.melspec import keep_mel_bank, log_mel
from hybridrec.audio.stages import StageClock
from hybridrec.config import AudioLimits
from hybridrec.embedder.results import AudioEmbedding
from hybridrec.encoder.checkpoint import Checkpoint


class Embedder:
    """An encoder with the audio settings that it was trained with, ready to embed files.

    May be used from several threads at once.

    Args:
        checkpoint: the encoder.
        limits: of a file; None takes the defaults.

    Attributes:
        fingerprint: of the encoder's weights and audio settings.
        audio: the settings that the encoder was trained with.
    """

    def __init__(self, checkpoint: Checkpoint, limits: AudioLimits | None = None) -> None:
        self.fingerprint = checkpoint.fingerprint
        self.audio = checkpoint.audio
        # The bank of the checkpoint: making one takes librosa, which is slow to import.
        keep_mel_bank(checkpoint.audio, checkpoint.mel_bank)
        self._model = checkpoint.build()
        self._limits = limits or AudioLimits()

    @classmethod
    def from_checkpoint(cls, payload: bytes, limits: AudioLimits | None = None) -> Self:
        """An embedder from the bytes of a checkpoint.

        Raises:
            InvalidInput: if the bytes are not a checkpoint, damaged, or of a newer version.
        """
        return cls(Checkpoint.from_bytes(payload), limits)

    def embed(self, path: Path, clock: StageClock | None = None) -> AudioEmbedding:
        """The embedding of a file: the mean of its chunks' embeddings, weighed by loudness.

        Args:
            path: an audio file.
            clock: gets the time of each stage.

        Raises:
            AudioError: if the file is missing, empty, not audio, damaged, silent, or beyond the
                limits.
        """
        clock = clock or StageClock()
        excerpts = decode_chunks(path, self.audio, self._limits, clock)
        with clock.stage("mel"):
            chunks = log_mel(excerpts.samples, self.audio)
        with clock.stage("network"):
            loudness = np.sqrt(np.square(excerpts.samples).mean(axis=1))
            embedding = self._model.embed(chunks, loudness)
        return AudioEmbedding(embedding, excerpts.duration_seconds)
