"""Ranking metrics: known answers worked out by hand, and agreement with trec_eval."""

from __future__ import annotations

import numpy as np
import pytest
import pytrec_eval
import scipy.sparse as sp

from hybridrec.data.splits import Split
from hybridrec.errors import InvalidInput
from hybridrec.evaluation.coverage import coverage, mean_popularity, novelty
from hybridrec.evaluation.metrics import NOTHING, Hits, hits_among, top_tracks
from hybridrec.evaluation.quality import Quality, measure


def hits_at_k(scores: np.ndarray, wanted: np.ndarray, k: int) -> Hits:
    return hits_among(top_tracks(scores, k), wanted)


def measured(
    scores: np.ndarray, train: sp.csr_matrix, held_out: sp.csr_matrix, k: int = 20
) -> Quality:
    """Quality of a recommender that gives these scores."""
    return measure(lambda users: scores[users], Split(train, held_out), np.arange(len(scores)), k)


def ranked(wanted: list[int], k: int = 3, n_tracks: int = 5) -> Hits:
    """One user for whom track 0 is ranked first, then 1 and so on, with the held-out tracks."""
    scores = -np.arange(n_tracks, dtype=np.float32)[None, :]
    return hits_at_k(scores, np.isin(np.arange(n_tracks), wanted)[None, :], k)


@pytest.mark.parametrize(
    ("wanted", "ndcg", "recall", "precision", "reciprocal", "hit"),
    [
        ([0], 1.0, 1.0, 1.0, 1.0, 1.0),
        ([1], 1 / np.log2(3), 1.0, 1 / 2, 1 / 2, 1.0),
        ([2], 0.5, 1.0, 1 / 3, 1 / 3, 1.0),
        ([3], 0.0, 0.0, 0.0, 0.0, 0.0),
        ([0, 2], 1.5 / (1 + 1 / np.log2(3)), 1.0, (1 + 2 / 3) / 2, 1.0, 1.0),
        ([2, 3, 4], 0.5 / (1.5 + 1 / np.log2(3)), 1 / 3, 1 / 9, 1 / 3, 1.0),
    ],
)
def test_known_answers(
    wanted: list[int], ndcg: float, recall: float, precision: float, reciprocal: float, hit: float
) -> None:
    hits = ranked(wanted)
    assert hits.ndcg()[0] == pytest.approx(ndcg)
    assert hits.recall()[0] == pytest.approx(recall)
    assert hits.average_precision()[0] == pytest.approx(precision)
    assert hits.reciprocal_rank()[0] == pytest.approx(reciprocal)
    assert hits.hit_rate()[0] == hit


def test_a_user_without_held_out_tracks_has_no_value() -> None:
    hits = ranked([])
    figures = [hits.ndcg(), hits.recall(), hits.average_precision(), hits.reciprocal_rank()]
    assert np.isnan([*figures, hits.hit_rate()]).all()


def test_the_metrics_are_those_of_trec_eval() -> None:
    rng = np.random.default_rng(0)
    scores, wanted = rng.random((50, 80)).astype(np.float32), rng.random((50, 80)) < 0.1
    wanted[3] = False
    hits = hits_at_k(scores, wanted, 20)
    measures = {"ndcg_cut_20", "recall_20", "map_cut_20", "recip_rank", "success_20"}
    judge = pytrec_eval.RelevanceEvaluator(
        {
            str(u): {str(t): 1 for t in np.flatnonzero(wanted[u])}
            for u in range(50)
            if wanted[u].any()
        },
        measures,
    )
    top = top_tracks(scores, 20)  # trec_eval's reciprocal rank has no cut-off
    theirs = judge.evaluate(
        {str(u): {str(t): float(scores[u, t]) for t in top[u]} for u in range(50)}
    )
    ours = {
        "ndcg_cut_20": hits.ndcg(),
        "recall_20": hits.recall(),
        "map_cut_20": hits.average_precision(),
        "recip_rank": hits.reciprocal_rank(),
        "success_20": hits.hit_rate(),
    }
    assert len(theirs) == 49
    for name, figures in ours.items():
        np.testing.assert_allclose(
            [figures[int(user)] for user in theirs],
            [each[name] for each in theirs.values()],
            atol=1e-6,
        )


def test_fewer_tracks_than_k_are_all_ranked() -> None:
    assert ranked([0, 1], k=20, n_tracks=2).ndcg()[0] == pytest.approx(1.0)


