"""A student learns from teachers, and goes on after an interruption."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hybridrec.audio.copies import opus_bytes
from hybridrec.audio.melspec import log_mel, mel_bank
from hybridrec.config import AudioConfig, EncoderConfig
from hybridrec.encoder.distillation.sound import RATE_HZ, Excerpt, Sound, read_clean, read_coded
from hybridrec.encoder.distillation.targets import SIZES, Space, Teachers
from hybridrec.encoder.distillation.training import Distillation, DistillationConfig
from hybridrec.encoder.distillation.views import SCENE_SECONDS, Scenes, log_mels
from hybridrec.encoder.model import ChunkEncoder, new_encoder
from hybridrec.errors import Conflict

pytestmark = pytest.mark.training

AUDIO = AudioConfig(sample_rate_hz=16000, fmax_hz=8000, n_mels=32, chunk_seconds=2.0)
SHAPE = EncoderConfig(
    channels=(4, 8), blocks=(1,), expansion=(1,), fused_stages=0, features=8, embedding_size=8
)
BRIEF = DistillationConfig(steps=3, scenes_per_step=4, calibration_batches=3)


class Bands(nn.Module):
    """A teacher that tells how loud the bands of a scene are."""

    def forward(self, scenes: Tensor) -> Tensor:
        bins = torch.fft.rfft(scenes).abs()[:, : 70 * sum(SIZES)]
        return torch.log1p(bins.reshape(len(scenes), sum(SIZES), 70).mean(dim=2))


@pytest.fixture(scope="module")
def excerpts(tmp_path_factory: pytest.TempPathFactory) -> list[Excerpt]:
    """Five tracks of 6 to 15 s and a voice, each a tone of its own under noise."""
    folder = tmp_path_factory.mktemp("excerpts")
    found = []
    for track in range(6):
        times = np.arange((6 + 9 * (track % 2)) * 48_000) / 48_000
        noise = np.random.default_rng(track).normal(0, 0.05, len(times))
        samples = 0.2 * np.sin(2 * np.pi * 200 * (track + 1) * times) + noise
        path = folder / f"{track}.opus"
        path.write_bytes(opus_bytes(samples.astype(np.float32), 48_000, 32_000))
        found.append(Excerpt(path, "speech" if track == 5 else "music"))
    return found


@pytest.fixture(scope="module")
def sound(excerpts: list[Excerpt]) -> Sound:
    return Sound(excerpts, "cpu", 1)


def dice(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_plain_scenes_are_stretches_of_their_tracks(sound: Sound) -> None:
    scenes = Scenes(sound, 3, dice(), plain=True)
    waves = scenes.clean()
    assert waves.shape == (3, SCENE_SECONDS * RATE_HZ)
    for wave, row in zip(waves, scenes.main, strict=True):
        loudest = torch.fft.rfft(wave).abs().argmax() / SCENE_SECONDS
        assert loudest == pytest.approx(200 * (int(row) + 1), rel=0.01)


def test_views_are_stretches_at_the_students_rate_with_and_without_harm(sound: Sound) -> None:
    for seed in range(4):
        scenes = Scenes(sound, 6, dice(seed))
        scenes.clean()
        for view in (scenes.clean_view, scenes.spoilt_view):
            waves = view(AUDIO.chunk_seconds, AUDIO.sample_rate_hz)
            assert waves.shape == (6, AUDIO.chunk_samples)
            assert torch.isfinite(waves).all()
            assert (waves.std(dim=1) > 0).all()


def test_coded_copies_lie_where_the_clean_ones_do(sound: Sound, excerpts: list[Excerpt]) -> None:
    clean = read_clean(excerpts[1].file)
    for copy in read_coded(excerpts[1].file):
        length = min(len(copy), len(clean))
        assert length > 0.98 * len(clean)
        assert np.corrcoef(copy[:length], clean[:length])[0, 1] > 0.6
    sound.put(1, 1, clean // 2)
    version, rows = torch.ones(1, dtype=torch.long), torch.ones(1, dtype=torch.long)
    half = sound.take(version, rows, torch.zeros(1), torch.ones(1), 1000)
    whole = sound.take(0 * version, rows, torch.zeros(1), torch.ones(1), 1000)
    torch.testing.assert_close(half, whole / 2, atol=1e-4, rtol=0)


def test_training_sees_the_chunks_that_embedding_sees() -> None:
    samples = np.random.default_rng(0).normal(size=(2, AUDIO.chunk_samples)).astype(np.float32)
    bank = torch.from_numpy(mel_bank(AUDIO))
    ours = log_mels(torch.from_numpy(samples), bank, AUDIO)
    np.testing.assert_allclose(ours.numpy(), log_mel(samples, AUDIO), atol=1e-5)


def test_a_space_keeps_the_directions_of_what_it_was_made_from() -> None:
    rng = np.random.default_rng(0)
    few = torch.from_numpy(rng.normal(size=(200, 5)).astype(np.float32))
    answers = few @ torch.from_numpy(rng.normal(size=(5, sum(SIZES))).astype(np.float32))
    space = Space.of(answers, answers, 8)
    joint = nn.functional.normalize(space.joint(answers), dim=1)
    target = nn.functional.normalize(space.joint(answers) @ space.axes, dim=1)
    torch.testing.assert_close(target @ target.T, joint @ joint.T, atol=0.05, rtol=0)


def distillation(sound: Sound, config: DistillationConfig = BRIEF, seed: int = 0) -> Distillation:
    student = new_encoder(SHAPE, AUDIO.n_mels, seed)
    bank = torch.from_numpy(mel_bank(AUDIO))
    return Distillation(student, cast(Teachers, Bands()), sound, bank, AUDIO, config)


def weights(model: ChunkEncoder) -> Tensor:
    return torch.cat([tensor.flatten().double() for tensor in model.state_dict().values()])


def test_an_interrupted_training_ends_as_an_uninterrupted_one(sound: Sound, tmp_path: Path) -> None:
    straight = distillation(sound)
    for step in range(3):
        losses = straight.learn()
        assert all(torch.isfinite(part) for part in losses.values())
        if step == 1:
            straight.keep(tmp_path / "state.safetensors")
    resumed = distillation(sound, seed=5)
    resumed.restore(tmp_path / "state.safetensors")
    assert resumed.step == 2
    again = resumed.learn()
    for name, part in losses.items():
        torch.testing.assert_close(again[name], part, atol=1e-4, rtol=1e-4)
    # Adam divides by tiny gradients, so rounding shows in a few weights.
    torch.testing.assert_close(
        weights(resumed.averaged), weights(straight.averaged), atol=1e-3, rtol=0
    )
    with pytest.raises(Conflict, match="other settings"):
        distillation(sound, DistillationConfig(steps=9)).restore(tmp_path / "state.safetensors")
