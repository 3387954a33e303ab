"""The baselines do what their papers say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.linear_model import Ridge

from hybridrec.evaluation.baselines import (
    SIMILARITIES,
    AudioNeighbours,
    BayesianRanking,
    Ease,
    ItemNeighbours,
    Popularity,
    Similarity,
)

ROWS = np.arange(30)


def two_groups() -> sp.csr_matrix:
    """Even users play even tracks, odd users odd ones, each all but the track of their own row."""
    plays = (np.add.outer(ROWS, ROWS) % 2 == 0).astype(np.float32)
    np.fill_diagonal(plays, 0)
    return sp.csr_matrix(plays)


def first_new(scores: np.ndarray) -> np.ndarray:
    return np.where(two_groups().toarray() > 0, -np.inf, scores).argmax(axis=1)


def test_ease_predicts_each_track_from_the_others_by_ridge_regression() -> None:
    plays = sp.random(30, 12, density=0.4, format="csr", random_state=0)
    x = (plays.toarray() > 0).astype(float)
    for strength in (5.0, 50.0):
        expected = np.empty_like(x)
        for track in range(12):
            others = x.copy()
            others[:, track] = 0.0
            ridge = Ridge(alpha=strength, fit_intercept=False).fit(others, x[:, track])
            expected[:, track] = ridge.predict(others)
        scores = Ease(plays).regularised(strength)
        np.testing.assert_allclose(scores(ROWS), expected, atol=1e-5)
        np.testing.assert_allclose(scores(np.array([7, 3])), expected[[7, 3]], atol=1e-5)


def test_popularity_counts_users_and_not_plays_or_skips() -> None:
    plays = sp.csr_matrix([[9.0, 1.0, -1.0], [0.0, 1.0, -1.0]])
    np.testing.assert_array_equal(Popularity(plays)(np.array([0, 1])), [[1, 2, 0], [1, 2, 0]])


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_item_neighbours_stay_within_a_group(similarity: Similarity) -> None:
    found = first_new(ItemNeighbours(two_groups(), 20, similarity)(ROWS))
    np.testing.assert_array_equal(found, ROWS)


def test_bayesian_ranking_stays_within_a_group() -> None:
    settings: dict[str, Any] = {
        "factors": 8,
        "learning_rate": 0.1,
        "regularization": 0.01,
        "iterations": 200,
    }
    model = BayesianRanking(two_groups(), **settings, seed=0)
    assert (first_new(model(ROWS)) % 2 == ROWS % 2).mean() > 0.9


def test_audio_neighbours_use_audio_alone() -> None:
    """Embeddings follow the half of a track, not its parity; the last track has no audio."""
    noise = np.random.default_rng(0).normal(0, 0.05, (30, 2))
    embeddings = np.eye(2)[(ROWS >= 15).astype(int)] + noise
    embeddings[29] = np.nan
    plays = sp.csr_matrix(([1.0, 1.0], ([0, 1], [2, 20])), shape=(2, 30))
    model = AudioNeighbours(plays, embeddings, neighbours=10, discount=0.0, centred=True)
    scores = model(np.array([0, 1]))
    assert (scores[0].argsort()[-5:] < 15).all()
    assert (scores[1].argsort()[-5:] >= 15).all()
    assert np.isneginf(scores[:, 29]).all()


def test_popular_played_tracks_count_less() -> None:
    embeddings = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.1], [0.1, 1.0]])
    plays = sp.csr_matrix(np.array([[1.0, 1, 0, 0], *[[0.0, 1, 0, 0]] * 8]))
    model = AudioNeighbours(plays, embeddings, neighbours=3, discount=0.5, centred=False)
    scores = model(np.array([0]))
    assert scores[0, 2] > scores[0, 3]
