"""A trained encoder as one safetensors file: weights, settings and evaluation figures.

Reading a checkpoint does not import torch, which is slow; building the network does.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

import hybridrec.encoder
from hybridrec.config import AudioConfig, EncoderConfig
from hybridrec.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from hybridrec.encoder.model import ChunkEncoder

FORMAT_VERSION = 3
"""Version of the file format; versions 1 and 2 had other network architectures."""

Tensors = dict[str, NDArray[Any]]
SHIPPED_NAME = "encoder.safetensors"
_METADATA_KEY = "hybridrec"
_MEL_BANK = "mel_bank"
_REPLACE = "copy the file again or train a new encoder"
_EMBED_ANEW = (
    "run `hybridrec ingest audio`, which embeds the library with the present encoder; until then"
    " its stored embeddings go on working"
)


@dataclass(frozen=True)
class Checkpoint:
    """A stored encoder.

    Attributes:
        audio: settings of the log-mel chunks that the weights were trained on.
        encoder: architecture of the network.
        weights: state of the network by name.
        mel_bank: `(n_mels, 1 + fft_samples // 2)` float32, the filterbank used in training.
        figures: metrics measured after training, plain JSON values; not in the fingerprint.
    """

    audio: AudioConfig
    encoder: EncoderConfig
    weights: Mapping[str, NDArray[Any]]
    mel_bank: NDArray[np.float32]
    figures: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        model: ChunkEncoder,
        audio: AudioConfig,
        mel_bank: NDArray[np.float32],
        figures: Mapping[str, Any] | None = None,
    ) -> Checkpoint:
        """A copy of a model's weights with the audio settings and filterbank of its training."""
        weights = {
            name: tensor.detach().cpu().numpy().copy()
            for name, tensor in model.state_dict().items()
        }
        return cls(audio, model.config, weights, mel_bank, dict(figures or {}))

    def build(self) -> ChunkEncoder:
        """The network with these weights, in evaluation mode.

        Raises:
            InvalidInput: if names or shapes of the weights do not fit the settings.
        """
        import torch

        from hybridrec.encoder.model import ChunkEncoder

        model = ChunkEncoder(self.encoder, self.audio.n_mels)
        wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
        got = {name: tuple(tensor.shape) for name, tensor in self.weights.items()}
        wrong = sorted(
            name for name in wanted.keys() | got.keys() if wanted.get(name) != got.get(name)
        )
        if wrong:
            expected = wanted.get(wrong[0], "absent")
            raise InvalidInput(
                f"weights of the encoder do not fit its settings: {wrong[0]} must be {expected}",
                got=got.get(wrong[0], "absent"),
                fix="use the checkpoint as it was written",
            )
        types = {name: tensor.dtype for name, tensor in model.state_dict().items()}
        model.load_state_dict(
            {
                name: torch.from_numpy(tensor.copy()).to(types[name])
                for name, tensor in self.weights.items()
            }
        )
        return model.eval()

    def halved(self) -> Checkpoint:
        """The same with float16 weights, for a file of half the size."""
        weights = {
            name: tensor.astype(np.float16) if tensor.dtype == np.float32 else tensor
            for name, tensor in self.weights.items()
        }
        return replace(self, weights=weights)

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits: a hash of the weights, the filterbank and the audio settings."""
        digest = hashlib.sha256(json.dumps(self.audio.to_dict(), sort_keys=True).encode())
        for name, tensor in sorted(self._tensors().items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.tobytes())
        return digest.hexdigest()[:16]

    def _tensors(self) -> Tensors:
        return {**self.weights, _MEL_BANK: self.mel_bank}

    def to_bytes(self) -> bytes:
        """The checkpoint as a safetensors file, the same bytes for the same checkpoint."""
        about = {
            "fingerprint": self.fingerprint,
            "audio": self.audio.to_dict(),
            "encoder": self.encoder.to_dict(),
            "figures": self.figures,
        }
        return write_tensors(self._tensors(), about)

    @classmethod
    def from_bytes(cls, payload: bytes) -> Checkpoint:
        """Read what `to_bytes` wrote.

        Raises:
            InvalidInput: if the bytes are not a checkpoint, are damaged or of another version.
        """
        weights, about = read_tensors(payload)
        if _outdated(about):
            raise InvalidInput(
                "checkpoint was written by an older version of hybridrec",
                got=about["version"],
                fix=_EMBED_ANEW,
            )
        try:
            bank = weights.pop(_MEL_BANK)
            audio, encoder = (
                AudioConfig.from_dict(about["audio"]),
                EncoderConfig.from_dict(about["encoder"]),
            )
            checkpoint = cls(audio, encoder, weights, bank, about["figures"])
        except (KeyError, TypeError) as error:
            raise InvalidInput(
                "settings of the checkpoint cannot be read", got=str(error), fix=_REPLACE
            ) from error
        if checkpoint.fingerprint != about.get("fingerprint"):
            raise InvalidInput(
                "damaged checkpoint: its fingerprint differs",
                got=checkpoint.fingerprint,
                fix=_REPLACE,
            )
        if not all(np.isfinite(tensor).all() for tensor in weights.values()):
            raise InvalidInput(
                "weights of the checkpoint must be finite", got="NaN or infinity", fix=_REPLACE
            )
        bank_shape = (audio.n_mels, 1 + audio.fft_samples // 2)
        if bank.shape != bank_shape:
            raise InvalidInput(
                f"the filterbank of the checkpoint must be {bank_shape}",
                got=bank.shape,
                fix=_REPLACE,
            )
        return checkpoint

    def save(self, path: Path) -> None:
        """Write to `path`, all or nothing."""
        write_atomically(path, self.to_bytes())

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Read from `path`.

        Raises:
            NotFound: if there is no such file.
            InvalidInput: as `from_bytes`.
        """
        try:
            return cls.from_bytes(path.read_bytes())
        except FileNotFoundError:
            raise NotFound(
                "no checkpoint at this path", got=str(path), fix="train an encoder first"
            ) from None


