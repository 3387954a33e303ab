"""The chunk encoder gives a unit vector for every chunk, the same one every time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hybridrec.config import EncoderConfig
from hybridrec.encoder.model import new_encoder
from hybridrec.errors import InvalidInput

pytestmark = pytest.mark.slow

SMALL = EncoderConfig(
    channels=(8, 8, 16),
    blocks=(1, 2),
    expansion=(1, 2),
    fused_stages=1,
    features=8,
    embedding_size=16,
)


def log_mels(n: int, n_mels: int = 96, n_frames: int = 130, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(
        np.random.default_rng(seed).normal(size=(n, n_mels, n_frames)).astype(np.float32)
    )


def test_each_chunk_becomes_128_numbers_of_unit_length() -> None:
    vectors = new_encoder(EncoderConfig(), 96, seed=0).eval()(log_mels(5))
    assert vectors.shape == (5, 128)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(5))


@pytest.mark.parametrize("n_frames", [2, 7, 130, 431])
@pytest.mark.parametrize("n_mels", [40, 64, 96])
def test_chunks_of_any_length_are_embedded(n_mels: int, n_frames: int) -> None:
    vectors = new_encoder(SMALL, n_mels, seed=0).eval()(log_mels(2, n_mels, n_frames))
    assert vectors.shape == (2, 16)


def test_a_seed_decides_the_weights_and_leaves_torch_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, same, other = (new_encoder(SMALL, 96, seed=seed) for seed in (1, 1, 2))
    torch.testing.assert_close(torch.rand(3), expected)
    assert all(
        torch.equal(a, b)
        for a, b in zip(one.state_dict().values(), same.state_dict().values(), strict=True)
    )
    assert not torch.equal(one.head.weight, other.head.weight)


def test_the_vector_of_a_chunk_does_not_depend_on_its_batch() -> None:
    model = new_encoder(SMALL, 96, seed=0).eval()
    chunks = log_mels(4)
    torch.testing.assert_close(model(chunks)[:1], model(chunks[:1]))


def test_loudness_does_not_matter() -> None:
    model = new_encoder(SMALL, 96, seed=0).eval()
    chunks = log_mels(3)
    torch.testing.assert_close(model(chunks - 6.0), model(chunks), atol=1e-4, rtol=1e-4)


def test_silence_is_embedded_without_nan() -> None:
    assert np.isfinite(
        new_encoder(SMALL, 96, seed=0).embed(np.full((2, 96, 130), -80, dtype=np.float32))
    ).all()


def test_an_embedding_is_the_renormalised_mean_of_the_chunks() -> None:
    model = new_encoder(SMALL, 96, seed=0).train()
    chunks = log_mels(6)
    embedding = model.embed(chunks.numpy())
    assert model.training
    mean = model.eval()(chunks).mean(dim=0).detach()
    np.testing.assert_allclose(embedding, (mean / mean.norm()).numpy(), atol=1e-6)
    assert embedding.dtype == np.float32


def test_loud_chunks_count_more() -> None:
    model = new_encoder(SMALL, 96, seed=0)
    chunks = log_mels(3).numpy()
    loudness = np.array([1.0, 1e-6, 1e-6], dtype=np.float32)
    np.testing.assert_allclose(model.embed(chunks, loudness), model.embed(chunks[:1]), atol=1e-4)


def test_the_default_encoder_is_small_enough_to_ship() -> None:
    model = new_encoder(EncoderConfig(), 96, seed=0)
    assert sum(p.numel() for p in model.parameters()) < 4_000_000


@pytest.mark.parametrize(
    "wrong",
    [
        {"channels": ()},
        {"embedding_size": 1},
        {"blocks": (1,)},
        {"expansion": (0, 1, 1, 1)},
        {"chanels": (8,)},
    ],
)
def test_shapes_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match=r"must (be|name)|unknown setting"):
        EncoderConfig.from_dict(wrong)