def test_played_tracks_are_not_ranked() -> None:
    scores = np.array([[3.0, 2.0, 1.0]], dtype=np.float32)
    train, held_out = sp.csr_matrix([[1.0, 0.0, 0.0]]), sp.csr_matrix([[0.0, 1.0, 0.0]])
    assert measured(scores, train, held_out).ndcg()[0] == 1.0


def test_a_held_out_skip_is_not_relevant() -> None:
    scores, nothing = np.ones((1, 2), dtype=np.float32), sp.csr_matrix((1, 2))
    assert np.isnan(measured(scores, nothing, sp.csr_matrix([[-1.0, 0.0]])).ndcg()[0])


def test_a_track_without_a_score_is_never_a_hit() -> None:
    scores = np.array([[1.0, -np.inf]], dtype=np.float32)
    assert top_tracks(scores, 2).tolist() == [[0, NOTHING]]
    assert hits_at_k(scores, np.array([[False, True]]), 2).ndcg()[0] == 0.0


def test_equal_scores_are_ranked_by_row() -> None:
    scores = np.zeros((1, 200), dtype=np.float32)
    scores[0, 150] = 1.0
    assert top_tracks(scores, 4).tolist() == [[150, 0, 1, 2]]


def test_a_bucket_is_ranked_within_itself() -> None:
    """Tracks 0 and 1 have two users, tracks 2 and 3 none; user 0 plays track 2 afterwards."""
    train = sp.csr_matrix([[0.0, 0, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0]])
    scores = np.tile(np.array([[9.0, 8.0, 2.0, 1.0]], dtype=np.float32), (3, 1))
    wanted = sp.csr_matrix(([1.0], ([0], [2])), shape=(3, 4))
    found = measured(scores, train, wanted, k=1)
    assert found.ndcg()[0] == 0.0
    assert found.ndcg("0")[0] == 1.0
    assert np.isnan(found.ndcg("1-2")[0])
    assert found.hits["1-2"].places.shape == (3, 1)


def test_equal_scores_are_ranked_at_random_and_not_by_row() -> None:
    """The order of rows must not help: 200 cold tracks, of which the first are held out."""
    train = sp.csr_matrix((50, 200), dtype=np.float32)
    held_out = sp.lil_matrix((50, 200), dtype=np.float32)
    held_out[:, :20] = 1.0
    scores = np.zeros((50, 200), dtype=np.float32)
    recall = measured(scores, train, sp.csr_matrix(held_out)).hits["all"].recall()
    assert recall[0] == pytest.approx(0.1, abs=0.1)
    assert (recall == recall[0]).all()


def test_only_the_given_users_are_evaluated() -> None:
    scores = np.ones((4, 3), dtype=np.float32)
    wanted = sp.csr_matrix([[0.0, 1, 0], [0, 0, 0], [1, 0, 0], [0, 0, 1]])
    split = Split(sp.csr_matrix((4, 3)), wanted)
    assert (
        len(measure(lambda users: scores[users], split).ndcg()) == 3
    )  # user 1 has no held-out track
    assert len(measure(lambda users: scores[users], split, np.array([3])).ndcg()) == 1


def test_an_empty_held_out_part_is_refused() -> None:
    empty = Split(*[sp.csr_matrix((3, 2))] * 2)
    with pytest.raises(InvalidInput, match="no user has a held-out play"):
        measure(lambda users: np.zeros((len(users), 2), dtype=np.float32), empty)


def test_coverage_counts_the_tracks_that_any_user_gets() -> None:
    top = np.array([[0, 1], [1, 2], [NOTHING, NOTHING]])
    assert coverage(top, 6) == pytest.approx(0.5)
    assert coverage(np.zeros((0, 2), dtype=np.int64), 6) == 0.0


def test_novelty_is_high_for_rarely_played_tracks() -> None:
    support = np.array([8, 4, 1, 0])
    assert novelty(np.array([[0]]), support, 8) == 0.0
    assert novelty(np.array([[1]]), support, 8) == pytest.approx(1.0)
    assert novelty(np.array([[2, NOTHING]]), support, 8) == pytest.approx(3.0)
    assert novelty(np.array([[3]]), support, 8) == pytest.approx(
        3.0
    )  # as if one user had played it


def test_mean_popularity_is_that_of_the_recommended_tracks() -> None:
    assert mean_popularity(
        np.array([[0, 1], [1, NOTHING]]), np.array([9, 3, 100])
    ) == pytest.approx(5.0)
    assert np.isnan(mean_popularity(np.full((1, 2), NOTHING), np.array([9, 3])))
