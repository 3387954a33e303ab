"""Ranking with an index gives the results of exact ranking, also with filters and changes."""

from __future__ import annotations

import io

import numpy as np
import pytest
import scipy.sparse as sp

from hybridrec import HybridRecommender
from hybridrec.config import CollaborativeConfig, ProjectionConfig
from hybridrec.data.top_k import top_k
from hybridrec.datasets.synthetic_interactions import (
    SyntheticInteractions,
    make_synthetic_interactions,
)
from hybridrec.errors import InvalidInput
from hybridrec.index.exact import UNRANKED
from hybridrec.model import ranking

pytestmark = pytest.mark.slow

TRACKS, USERS = 6000, 800
WEIGHTS = (0.0, 0.15, 0.6, 1.0)
ASKED = range(0, USERS, 20)


@pytest.fixture(autouse=True)
def index_is_used_for_few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "FEW_ROWS", 200)
    monkeypatch.setattr(ranking, "MANY_UNWANTED", 50)


@pytest.fixture(scope="module")
def synthetic() -> SyntheticInteractions:
    return make_synthetic_interactions(TRACKS, USERS, 40, genres=60, dimensions=16, seed=3)


def fitted_model(synthetic: SyntheticInteractions) -> HybridRecommender:
    model = HybridRecommender(
        CollaborativeConfig(factors=24, iterations=5),
        ProjectionConfig(landmarks=32),
        random_state=1,
    )
    model.fit(synthetic.plays, show_progress=False, item_embeddings=synthetic.embeddings)
    return model


@pytest.fixture(scope="module")
def exact(synthetic: SyntheticInteractions) -> HybridRecommender:
    return fitted_model(synthetic)


@pytest.fixture(scope="module")
def indexed(synthetic: SyntheticInteractions) -> HybridRecommender:
    model = fitted_model(synthetic)
    model.index_tracks()
    return model


def recall(found: list[np.ndarray], true: list[np.ndarray]) -> float:
    return float(np.mean([np.isin(a, b).mean() for a, b in zip(true, found, strict=True)]))


@pytest.mark.parametrize("audio_weight", WEIGHTS)
def test_recall_for_users_at_any_audio_weight(
    exact: HybridRecommender,
    indexed: HybridRecommender,
    synthetic: SyntheticInteractions,
    audio_weight: float,
) -> None:
    def ask(model: HybridRecommender) -> list[np.ndarray]:
        return [
            model.recommend(user, synthetic.plays[user], 10, audio_weight=audio_weight)[0]
            for user in ASKED
        ]

    assert recall(ask(indexed), ask(exact)) >= 0.98


@pytest.mark.parametrize("audio_weight", WEIGHTS)
def test_recall_for_seed_songs_at_any_audio_weight(
    exact: HybridRecommender, indexed: HybridRecommender, audio_weight: float
) -> None:
    def ask(model: HybridRecommender) -> list[np.ndarray]:
        return [
            model.similar_items(item, 10, audio_weight=audio_weight)[0]
            for item in range(0, TRACKS, 50)
        ]

    assert recall(ask(indexed), ask(exact)) >= 0.98


def test_scores_are_exact(
    exact: HybridRecommender, indexed: HybridRecommender, synthetic: SyntheticInteractions
) -> None:
    for user in ASKED:
        best = dict(zip(*exact.recommend(user, synthetic.plays[user], 50), strict=True))
        for item, score in zip(*indexed.recommend(user, synthetic.plays[user], 10), strict=True):
            assert score == pytest.approx(best[item], abs=1e-4)


def test_a_batch_equals_single_queries(
    indexed: HybridRecommender, synthetic: SyntheticInteractions
) -> None:
    users = np.array([3, 5, 400])
    items, _ = indexed.recommend(users, synthetic.plays[users], 10)
    for row, user in enumerate(users):
        np.testing.assert_array_equal(
            items[row], indexed.recommend(user, synthetic.plays[user], 10)[0]
        )


@pytest.mark.parametrize(("likeliest", "others"), [(20, 0), (300, 0), (20, 3000), (TRACKS - 5, 0)])
def test_filtered_tracks_are_never_returned_and_others_fill_the_answer(
    exact: HybridRecommender, indexed: HybridRecommender, likeliest: int, others: int
) -> None:
    nothing = sp.csr_matrix((1, TRACKS), dtype=np.float32)
    found, true = [], []
    for user in ASKED:
        by_likelihood, _ = exact.recommend(user, nothing, TRACKS)
        chance = np.random.default_rng(user).permutation(TRACKS)[:others]
        denied = np.union1d(by_likelihood[:likeliest], chance)
        items, scores = indexed.recommend(user, nothing, 10, filter_items=denied)
        items = items[scores > UNRANKED]
        assert len(items) == min(10, TRACKS - len(denied))
        assert not set(items) & set(denied)
        found.append(items)
        true.append(by_likelihood[~np.isin(by_likelihood, denied)][:10])
    assert recall(found, true) >= 0.97


@pytest.mark.parametrize("how_many", [4, 100, 3000])
def test_only_chosen_tracks_are_returned(
    exact: HybridRecommender,
    indexed: HybridRecommender,
    synthetic: SyntheticInteractions,
    how_many: int,
) -> None:
    chosen = np.random.default_rng(0).permutation(TRACKS)[:how_many]

    def ask(model: HybridRecommender) -> list[np.ndarray]:
        return [model.recommend(user, synthetic.plays[user], 10, items=chosen)[0] for user in ASKED]

    found = ask(indexed)
    assert all(len(items) == min(10, how_many) and np.isin(items, chosen).all() for items in found)
    assert recall(found, ask(exact)) >= 0.98


