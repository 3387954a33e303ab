"""A checkpoint restores the same encoder and refuses anything else."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hybridrec.audio.melspec import mel_bank
from hybridrec.config import AudioConfig, EncoderConfig
from hybridrec.encoder.checkpoint import Checkpoint, shipped
from hybridrec.encoder.model import new_encoder
from hybridrec.errors import InvalidInput, NotFound

SMALL = EncoderConfig(
    channels=(4, 4, 8),
    blocks=(1, 1),
    expansion=(1, 1),
    fused_stages=1,
    features=4,
    embedding_size=8,
)
BANK = mel_bank(AudioConfig())


@pytest.fixture
def checkpoint() -> Checkpoint:
    return Checkpoint.of(new_encoder(SMALL, 96, seed=0), AudioConfig(), BANK, {"recall_at_1": 0.5})


def with_about(payload: bytes, **changes: object) -> bytes:
    """The same file with other settings beside the weights."""
    size = struct.unpack("<Q", payload[:8])[0]
    header = json.loads(payload[8 : 8 + size])
    about = json.loads(header["__metadata__"]["hybridrec"])
    header["__metadata__"]["hybridrec"] = json.dumps({**about, **changes})
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + payload[8 + size :]


def test_a_round_trip_embeds_the_same(checkpoint: Checkpoint) -> None:
    back = Checkpoint.from_bytes(checkpoint.to_bytes())
    chunks = np.random.default_rng(0).normal(size=(3, 96, 130)).astype(np.float32)
    np.testing.assert_array_equal(back.build().embed(chunks), checkpoint.build().embed(chunks))
    assert (back.audio, back.encoder, back.figures) == (
        checkpoint.audio,
        checkpoint.encoder,
        {"recall_at_1": 0.5},
    )
    assert back.fingerprint == checkpoint.fingerprint
    assert back.to_bytes() == checkpoint.to_bytes()


def test_a_checkpoint_does_not_follow_the_model_it_was_taken_from() -> None:
    model = new_encoder(SMALL, 96, seed=0)
    checkpoint = Checkpoint.of(model, AudioConfig(), BANK)
    with torch.no_grad():
        model.head.bias.add_(1)
    assert not torch.equal(checkpoint.build().head.bias, model.head.bias)


def test_the_fingerprint_names_weights_filterbank_and_audio_settings_but_not_figures(
    checkpoint: Checkpoint,
) -> None:
    other_weights = Checkpoint.of(new_encoder(SMALL, 96, seed=1), AudioConfig(), BANK)
    other_audio = replace(checkpoint, audio=AudioConfig(hop_samples=256))
    other_figures = replace(checkpoint, figures={})
    other_bank = replace(checkpoint, mel_bank=2 * BANK)
    names = {each.fingerprint for each in (checkpoint, other_weights, other_audio, other_bank)}
    assert len(names) == 4
    assert other_figures.fingerprint == checkpoint.fingerprint
    assert len(checkpoint.fingerprint) == 16


def test_a_file_is_replaced_whole_and_leaves_nothing_beside_it(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    path = tmp_path / "folder" / "encoder.safetensors"
    checkpoint.save(path)
    checkpoint.save(path)
    assert [entry.name for entry in path.parent.iterdir()] == ["encoder.safetensors"]
    assert Checkpoint.load(path).fingerprint == checkpoint.fingerprint


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no checkpoint"):
        Checkpoint.load(tmp_path / "nowhere.safetensors")


@pytest.mark.parametrize("payload", [b"", b"not a checkpoint", b"\x80\x04pickle", b"\xff" * 64])
def test_what_is_no_checkpoint_is_refused(payload: bytes) -> None:
    with pytest.raises(InvalidInput, match="not a readable checkpoint"):
        Checkpoint.from_bytes(payload)


def test_a_truncated_file_is_refused(checkpoint: Checkpoint) -> None:
    with pytest.raises(InvalidInput, match="not a readable checkpoint"):
        Checkpoint.from_bytes(checkpoint.to_bytes()[:-10])


def test_a_flipped_bit_is_found(checkpoint: Checkpoint) -> None:
    payload = bytearray(checkpoint.to_bytes())
    payload[-3] ^= 1
    with pytest.raises(InvalidInput, match="fingerprint differs"):
        Checkpoint.from_bytes(bytes(payload))


def test_a_newer_version_is_refused(checkpoint: Checkpoint) -> None:
    with pytest.raises(InvalidInput, match=r"newer version.*upgrade hybridrec"):
        Checkpoint.from_bytes(with_about(checkpoint.to_bytes(), version=4))


@pytest.mark.parametrize("version", [1, 2])
def test_an_older_version_is_refused(checkpoint: Checkpoint, version: int) -> None:
    with pytest.raises(
        InvalidInput, match=r"older version.*ingest audio.*stored embeddings go on working"
    ):
        Checkpoint.from_bytes(with_about(checkpoint.to_bytes(), version=version))


def test_a_filterbank_of_another_shape_is_refused(checkpoint: Checkpoint) -> None:
    narrow = replace(checkpoint, mel_bank=BANK[:40])
    with pytest.raises(
        InvalidInput, match=r"filterbank of the checkpoint must be \(96, 513\); got \(40, 513\)"
    ):
        Checkpoint.from_bytes(narrow.to_bytes())


def test_reading_a_checkpoint_needs_no_torch() -> None:
    load = "from hybridrec.encoder.checkpoint import shipped; shipped()"
    code = f"import sys; {load}; print('torch' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.strip()
        == b"False"
    )


def test_weights_of_another_shape_are_refused(checkpoint: Checkpoint) -> None:
    wider = {**SMALL.to_dict(), "embedding_size": 6}
    with pytest.raises(InvalidInput, match=r"head.bias must be \(6,\); got \(8,\)"):
        Checkpoint.from_bytes(with_about(checkpoint.to_bytes(), encoder=wider)).build()


def test_settings_that_this_version_does_not_know_are_refused(checkpoint: Checkpoint) -> None:
    with pytest.raises(InvalidInput, match="unknown setting for AudioConfig"):
        Checkpoint.from_bytes(with_about(checkpoint.to_bytes(), audio={"stereo": True}))


def test_weights_that_are_not_numbers_are_refused() -> None:
    model = new_encoder(SMALL, 96, seed=0)
    with torch.no_grad():
        model.head.bias[0] = float("nan")
    with pytest.raises(InvalidInput, match="finite"):
        Checkpoint.from_bytes(Checkpoint.of(model, AudioConfig(), BANK).to_bytes())


def test_the_shipped_encoder_is_small_and_was_evaluated_on_held_out_music() -> None:
    encoder = shipped()
    assert encoder.figures["held_out"] > 0
    assert 0.5 < encoder.figures["recall_at_1"] <= 1
    assert len(encoder.to_bytes()) < 8_000_000
    assert encoder.audio == AudioConfig()
