"""The figures are the textbook's: worked out by hand, and the same as scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.linear_model import Ridge
from sklearn.metrics import ndcg_score

from hybridrec.evaluation.baselines import ease_scores, popularity_scores
from hybridrec.evaluation.metrics import hits_at_k, hits_by_bucket


def ranked(wanted: list[int], k: int = 3, n_tracks: int = 5) -> np.ndarray:
    """One user whose best track is 0, then 1, and so on, and who went on to play the wanted ones."""
    scores = -np.arange(n_tracks, dtype=np.float32)[None, :]
    return hits_at_k(scores, np.isin(np.arange(n_tracks), wanted)[None, :], k)


@pytest.mark.parametrize(
    ("wanted", "ndcg", "recall", "hit"),
    [
        ([0], 1.0, 1.0, 1.0),
        ([1], 1 / np.log2(3), 1.0, 1.0),
        ([2], 0.5, 1.0, 1.0),
        ([3], 0.0, 0.0, 0.0),
        ([0, 2], 1.5 / (1 + 1 / np.log2(3)), 1.0, 1.0),
        ([2, 3, 4], 0.5 / (1.5 + 1 / np.log2(3)), 1 / 3, 1.0),
    ],
)
def test_known_answers(wanted: list[int], ndcg: float, recall: float, hit: float) -> None:
    hits = ranked(wanted)
    assert hits.ndcg()[0] == pytest.approx(ndcg)
    assert hits.recall()[0] == pytest.approx(recall)
    assert hits.hit_rate()[0] == hit


def test_a_user_with_nothing_to_find_has_no_figure() -> None:
    hits = ranked([])
    assert np.isnan([hits.ndcg()[0], hits.recall()[0], hits.hit_rate()[0]]).all()


def test_ndcg_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    scores, wanted = rng.random((50, 80)).astype(np.float32), rng.random((50, 80)) < 0.1
    found = hits_at_k(scores, wanted, 20).ndcg()
    theirs = [ndcg_score(wanted[[u]], scores[[u]], k=20) if wanted[u].any() else np.nan for u in range(50)]
    np.testing.assert_allclose(found, theirs)


def test_fewer_tracks_than_places_are_all_ranked() -> None:
    assert ranked([0, 1], k=20, n_tracks=2).ndcg()[0] == pytest.approx(1.0)


def test_what_the_user_has_met_is_not_ranked() -> None:
    scores = np.array([[3.0, 2.0, 1.0]], dtype=np.float32)
    met, played_on = sp.csr_matrix([[1.0, 0.0, 0.0]]), sp.csr_matrix([[0.0, 1.0, 0.0]])
    assert hits_by_bucket(scores, met, played_on, {})["all"].ndcg()[0] == 1.0


def test_a_skip_that_was_held_out_is_nothing_to_find() -> None:
    scores, nothing = np.ones((1, 2), dtype=np.float32), sp.csr_matrix((1, 2))
    assert np.isnan(hits_by_bucket(scores, nothing, sp.csr_matrix([[-1.0, 0.0]]), {})["all"].ndcg()[0])


def test_a_track_that_cannot_be_scored_is_never_a_hit() -> None:
    scores = np.array([[1.0, -np.inf]], dtype=np.float32)
    assert hits_at_k(scores, np.array([[False, True]]), 2).ndcg()[0] == 0.0


def test_a_bucket_is_ranked_within_itself() -> None:
    scores = np.array([[9.0, 8.0, 2.0, 1.0]], dtype=np.float32)
    nothing, wanted = sp.csr_matrix((1, 4)), sp.csr_matrix([[0.0, 0.0, 1.0, 0.0]])
    hits = hits_by_bucket(scores, nothing, wanted, {"few": np.array([2, 3]), "many": np.array([0, 1])}, k=1)
    assert hits["all"].ndcg()[0] == 0.0
    assert hits["few"].ndcg()[0] == 1.0
    assert np.isnan(hits["many"].ndcg()[0])


def test_ease_foretells_each_track_from_the_others_by_ridge_regression() -> None:
    plays = sp.random(30, 12, density=0.4, format="csr", random_state=0)
    x = (plays.toarray() > 0).astype(float)
    expected = np.empty_like(x)
    for track in range(12):
        others = x.copy()
        others[:, track] = 0.0
        expected[:, track] = Ridge(alpha=5.0, fit_intercept=False).fit(others, x[:, track]).predict(others)
    np.testing.assert_allclose(ease_scores(plays, 5.0), expected, atol=1e-5)


def test_popularity_counts_listeners_and_not_plays_or_skips() -> None:
    plays = sp.csr_matrix([[9.0, 1.0, -1.0], [0.0, 1.0, -1.0]])
    np.testing.assert_array_equal(popularity_scores(plays), [[1, 2, 0], [1, 2, 0]])
