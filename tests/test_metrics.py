"""The figures are the textbook's: worked out by hand, and the same as those of trec_eval."""

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


def measured(scores: np.ndarray, train: sp.csr_matrix, held_out: sp.csr_matrix, k: int = 20) -> Quality:
    """Scores of all users as a recommender that always answers them."""
    return measure(lambda users: scores[users], Split(train, held_out), np.arange(len(scores)), k)


def ranked(wanted: list[int], k: int = 3, n_tracks: int = 5) -> Hits:
    """One user whose best track is 0, then 1, and so on, and who went on to play the wanted ones."""
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


def test_a_user_with_nothing_to_find_has_no_figure() -> None:
    hits = ranked([])
    figures = [hits.ndcg(), hits.recall(), hits.average_precision(), hits.reciprocal_rank(), hits.hit_rate()]
    assert np.isnan(figures).all()


def test_the_figures_are_those_of_trec_eval() -> None:
    rng = np.random.default_rng(0)
    scores, wanted = rng.random((50, 80)).astype(np.float32), rng.random((50, 80)) < 0.1
    wanted[3] = False
    hits = hits_at_k(scores, wanted, 20)
    measures = {"ndcg_cut_20", "recall_20", "map_cut_20", "recip_rank", "success_20"}
    judge = pytrec_eval.RelevanceEvaluator(
        {str(u): {str(t): 1 for t in np.flatnonzero(wanted[u])} for u in range(50) if wanted[u].any()}, measures
    )
    top = top_tracks(scores, 20)  # trec_eval's reciprocal rank looks at all that it is given
    theirs = judge.evaluate({str(u): {str(t): float(scores[u, t]) for t in top[u]} for u in range(50)})
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
            [figures[int(user)] for user in theirs], [each[name] for each in theirs.values()], atol=1e-6
        )


def test_fewer_tracks_than_places_are_all_ranked() -> None:
    assert ranked([0, 1], k=20, n_tracks=2).ndcg()[0] == pytest.approx(1.0)


def test_what_the_user_has_met_is_not_ranked() -> None:
    scores = np.array([[3.0, 2.0, 1.0]], dtype=np.float32)
    met, played_on = sp.csr_matrix([[1.0, 0.0, 0.0]]), sp.csr_matrix([[0.0, 1.0, 0.0]])
    assert measured(scores, met, played_on).ndcg()[0] == 1.0


def test_a_skip_that_was_held_out_is_nothing_to_find() -> None:
    scores, nothing = np.ones((1, 2), dtype=np.float32), sp.csr_matrix((1, 2))
    assert np.isnan(measured(scores, nothing, sp.csr_matrix([[-1.0, 0.0]])).ndcg()[0])


def test_a_track_that_cannot_be_scored_is_never_a_hit() -> None:
    scores = np.array([[1.0, -np.inf]], dtype=np.float32)
    assert top_tracks(scores, 2).tolist() == [[0, NOTHING]]
    assert hits_at_k(scores, np.array([[False, True]]), 2).ndcg()[0] == 0.0


def test_a_bucket_is_ranked_within_itself() -> None:
    """Tracks 0 and 1 have two listeners more than tracks 2 and 3, which only user 0 will play."""
    train = sp.csr_matrix([[0.0, 0, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0]])
    scores = np.tile(np.array([[9.0, 8.0, 2.0, 1.0]], dtype=np.float32), (3, 1))
    wanted = sp.csr_matrix(([1.0], ([0], [2])), shape=(3, 4))
    found = measured(scores, train, wanted, k=1)
    assert found.ndcg()[0] == 0.0
    assert found.ndcg("0")[0] == 1.0
    assert np.isnan(found.ndcg("1-2")[0])
    assert found.hits["1-2"].places.shape == (3, 1)


def test_only_the_users_who_are_asked_have_figures() -> None:
    scores, wanted = np.ones((4, 3), dtype=np.float32), sp.csr_matrix([[0.0, 1, 0], [0, 0, 0], [1, 0, 0], [0, 0, 1]])
    split = Split(sp.csr_matrix((4, 3)), wanted)
    assert len(measure(lambda users: scores[users], split).ndcg()) == 3  # user 1 has nothing to find
    assert len(measure(lambda users: scores[users], split, np.array([3])).ndcg()) == 1


def test_where_nothing_was_held_out_there_is_nothing_to_measure() -> None:
    with pytest.raises(InvalidInput, match="no held-out play"):
        measure(lambda users: np.zeros((len(users), 2), dtype=np.float32), Split(*[sp.csr_matrix((3, 2))] * 2))


def test_coverage_counts_every_track_that_anybody_gets() -> None:
    top = np.array([[0, 1], [1, 2], [NOTHING, NOTHING]])
    assert coverage(top, 6) == pytest.approx(0.5)
    assert coverage(np.zeros((0, 2), dtype=np.int64), 6) == 0.0


def test_novelty_is_high_for_what_few_have_played() -> None:
    support = np.array([8, 4, 1, 0])
    assert novelty(np.array([[0]]), support, 8) == 0.0
    assert novelty(np.array([[1]]), support, 8) == pytest.approx(1.0)
    assert novelty(np.array([[2, NOTHING]]), support, 8) == pytest.approx(3.0)
    assert novelty(np.array([[3]]), support, 8) == pytest.approx(3.0)  # as if one user had played it


def test_mean_popularity_is_that_of_what_is_recommended() -> None:
    assert mean_popularity(np.array([[0, 1], [1, NOTHING]]), np.array([9, 3, 100])) == pytest.approx(5.0)
    assert np.isnan(mean_popularity(np.full((1, 2), NOTHING), np.array([9, 3])))
