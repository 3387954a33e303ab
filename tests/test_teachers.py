"""The teachers' networks, read from their files without the frameworks that made them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
import torch
from numpy.typing import NDArray

from hybridrec.encoder.teachers.mn04 import MN04, SAMPLE_RATE_HZ
from hybridrec.encoder.teachers.musicnn import MusiCNN
from hybridrec.encoder.teachers.tensorflow_checkpoint import TABLE_MAGIC, read_checkpoint
from hybridrec.errors import InvalidInput

Tensors = dict[str, NDArray[np.float32]]


def varint(value: int) -> bytes:
    low, rest = value & 127, value >> 7
    return bytes([low | 128]) + varint(rest) if rest else bytes([low])


def block(entries: list[tuple[bytes, bytes]]) -> bytes:
    """A block of a LevelDB table, each key sharing what it can with the one before."""
    packed, before = b"", b""
    for key, value in entries:
        differences = (n for n, (a, b) in enumerate(zip(before, key, strict=False)) if a != b)
        shared = next(differences, min(len(before), len(key)))
        sizes = varint(shared) + varint(len(key) - shared) + varint(len(value))
        packed, before = packed + sizes + key[shared:] + value, key
    return packed + (0).to_bytes(4, "little") + (1).to_bytes(4, "little")


def write_checkpoint(directory: Path, tensors: Tensors) -> Path:
    """A TensorFlow checkpoint of one shard, as its format is documented."""
    data, entries = b"", [(b"", b"\x08\x01")]
    for name, tensor in sorted(tensors.items()):
        sizes = b"".join(
            b"\x12" + varint(len(d)) + d for d in (b"\x08" + varint(n) for n in tensor.shape)
        )
        place = b"\x20" + varint(len(data)) + b"\x28" + varint(tensor.nbytes)
        entries.append((name.encode(), b"\x08\x01\x12" + varint(len(sizes)) + sizes + place))
        data += tensor.tobytes()
    entries.append((b"step", b"\x08\x09\x12\x00"))
    body = block(entries)
    index = block([(b"z", varint(0) + varint(len(body)))])
    footer = varint(0) + varint(0) + varint(len(body)) + varint(len(index))
    directory.mkdir()
    (directory / ".index").write_bytes(body + index + footer.ljust(40, b"\0") + TABLE_MAGIC)
    (directory / ".data-00000-of-00001").write_bytes(data)
    return directory


def test_tensors_of_a_tensorflow_checkpoint_come_back_by_name_and_shape(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    shapes = {"dense/bias": (200,), "dense/kernel": (3, 300), "scale": ()}
    tensors = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    found = read_checkpoint(write_checkpoint(tmp_path / "model", tensors))
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(found[name], tensor)


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no TensorFlow checkpoint here"):
        read_checkpoint(tmp_path)
    directory = write_checkpoint(tmp_path / "model", {})
    (directory / ".index").write_bytes(b"something else")
    with pytest.raises(InvalidInput, match="not the index of a TensorFlow checkpoint"):
        read_checkpoint(directory)


def musicnn_tensors() -> Tensors:
    """Random weights in the shapes of MusiCNN."""
    rng = np.random.default_rng(1)
    kernels = [(7, 38, 1, 204), (7, 67, 1, 204), (128, 1, 1, 51), (64, 1, 1, 51), (32, 1, 1, 51)]
    kernels += [(7, 561, 1, 64), (7, 64, 1, 64), (7, 64, 1, 64)]
    normed = [1, 204, 204, 51, 51, 51, 64, 64, 64, 1506, 200]
    tensors: Tensors = {}
    for layer, shape in enumerate(kernels):
        name = f"conv2d_{layer}" if layer else "conv2d"
        tensors[f"{name}/kernel"] = rng.normal(0, 0.05, shape).astype(np.float32)
        tensors[f"{name}/bias"] = np.zeros(shape[-1], dtype=np.float32)
    for layer, size in enumerate(normed):
        name = f"batch_normalization_{layer}" if layer else "batch_normalization"
        for part in ("moving_mean", "beta"):
            tensors[f"{name}/{part}"] = rng.normal(0, 0.1, size).astype(np.float32)
        tensors[f"{name}/moving_variance"] = np.ones(size, dtype=np.float32)
        tensors[f"{name}/gamma"] = rng.normal(0, 1, size).astype(np.float32)
    for name, inputs, outputs in (("dense", 1506, 200), ("dense_1", 200, 50)):
        tensors[f"{name}/kernel"] = rng.normal(0, 0.05, (inputs, outputs)).astype(np.float32)
        tensors[f"{name}/bias"] = np.zeros(outputs, dtype=np.float32)
    return tensors


def test_musicnn_answers_for_each_wave_with_the_mean_of_its_windows(tmp_path: Path) -> None:
    musicnn = MusiCNN(write_checkpoint(tmp_path / "model", musicnn_tensors()))
    waves = torch.from_numpy(
        np.random.default_rng(0).normal(0, 0.1, (2, 97_000)).astype(np.float32)
    )
    with torch.inference_mode():
        windows = musicnn.windows(waves)
        penultimate, pooled, tags = musicnn(waves)
        alone = musicnn.layers(windows[1])[0].mean(dim=0)
    assert windows.shape == (2, 2, 187, 96)
    assert (penultimate.shape, pooled.shape, tags.shape) == ((2, 200), (2, 1506), (2, 50))
    torch.testing.assert_close(penultimate[1], alone, atol=1e-4, rtol=1e-4)


@pytest.mark.skipif(not os.environ.get("HYBRIDREC_DATA"), reason="HYBRIDREC_DATA is not set")
def test_mn04_answers_as_its_authors_code_did() -> None:
    data = Path(os.environ["HYBRIDREC_DATA"])
    mn04 = MN04(data / "teacher" / "mn04_as.npz")
    with np.load(data / "teacher" / "mn04_eval_275clips.npz") as expected:
        clips, vectors = expected["clip"][:2], expected["feat"][:2]
    for clip, vector in zip(clips, vectors, strict=True):
        samples, rate = soundfile.read(data / "music" / "clips" / str(clip), dtype="float32")
        wave = soxr.resample(samples, rate, SAMPLE_RATE_HZ)
        thirds = torch.from_numpy(np.resize(wave, 30 * SAMPLE_RATE_HZ).reshape(3, -1))
        with torch.inference_mode():
            features = mn04(thirds)[0].mean(dim=0).numpy()
        assert np.corrcoef(features, vector)[0, 1] > 0.98
