"""Contrastive training: it learns, is reproducible, and resumes after an interruption."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hybridrec.config import EncoderConfig, TrainingConfig
from hybridrec.encoder.held_out import halves_found
from hybridrec.encoder.model import ChunkEncoder, new_encoder
from hybridrec.encoder.spectrograms import SpectrogramPairs
from hybridrec.encoder.training import EpochReport, learning_rate_factor, train
from hybridrec.errors import Conflict

pytestmark = pytest.mark.training

SHAPE = EncoderConfig(
    channels=(16, 32), blocks=(1,), expansion=(2,), fused_stages=1, features=64, embedding_size=16
)
BRIEF = TrainingConfig(
    epochs=3,
    steps_per_epoch=4,
    tracks_per_step=16,
    learning_rate=5e-3,
    averaging=0.8,
)
N_MELS, CHUNK_FRAMES = 24, 16


def synthetic_tracks(n: int, seed: int) -> list[NDArray[np.float16]]:
    """Tracks of 64 frames: each its own timbre under noise louder than the differences."""
    rng = np.random.default_rng(seed)
    timbres = rng.normal(size=(n, N_MELS, 1))
    return list((timbres + 2.0 * rng.normal(size=(n, N_MELS, 64))).astype(np.float16))


def source(tracks: list[NDArray[np.float16]]) -> SpectrogramPairs:
    return SpectrogramPairs(tracks, CHUNK_FRAMES)


def weights(model: ChunkEncoder) -> torch.Tensor:
    return torch.cat([tensor.flatten().double() for tensor in model.state_dict().values()])


def test_training_beats_an_untrained_encoder_on_held_out_tracks() -> None:
    train_tracks, held_out = synthetic_tracks(64, 1), synthetic_tracks(60, 2)
    untrained = halves_found(new_encoder(SHAPE, N_MELS, seed=0), held_out, CHUNK_FRAMES)
    model, reports = train(
        new_encoder(SHAPE, N_MELS, seed=0),
        source(train_tracks),
        replace(BRIEF, steps_per_epoch=20, tracks_per_step=32),
        seed=0,
        validate=lambda model: {"recall_at_1": halves_found(model, held_out, CHUNK_FRAMES)},
    )
    assert reports[-1].figures["recall_at_1"] > untrained + 0.2
    assert reports[-1].figures["recall_at_1"] == halves_found(model, held_out, CHUNK_FRAMES)
    assert reports[-1].loss < reports[0].loss


def test_the_same_seed_gives_the_same_encoder_and_another_seed_another() -> None:
    tracks = synthetic_tracks(20, 1)
    one, same, other = (
        weights(train(new_encoder(SHAPE, N_MELS, seed=0), source(tracks), BRIEF, seed=seed)[0])
        for seed in (1, 1, 2)
    )
    torch.testing.assert_close(one, same)
    assert not torch.allclose(one, other)


def test_an_interrupted_training_ends_as_an_uninterrupted_one(tmp_path: Path) -> None:
    tracks, state = source(synthetic_tracks(20, 1)), tmp_path / "state.safetensors"
    straight, reports = train(new_encoder(SHAPE, N_MELS, seed=0), tracks, BRIEF, seed=3)

    def interrupt(report: EpochReport) -> None:
        if report.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(
            new_encoder(SHAPE, N_MELS, seed=0),
            tracks,
            BRIEF,
            seed=3,
            on_epoch=interrupt,
            state_path=state,
        )
    seen: list[EpochReport] = []
    resumed, all_reports = train(
        new_encoder(SHAPE, N_MELS, seed=9),
        tracks,
        BRIEF,
        seed=3,
        on_epoch=seen.append,
        state_path=state,
    )
    torch.testing.assert_close(weights(resumed), weights(straight))
    assert [report.epoch for report in seen] == [3]
    assert [report.loss for report in all_reports] == pytest.approx(
        [report.loss for report in reports]
    )


def test_a_state_of_other_settings_is_refused(tmp_path: Path) -> None:
    tracks, state = source(synthetic_tracks(20, 1)), tmp_path / "state.safetensors"
    train(new_encoder(SHAPE, N_MELS, seed=0), tracks, BRIEF, seed=0, state_path=state)
    with pytest.raises(Conflict, match="other settings"):
        train(new_encoder(SHAPE, N_MELS, seed=0), tracks, BRIEF, seed=1, state_path=state)


def test_every_weight_learns() -> None:
    before = new_encoder(SHAPE, N_MELS, seed=0)
    after, _ = train(
        new_encoder(SHAPE, N_MELS, seed=0), source(synthetic_tracks(20, 1)), BRIEF, seed=0
    )
    for (name, old), new in zip(before.named_parameters(), after.parameters(), strict=True):
        assert not torch.equal(old, new), name


def test_the_learning_rate_warms_up_and_comes_to_rest() -> None:
    config = TrainingConfig(epochs=10, steps_per_epoch=10, warmup_share=0.1)
    rates = [learning_rate_factor(config, step) for step in range(100)]
    assert rates[:10] == sorted(rates[:10])
    assert rates[10] == pytest.approx(1.0)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.001


def test_a_step_draws_each_track_at_most_once_as_a_pair_of_chunks() -> None:
    tracks = [np.full((N_MELS, 40), value, dtype=np.float16) for value in range(10)]
    pairs = SpectrogramPairs(tracks, CHUNK_FRAMES, groups=np.arange(10) // 2)(
        np.random.default_rng(0), 32
    )
    assert pairs.first.shape == pairs.second.shape == (10, N_MELS, CHUNK_FRAMES)
    assert pairs.first.dtype == np.float32
    np.testing.assert_array_equal(pairs.first[:, 0, 0], pairs.second[:, 0, 0])
    assert sorted(pairs.first[:, 0, 0]) == list(range(10))
    assert pairs.groups is not None
    np.testing.assert_array_equal(pairs.groups, pairs.first[:, 0, 0] // 2)


def test_augmentation_applies_to_both_chunks() -> None:
    tracks = synthetic_tracks(4, 0)
    louder = SpectrogramPairs(tracks, CHUNK_FRAMES, augment=lambda chunks, _: chunks + 100)
    pairs = louder(np.random.default_rng(0), 4)
    assert pairs.first.min() > 50
    assert pairs.second.min() > 50


def test_halves_are_found_when_tracks_differ_and_guessed_when_they_do_not() -> None:
    model = new_encoder(SHAPE, N_MELS, seed=0)
    rng = np.random.default_rng(0)
    distinct = [
        np.repeat(rng.normal(size=(N_MELS, 1)), 64, axis=1).astype(np.float16) for _ in range(30)
    ]
    assert halves_found(model, distinct, CHUNK_FRAMES) == 1.0
    noise = [rng.normal(size=(N_MELS, 64)).astype(np.float16) for _ in range(60)]
    assert halves_found(model, noise, CHUNK_FRAMES) < 0.2