def test_a_new_track_is_returned_before_and_after_it_is_indexed(
    synthetic: SyntheticInteractions,
) -> None:
    model = fitted_model(synthetic)
    indexes = model.index_tracks()
    played = np.array([synthetic.plays[7].indices[0]])
    twin = synthetic.embeddings[played]
    model.partial_fit_items(
        [TRACKS], sp.csr_matrix((1, USERS), dtype=np.float32), item_embeddings=twin
    )
    assert indexes.fresh.tolist() == [TRACKS]
    assert TRACKS in model.similar_items(int(played[0]), 5, audio_weight=1.0)[0]
    indexes.take_in(model.tracks)
    assert len(indexes.fresh) == 0
    assert TRACKS in model.similar_items(int(played[0]), 5, audio_weight=1.0)[0]


def test_a_new_track_obeys_filters(synthetic: SyntheticInteractions) -> None:
    model = fitted_model(synthetic)
    model.index_tracks()
    twin = synthetic.embeddings[[9]]
    model.partial_fit_items(
        [TRACKS], sp.csr_matrix((1, USERS), dtype=np.float32), item_embeddings=twin
    )
    chosen = np.arange(0, TRACKS, 2)
    assert np.isin(model.similar_items(9, 10, items=chosen, audio_weight=1.0)[0], chosen).all()
    assert TRACKS in model.similar_items(9, 10, items=[*chosen, TRACKS], audio_weight=1.0)[0]
    for unwanted in ([TRACKS], [*range(100, 300), TRACKS]):
        assert TRACKS not in model.similar_items(9, 10, filter_items=unwanted, audio_weight=1.0)[0]


def test_a_track_without_audio_and_plays_is_no_longer_returned(
    synthetic: SyntheticInteractions,
) -> None:
    model = fitted_model(synthetic)
    model.index_tracks()
    gone = model.similar_items(9, 4)[0][1:]
    model.fitted_model.put_items(
        gone.astype(np.int64),
        factors=np.zeros((3, 24), dtype=np.float32),
        support=np.zeros(3, dtype=np.int64),
        embeddings=np.full((3, 16), np.nan),
    )
    assert not set(gone) & set(model.similar_items(9, 20)[0])


def test_a_track_with_a_new_embedding_is_found_by_it(synthetic: SyntheticInteractions) -> None:
    model = fitted_model(synthetic)
    model.index_tracks()
    far = int(model.similar_items(9, TRACKS)[0][-1])
    model.fitted_model.put_items(np.array([far]), embeddings=synthetic.embeddings[[9]])
    assert far in model.similar_items(9, 3, audio_weight=1.0)[0]


def test_a_saved_model_keeps_its_index(
    indexed: HybridRecommender, synthetic: SyntheticInteractions
) -> None:
    file = io.BytesIO()
    indexed.save(file)
    file.seek(0)
    again = HybridRecommender.load(file)
    assert again.fitted_model.indexes is not None
    assert (
        again.fitted_model.indexes.users.search_parameters
        == indexed.fitted_model.indexes.users.search_parameters
    )
    assert (
        min(search.recall for search in again.fitted_model.indexes.users.search_parameters) >= 0.99
    )
    for user in ASKED:
        expected = indexed.recommend(user, synthetic.plays[user], 10)
        np.testing.assert_array_equal(
            again.recommend(user, synthetic.plays[user], 10)[0], expected[0]
        )


def test_a_saved_model_still_returns_fresh_tracks(synthetic: SyntheticInteractions) -> None:
    model = fitted_model(synthetic)
    model.index_tracks()
    twin = synthetic.embeddings[[9]]
    model.partial_fit_items(
        [TRACKS], sp.csr_matrix((1, USERS), dtype=np.float32), item_embeddings=twin
    )
    file = io.BytesIO()
    model.save(file)
    file.seek(0)
    assert TRACKS in HybridRecommender.load(file).similar_items(9, 10, audio_weight=1.0)[0]


def test_few_tracks_are_not_indexed() -> None:
    model = HybridRecommender(random_state=0)
    model.fit(sp.csr_matrix(np.eye(20, dtype=np.float32)), show_progress=False)
    with pytest.raises(InvalidInput, match="an index needs 1000 tracks or more"):
        model.index_tracks()


@pytest.mark.parametrize("n", [1, 10, 999, 1000, 2000])
def test_equal_scores_come_in_the_order_of_their_places_however_many_are_asked_for(n: int) -> None:
    places, _ = top_k(np.zeros((2, 1000), dtype=np.float32), n)
    assert places.tolist() == [list(range(min(n, 1000)))] * 2


def test_ties_at_the_edge_are_cut_by_place_as_a_full_sort_cuts_them() -> None:
    scores = np.random.default_rng(0).integers(0, 5, (40, 200)).astype(np.float32)
    for n in (1, 7, 60, 199):
        places, found = top_k(scores, n)
        expected = np.argsort(-scores, axis=1, kind="stable")[:, :n]
        np.testing.assert_array_equal(places, expected)
        np.testing.assert_array_equal(found, np.take_along_axis(scores, expected, axis=1))
