"""Regression tests of the blend on public data sets: one seed, default settings, NDCG@20.

The default settings were chosen with this seed in view, so these tests prove nothing new;
`scripts/bench_blend.py` tunes and evaluates on splits that nothing was chosen on.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from hybridrec.blend.weighting import user_query_vectors
from hybridrec.data.splits import SUPPORT_BUCKETS, Split, split_cold_tracks, split_pairs
from hybridrec.datasets.lastfm2k import load_spotify
from hybridrec.datasets.real_plays import RealPlays
from hybridrec.datasets.taste_profile import load_taste_profile
from hybridrec.evaluation.baselines import Ease
from hybridrec.evaluation.quality import ALL_TRACKS, Quality, measure
from hybridrec.evaluation.significance import paired_difference
from hybridrec.model.recommender import HybridRecommender
from hybridrec.workflows.evaluate.compare import AUDIO_ONLY, BLEND
from hybridrec.workflows.evaluate.recommenders import ALS, EASE
from hybridrec.workflows.tune.fold import blended, by_behaviour
from hybridrec.workflows.tune.search import search, validation_folds

pytestmark = pytest.mark.data
Results = dict[str, Quality]


@pytest.fixture(scope="module")
def plays(data_directory: Path) -> RealPlays:
    return load_spotify(data_directory)


@pytest.fixture(scope="module")
def split(plays: RealPlays) -> Split:
    return split_pairs(plays.interactions, seed=0)


def fitted_model(split: Split, embeddings: np.ndarray | None) -> HybridRecommender:
    model = HybridRecommender(random_state=0)
    model.fit(split.train, show_progress=False, item_embeddings=embeddings)
    return model


def measured(split: Split, model: HybridRecommender) -> Results:
    everybody = np.arange(split.train.shape[0])
    scorers = {
        BLEND: blended(model.fitted_model, model.blend.audio_weight),
        AUDIO_ONLY: blended(model.fitted_model, 1.0),
        ALS: by_behaviour(model.user_factors, model.item_factors),
    }
    return {name: measure(score, split, everybody) for name, score in scorers.items()}


@pytest.fixture(scope="module")
def model(plays: RealPlays, split: Split) -> HybridRecommender:
    return fitted_model(split, plays.item_embeddings)


@pytest.fixture(scope="module")
def results(split: Split, model: HybridRecommender) -> Results:
    ease = measure(Ease(split.train).regularised(100.0), split, np.arange(split.train.shape[0]))
    return {**measured(split, model), EASE: ease}


def figure(results: Results, name: str, bucket: str) -> float:
    return float(np.nanmean(results[name].ndcg(bucket)))


@pytest.mark.parametrize(("bucket", "least"), [("0", 0.155), ("1-2", 0.112), (ALL_TRACKS, 0.325)])
def test_the_blend_is_as_good_as_it_was(results: Results, bucket: str, least: float) -> None:
    assert figure(results, BLEND, bucket) >= least


def test_over_all_tracks_the_blend_is_no_worse_than_any_single_source(results: Results) -> None:
    others = [figure(results, name, ALL_TRACKS) for name in (ALS, EASE, AUDIO_ONLY)]
    assert figure(results, BLEND, ALL_TRACKS) >= max(others)


@pytest.mark.parametrize("bucket", SUPPORT_BUCKETS)
def test_in_no_bucket_is_the_blend_significantly_worse_than_the_best_single_source(
    results: Results, bucket: str
) -> None:
    best = max((ALS, EASE, AUDIO_ONLY), key=lambda name: figure(results, name, bucket))
    found = paired_difference(results[BLEND].ndcg(bucket), results[best].ndcg(bucket), seed=0)
    assert found.high >= 0, f"{best} is better: {found}"


@pytest.mark.parametrize("audio_weight", [0.0, 0.15, 0.6, 1.0])
def test_one_search_answers_every_audio_weight_with_the_exact_blend(
    model: HybridRecommender, split: Split, audio_weight: float
) -> None:
    rows = np.flatnonzero(model.tracks.scorable)
    for user in range(0, 1881, 400):
        tracks, scores = model.recommend(user, split.train[user], N=20, audio_weight=audio_weight)
        preference = model.fitted_model.user_vectors(
            model.user_factors[[user]], model.fitted_model.user_audio_vectors[[user]]
        )
        query = user_query_vectors(preference, audio_weight)[0]
        one_search = model.tracks.vectors_for_users(rows) @ query
        blended = dict(zip(rows, one_search, strict=True))
        np.testing.assert_allclose(scores, [blended[track] for track in tracks], atol=2e-5)
        left_out = set(rows) - set(tracks) - set(split.train[user].indices)
        assert max(blended[track] for track in left_out) <= scores[-1] + 2e-5


def test_a_cold_track_is_pure_audio_at_any_audio_weight(model: HybridRecommender) -> None:
    cold = np.flatnonzero(model.tracks.support == 0)
    preference = model.fitted_model.user_vectors(
        model.user_factors[[0]], model.fitted_model.user_audio_vectors[[0]]
    )
    for audio_weight in (0.0, 0.5, 1.0):
        components = model.tracks.user_components(preference, audio_weight, cold)
        np.testing.assert_array_equal(components.weights, 1.0)


def test_tracks_that_lost_all_their_plays_are_ranked_far_better_than_by_chance(
    plays: RealPlays,
) -> None:
    split = split_cold_tracks(plays.interactions, seed=0)
    cold = measured(split, fitted_model(split, plays.item_embeddings))
    chance = figure(cold, ALS, "0")  # behaviour alone scores all of them alike
    assert figure(cold, BLEND, "0") > 3 * chance


def test_tuning_gives_shuffled_audio_no_weight(plays: RealPlays, split: Split) -> None:
    assert plays.item_embeddings is not None
    shuffled = np.random.default_rng(0).permutation(plays.item_embeddings)
    # A third of the users, to save time.
    some_users = split_pairs(sp.csr_matrix(split.train[::3]), 0.01, seed=0).train
    tuning = search(validation_folds(some_users, shuffled, seed=0), done=lambda: None)
    assert (tuning.blend.audio_weight, tuning.blend.half_life) == (0.0, 0.0)


def test_without_audio_the_blend_is_als(data_directory: Path) -> None:
    split = split_pairs(load_taste_profile(data_directory).interactions, seed=0)
    results = measured(split, fitted_model(split, None))
    als = figure(results, ALS, ALL_TRACKS)
    assert figure(results, BLEND, ALL_TRACKS) == pytest.approx(als, abs=5e-4)
