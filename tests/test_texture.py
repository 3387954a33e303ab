"""Texture tells sounds apart by how loud their bands are, how much they move, and which move together."""

from __future__ import annotations

import numpy as np
import torch

from hybridrec.config import EncoderConfig
from hybridrec.encoder.model import new_encoder
from hybridrec.encoder.texture import texture, texture_size
from hybridrec.encoder.texture_head import fit_texture_head

BANDS = 4


def moving_bands(together: bool, n_frames: int = 2000) -> torch.Tensor:
    """Eight mels of the same level and movement; the two halves of them move as one, or each for itself."""
    rng = np.random.default_rng(0)
    low, high = rng.normal(size=(2, n_frames))
    rows = [low] * 4 + [low if together else high] * 4
    return torch.from_numpy(np.stack(rows)[None].astype(np.float32))


def test_it_has_the_size_it_says() -> None:
    assert texture(torch.rand(3, 96, 130), 24).shape == (3, texture_size(96, 24))


def test_levels_and_movement_of_each_mel_come_first() -> None:
    chunk = torch.rand(1, 8, 50)
    read = texture(chunk, BANDS)[0]
    torch.testing.assert_close(read[:8], chunk[0].mean(dim=1))
    torch.testing.assert_close(read[8:16], chunk[0].std(dim=1, unbiased=False))
    torch.testing.assert_close(read[16:24], chunk[0].diff(dim=1).std(dim=1, unbiased=False))


def test_the_rest_is_the_logarithm_of_the_covariance() -> None:
    chunk = torch.randn(1, BANDS, 400, generator=torch.Generator().manual_seed(0))
    logarithm = torch.zeros(2 * BANDS, 2 * BANDS, dtype=torch.float64)
    rows, columns = torch.triu_indices(2 * BANDS, 2 * BANDS)
    logarithm[rows, columns] = texture(chunk, BANDS)[0, 3 * BANDS :].double()
    logarithm = logarithm + logarithm.T - logarithm.diagonal().diag()
    moving = torch.cat([chunk[0, :, 1:], chunk[0].diff(dim=1)]).double()
    covariance = torch.cov(moving, correction=0)
    shrunk = covariance + 1e-2 * covariance.diagonal().mean() * torch.eye(
        2 * BANDS, dtype=torch.float64
    )
    torch.testing.assert_close(torch.linalg.matrix_exp(logarithm), shrunk, rtol=1e-3, atol=1e-3)


def test_bands_that_move_together_sound_other_than_bands_that_do_not() -> None:
    together, apart = (texture(moving_bands(which), BANDS)[0] for which in (True, False))
    torch.testing.assert_close(together[:24], apart[:24], atol=0.1, rtol=0.1)
    assert (together[24:] - apart[24:]).abs().max() > 1


def test_silence_has_a_finite_texture() -> None:
    assert torch.isfinite(texture(torch.zeros(2, 96, 130), 24)).all()


def test_the_head_starts_where_tracks_differ_most_and_centred() -> None:
    rng = np.random.default_rng(0)
    timbres = rng.normal(size=(30, 24, 1))
    tracks = [(timbre + 0.5 * rng.normal(size=(24, 64))).astype(np.float16) for timbre in timbres]
    model = new_encoder(
        EncoderConfig(channels=(8,), bands=8, texture_size=8, embedding_size=16), 24, seed=0
    ).eval()
    fit_texture_head(model, tracks, chunk_frames=16)
    with torch.inference_mode():
        halves = [
            model.halves(torch.from_numpy(t.reshape(24, 4, 16).swapaxes(0, 1).astype(np.float32)))
            for t in tracks
        ]
    vectors = torch.stack([textures for textures, _ in halves])
    assert vectors.mean(dim=(0, 1)).norm() < 0.2
    found = (vectors[:, 0] @ vectors[:, 1].T).argmax(dim=1)
    assert (found == torch.arange(30)).float().mean() > 0.7
