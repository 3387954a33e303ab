"""The interface of implicit's models, on checkerboard plays: users play items of their parity."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from implicit.evaluation import ranking_metrics_at_k
from implicit.recommender_base import RecommenderBase
from implicit.utils import ParameterWarning

from hybridrec import HybridRecommender
from hybridrec.config import CollaborativeConfig
from hybridrec.errors import InvalidInput, LibraryError, NotReady
from hybridrec.index.exact import UNRANKED

N = 50
Model = HybridRecommender


def checkerboard(n: int = N) -> sp.csr_matrix:
    """Every user has played the items of the same parity, except the one of the same number."""
    plays = (np.add.outer(np.arange(n), np.arange(n)) % 2 == 0).astype(np.float32)
    np.fill_diagonal(plays, 0)
    return sp.csr_matrix(plays)


def embeddings(n: int = N) -> np.ndarray:
    """Two groups of embeddings: even items and odd items."""
    noise = np.random.default_rng(0).normal(0, 0.1, (n, 8))
    return noise + np.eye(8)[np.arange(n) % 2]


def fitted_model(item_embeddings: np.ndarray | None = None) -> Model:
    model = HybridRecommender(CollaborativeConfig(factors=3), random_state=23)
    model.fit(checkerboard(), show_progress=False, item_embeddings=item_embeddings)
    return model


@pytest.fixture(params=["behaviour only", "with audio"])
def model(request: pytest.FixtureRequest) -> Model:
    return fitted_model(embeddings() if request.param == "with audio" else None)


def test_it_is_a_model_of_implicit(model: Model) -> None:
    assert isinstance(model, RecommenderBase)
    figures = ranking_metrics_at_k(
        model, checkerboard(), sp.csr_matrix(np.eye(N, dtype=np.float32)), K=3, show_progress=False
    )
    assert figures["map"] > 0.95


def test_the_withheld_diagonal_comes_first(model: Model) -> None:
    plays = checkerboard()
    for user in range(N):
        items, scores = model.recommend(user, plays[user], N=1)
        assert items.shape == scores.shape == (1,)
        assert items[0] == user


def test_a_batch_equals_single_calls(model: Model) -> None:
    plays = checkerboard()
    users = np.array([0, 7, 7, 30])
    items, scores = model.recommend(users, plays[users], N=5)
    assert items.shape == (4, 5)
    for row, user in enumerate(users):
        one, one_scores = model.recommend(user, plays[user], N=5)
        assert items[row][0] == one[0]
        np.testing.assert_allclose(scores[row], one_scores, rtol=1e-5, atol=1e-6)


def test_played_items_are_returned_when_not_filtered(model: Model) -> None:
    items, _ = model.recommend(0, checkerboard()[0], N=10, filter_already_liked_items=False)
    assert set(items % 2) == {0}
    assert len(set(items) - {0}) >= 9


def test_filtered_items_are_not_returned(model: Model) -> None:
    items, _ = model.recommend(0, checkerboard()[0], N=10, filter_items=[0, 1, 2, 3])
    assert not set(items) & {0, 1, 2, 3}


def test_only_the_chosen_items_are_ranked(model: Model) -> None:
    plays = checkerboard()
    items, _ = model.recommend(4, plays[4], N=10, items=[9, 4, 7])
    assert items[0] == 4
    assert set(items) == {4, 7, 9}
    items, scores = model.recommend([4, 5], plays[[4, 5]], N=3, items=[4, 5, 6])
    assert items[0][0] == 4
    assert items[1][0] == 5
    assert scores[0][-1] == UNRANKED


def test_items_and_a_filter_exclude_each_other(model: Model) -> None:
    with pytest.raises(ValueError, match="Can't set both"):
        model.recommend(0, checkerboard()[0], items=[1, 2], filter_items=[3])
    with pytest.raises(ValueError, match="Can't set both"):
        model.similar_items(0, items=[1, 2], filter_items=[3])


@pytest.mark.parametrize("bad", [N, N + 1000])
def test_rows_that_are_not_in_the_model_raise_an_index_error(model: Model, bad: int) -> None:
    plays = checkerboard()
    with pytest.raises(IndexError, match="out of bounds"):
        model.recommend(bad, plays[0])
    with pytest.raises(IndexError, match="not in the model"):
        model.recommend(0, plays[0], items=[1, bad])
    with pytest.raises(IndexError, match="not in the model"):
        model.recommend(0, plays[0], items=[-1])
    with pytest.raises(IndexError, match="out of bounds"):
        model.similar_items(bad)
    with pytest.raises(IndexError, match="out of bounds"):
        model.similar_users(bad)


def test_plays_must_be_a_csr_matrix_with_a_row_for_each_user(model: Model) -> None:
    plays = checkerboard()
    with pytest.raises(ValueError, match="CSR"):
        model.recommend(0, plays[0].tocoo())
    with pytest.raises(ValueError, match="CSR"):
        model.recommend(0, None)
    with pytest.raises(ValueError, match="1 row for every user"):
        model.recommend([0, 1], plays[[0, 1, 2]])
    with pytest.raises(ValueError, match="1 row for every user"):
        model.recalculate_user([0, 1], plays[[0]])


def test_fitting_another_format_warns_and_works() -> None:
    model = HybridRecommender(CollaborativeConfig(factors=3), random_state=1)
    with pytest.warns(ParameterWarning, match="CSR"):
        model.fit(checkerboard().tocoo(), show_progress=False)
    assert model.recommend(2, checkerboard()[2], N=1)[0][0] == 2


def test_a_user_is_recalculated_from_plays(model: Model) -> None:
    plays = checkerboard()
    items, _ = model.recommend(0, plays[1], N=1, recalculate_user=True)
    assert items[0] == 1
    items, _ = model.recommend([0, 1], plays[[2, 3]], N=1, recalculate_user=True)
    assert items[:, 0].tolist() == [2, 3]


def test_users_are_fitted_partially(model: Model) -> None:
    plays = checkerboard()
    model.partial_fit_users([N + 1], plays[[4]])
    assert model.user_factors.shape[0] == N + 2
    assert model.recommend(N + 1, plays[4], N=1)[0][0] == 4


def test_items_are_fitted_partially(model: Model) -> None:
    plays = checkerboard()
    model.partial_fit_items([N], plays.T.tocsr()[[6]])
    listeners = sp.csr_matrix(plays[8], shape=(1, N + 1))
    items, _ = model.recommend(8, sp.csr_matrix(listeners), N=2)
    assert set(items) == {8, N}


def test_similar_items_have_one_parity_and_none_beats_the_seed(model: Model) -> None:
    for seed in (0, 13):
        items, scores = model.similar_items(seed, N=10)
        assert set(items % 2) == {seed % 2}
        assert (np.diff(scores) <= 0).all()
        _, own = model.similar_items(seed, N=1, items=[seed])
        assert own[0] == pytest.approx(scores[0], abs=0.05)


def test_similar_items_in_batches_with_filters_and_choices(model: Model) -> None:
    items, scores = model.similar_items([2, 3], N=4)
    np.testing.assert_allclose(scores[1], model.similar_items(3, N=4)[1], atol=1e-5)
    assert [set(row % 2) for row in items] == [{0}, {1}]
    assert not set(model.similar_items(2, N=10, filter_items=[4, 6])[0]) & {4, 6}
    assert set(model.similar_items(2, N=3, items=[4, 6, 8])[0]) == {4, 6, 8}


def test_a_seed_is_folded_in_from_its_listeners(model: Model) -> None:
    items, _ = model.similar_items(
        0, N=5, recalculate_item=True, item_users=checkerboard().T.tocsr()[[2]]
    )
    assert set(items % 2) == {0}


def test_similar_users_have_one_parity_and_include_the_user(model: Model) -> None:
    users, scores = model.similar_users(5, N=10)
    assert set(users % 2) == {1}
    assert 5 in users
    assert scores[0] == pytest.approx(1.0, abs=1e-5)
    assert not set(model.similar_users(5, N=10, filter_users=[7, 9])[0]) & {7, 9}
    assert set(model.similar_users([5, 6], N=2, users=[1, 2])[0][0]) == {1, 2}


@pytest.mark.parametrize("by", ["path", "path without ending", "file object"])
def test_a_saved_model_gives_the_same_results(model: Model, tmp_path: Path, by: str) -> None:
    place: str | io.BytesIO
    if by == "file object":
        place = io.BytesIO()
        model.save(place)
        place.seek(0)
    else:
        place = str(tmp_path / ("model.npz" if by == "path" else "model"))
        model.save(place)
    again = HybridRecommender.load(place)
    plays = checkerboard()
    for here, there in zip(
        model.recommend([0, 1], plays[[0, 1]]), again.recommend([0, 1], plays[[0, 1]]), strict=True
    ):
        np.testing.assert_array_equal(here, there)
    np.testing.assert_array_equal(model.similar_items(3)[0], again.similar_items(3)[0])
    assert again.collaborative == model.collaborative


def test_an_unfitted_model_can_be_saved_and_loaded() -> None:
    buffer = io.BytesIO()
    HybridRecommender(CollaborativeConfig(factors=7)).save(buffer)
    buffer.seek(0)
    again = HybridRecommender.load(buffer)
    assert again.collaborative.factors == 7
    with pytest.raises(NotReady, match="call fit first"):
        again.recommend(0, checkerboard()[0])


@pytest.mark.parametrize(
    "ask",
    [
        lambda model: model.recommend([0, 1], checkerboard()[[0, 1]]),
        lambda model: model.similar_items(0),
        lambda model: model.similar_users(0),
        lambda model: model.recalculate_user(0, checkerboard()[0]),
        lambda model: model.recalculate_item(0, checkerboard()[0]),
        lambda model: model.partial_fit_users([0], checkerboard()[0]),
        lambda model: model.user_factors,
    ],
    ids=[
        "recommend",
        "similar items",
        "similar users",
        "fold in",
        "fold an item in",
        "partial fit",
        "factors",
    ],
)
def test_every_method_of_an_unfitted_model_says_to_fit(ask: Callable[[Model], object]) -> None:
    model = pickle.loads(pickle.dumps(HybridRecommender()))
    assert not model.is_fitted
    with pytest.raises(NotReady, match="call fit first"):
        ask(model)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", numbers=np.arange(3))
    with pytest.raises(LibraryError, match="not a file of a recommender"):
        HybridRecommender.load(str(tmp_path / "other.npz"))


def test_the_estimator_survives_pickling_in_memory(model: Model) -> None:
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(
        again.recommend(0, checkerboard()[0])[0], model.recommend(0, checkerboard()[0])[0]
    )


def test_the_same_seed_gives_the_same_model() -> None:
    first, second = fitted_model(embeddings()), fitted_model(embeddings())
    np.testing.assert_allclose(first.item_factors, second.item_factors, atol=1e-5)


def test_the_callback_is_called_after_every_iteration() -> None:
    iterations: list[int] = []
    model = HybridRecommender(CollaborativeConfig(factors=3, iterations=4))
    model.fit(
        checkerboard(),
        show_progress=False,
        callback=lambda iteration, _seconds, _loss: iterations.append(iteration),
    )
    assert iterations == [0, 1, 2, 3]


def test_double_precision_and_empty_rows_are_accepted() -> None:
    plays = checkerboard().astype(np.float64).tolil()
    plays[4] = 0
    model = HybridRecommender(CollaborativeConfig(factors=3), random_state=0)
    model.fit(plays.tocsr(), show_progress=False)
    items, scores = model.recommend(4, plays.tocsr()[4], N=5)
    assert len(items) == 5
    assert np.isfinite(scores).all()


def test_embeddings_must_match_the_items() -> None:
    with pytest.raises(InvalidInput, match="one row an item"):
        HybridRecommender().fit(
            checkerboard(), show_progress=False, item_embeddings=embeddings(N - 1)
        )


def test_an_item_without_audio_and_plays_is_never_ranked() -> None:
    plays = checkerboard().tolil()
    plays[:, 10] = 0
    embedded = embeddings()
    embedded[10] = np.nan
    model = HybridRecommender(CollaborativeConfig(factors=3), random_state=0)
    model.fit(plays.tocsr(), show_progress=False, item_embeddings=embedded)
    items, scores = model.recommend(0, plays.tocsr()[0], N=N)
    assert 10 not in items[scores > UNRANKED]
    assert 11 in items[scores > UNRANKED]


@pytest.fixture(params=["behaviour only", "with audio"])
def default(request: pytest.FixtureRequest) -> Model:
    """With the settings that it has by itself, which make equal what is played alike."""
    model = HybridRecommender(random_state=23)
    audio = embeddings() if request.param == "with audio" else None
    model.fit(checkerboard(), show_progress=False, item_embeddings=audio)
    return model


@pytest.mark.parametrize("question", ["similar_items", "similar_users"])
def test_what_is_most_like_a_thing_is_itself_and_then_its_kind(
    default: Model, question: str
) -> None:
    for one in range(N):
        rows, scores = getattr(default, question)(one, N=10)
        assert rows[0] == one
        assert set(rows % 2) == {one % 2}
        assert len(set(rows.tolist())) == 10
        assert (np.diff(scores) <= 1e-5).all()
        assert getattr(default, question)(one, N=1)[0].tolist() == [one]


@pytest.mark.parametrize("question", ["similar_items", "similar_users"])
def test_many_are_answered_as_each_alone(default: Model, question: str) -> None:
    asked = np.arange(N)[::-1]
    rows, scores = getattr(default, question)(asked, N=10)
    assert rows.shape == scores.shape == (N, 10)
    for place, one in enumerate(asked.tolist()):
        alone, alone_scores = getattr(default, question)(one, N=10)
        np.testing.assert_array_equal(rows[place], alone)
        np.testing.assert_array_equal(scores[place], alone_scores)


@pytest.mark.parametrize(
    ("question", "leave_out"),
    [("similar_items", "filter_items"), ("similar_users", "filter_users")],
)
def test_a_thing_that_is_left_out_does_not_come_for_being_itself(
    default: Model, question: str, leave_out: str
) -> None:
    for one in (0, 7):
        rows, _ = getattr(default, question)(one, N=10, **{leave_out: [one]})
        assert one not in rows
        some = getattr(default, question)(
            one, N=3, **{question.removeprefix("similar_"): [2, 3, 4, 5]}
        )[0]
        assert one not in some