def shipped() -> Checkpoint:
    """The encoder shipped with the package, trained on freely licensed music.

    `weights/MODEL_CARD.md` describes it.
    """
    return Checkpoint.from_bytes(
        resources.files(hybridrec.encoder).joinpath("weights", SHIPPED_NAME).read_bytes()
    )


def is_outdated(payload: bytes) -> bool:
    """Whether a checkpoint has a format, and so a network, that only older releases support.

    Raises:
        InvalidInput: as `read_tensors`.
    """
    return _outdated(read_tensors(payload)[1])


def _outdated(about: Mapping[str, Any]) -> bool:
    return bool(about["version"] < FORMAT_VERSION)


def write_tensors(tensors: Tensors, about: Mapping[str, Any]) -> bytes:
    """Tensors and plain JSON values as the bytes of one safetensors file."""
    described = json.dumps({"version": FORMAT_VERSION, **about}, sort_keys=True)
    return safetensors.numpy.save(tensors, metadata={_METADATA_KEY: described})


def read_tensors(payload: bytes) -> tuple[Tensors, dict[str, Any]]:
    """The tensors of a safetensors file and the JSON values beside them.

    Raises:
        InvalidInput: if the bytes are damaged, not of hybridrec, or written by a newer version.
    """
    try:
        tensors = safetensors.numpy.load(payload)
        header = json.loads(payload[8 : 8 + int.from_bytes(payload[:8], "little")])
        about = json.loads(header["__metadata__"][_METADATA_KEY])
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise InvalidInput(
            "not a readable checkpoint of hybridrec", got=str(error)[:200], fix=_REPLACE
        ) from error
    if about.get("version", 0) > FORMAT_VERSION:
        raise InvalidInput(
            "checkpoint was written by a newer version of hybridrec",
            got=about["version"],
            fix="upgrade hybridrec",
        )
    return tensors, about


def write_atomically(path: Path, payload: bytes) -> None:
    """Write to a temporary file beside `path` and rename it: readers see the old or new file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        try:
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise
