"""The task for an index: tracks and users of a fitted model, and the exact results."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from hybridrec.blend.tracks import EVERY_ROW
from hybridrec.blend.weighting import UserVectors, user_query_vectors
from hybridrec.config import CollaborativeConfig
from hybridrec.data.arrays import Array, Mask, Rows
from hybridrec.data.top_k import top_k
from hybridrec.datasets.synthetic_interactions import make_synthetic_interactions
from hybridrec.index.ann import turns
from hybridrec.model.fitted_model import FittedModel
from hybridrec.model.recommender import HybridRecommender

AUDIO_WEIGHTS = (0.0, 0.1, 0.5, 1.0)
FOUND = 10
PLAYS_PER_USER = 40
ITERATIONS = 5
REDUCTION_USERS = 1000
"""Users whose queries the reduction is fitted to; the others are searched for."""

TIMED_USERS = 50
USERS_AT_ONCE = 20
"""Users whose scores of all tracks are in memory together."""

SAMPLED_TRACKS = 100_000


@dataclass(frozen=True)
class QuerySet:
    """Queries at each of `AUDIO_WEIGHTS`, and the results of exact search.

    Attributes:
        queries: `(weights, m, d)` float32, reduced.
        best: `(weights, m, 10)` int64 rows.
        best_allowed: the same if only `Task.allowed` may be returned.
    """

    queries: Array
    best: Rows
    best_allowed: Rows


@dataclass(frozen=True)
class Task:
    """What every library is given.

    Attributes:
        tracks: file of `(n, d)` float32, reduced.
        allowed: `(n,)` bool, one track in a hundred.
        tuning, test: queries of different users, to choose settings with and to report.
        exact_ms: median milliseconds of ranking all tracks exactly for one user.
        rescoring_ms: the same for some candidates only, by their number.
    """

    tracks: Path
    allowed: Mask
    tuning: QuerySet
    test: QuerySet
    exact_ms: float
    rescoring_ms: dict[int, float]


def fitted_synthetic(n_tracks: int, seed: int, model: Path | None) -> FittedModel:
    """A model of synthetic interactions, ten tracks a user; read from `model` if it exists."""
    if model and model.exists():
        return HybridRecommender.load(str(model)).fitted_model
    n_users = max(n_tracks // 10, 2 * REDUCTION_USERS)
    synthetic = make_synthetic_interactions(n_tracks, n_users, PLAYS_PER_USER, seed=seed)
    recommender = HybridRecommender(CollaborativeConfig(iterations=ITERATIONS), random_state=seed)
    recommender.fit(synthetic.plays, show_progress=False, item_embeddings=synthetic.embeddings)
    if model:
        recommender.save(str(model))
    return recommender.fitted_model


def make_task(
    fitted_model: FittedModel,
    place: Path,
    n_users: int,
    dimensions: int,
    candidates: list[int],
    seed: int,
) -> Task:
    """Queries of 2 x `n_users` users at all audio weights, reduced to `dimensions`."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(fitted_model.user_factors))[: REDUCTION_USERS + 2 * n_users]
    for_reduction, tuning, test = np.split(order, [REDUCTION_USERS, REDUCTION_USERS + n_users])
    tracks, n = fitted_model.tracks, len(fitted_model.tracks)
    sample = tracks.vectors_for_users(np.sort(rng.permutation(n)[:SAMPLED_TRACKS]))
    shaping = np.vstack(list(queries(fitted_model, for_reduction)))
    of_queries, of_tracks = turns(sample, shaping, dimensions)
    blocks = np.array_split(np.arange(n), -(-n // SAMPLED_TRACKS))
    allowed = rng.random(n) < 0.01
    reduced = np.vstack([tracks.vectors_for_users(rows) @ of_tracks for rows in blocks])
    np.save(place / "tracks.npy", reduced)
    timed = test[:TIMED_USERS]
    return Task(
        tracks=place / "tracks.npy",
        allowed=allowed,
        tuning=query_set(fitted_model, tuning, of_queries, allowed),
        test=query_set(fitted_model, test, of_queries, allowed),
        exact_ms=ranking_ms(fitted_model, timed, EVERY_ROW),
        rescoring_ms={
            k: ranking_ms(fitted_model, timed, rng.permutation(n)[:k]) for k in candidates
        },
    )


def user_vectors(fitted_model: FittedModel, users: Rows) -> UserVectors:
    """The user vectors of some rows."""
    return fitted_model.user_vectors(
        fitted_model.user_factors[users], fitted_model.user_audio_vectors[users]
    )


def queries(fitted_model: FittedModel, users: Rows) -> Array:
    """Query vectors of some users, `(weights, m, 2f + 2l)` float32."""
    vectors = user_vectors(fitted_model, users)
    return np.stack([user_query_vectors(vectors, weight) for weight in AUDIO_WEIGHTS])


def query_set(fitted_model: FittedModel, users: Rows, of_queries: Array, allowed: Mask) -> QuerySet:
    """Queries of some users, with the results of ranking all tracks exactly."""
    among = np.flatnonzero(allowed)
    best_of_all, best_of_allowed = [], []
    for group in np.array_split(users, -(-len(users) // USERS_AT_ONCE)):
        vectors = user_vectors(fitted_model, group)
        scores = [
            fitted_model.tracks.user_components(vectors, weight).scores for weight in AUDIO_WEIGHTS
        ]
        best_of_all.append(np.stack([top_k(each, FOUND)[0] for each in scores]))
        best_of_allowed.append(
            np.stack([among[top_k(each[:, among], FOUND)[0]] for each in scores])
        )
    return QuerySet(
        queries(fitted_model, users) @ of_queries,
        np.concatenate(best_of_all, axis=1),
        np.concatenate(best_of_allowed, axis=1),
    )


def ranking_ms(fitted_model: FittedModel, users: Rows, rows: Rows | slice) -> float:
    """Median milliseconds of ranking rows for users, one at a time, on one thread."""
    times = []
    with threadpool_limits(1):
        for user in users:
            vectors = user_vectors(fitted_model, np.array([user]))
            begin = time.perf_counter()
            scores = fitted_model.tracks.user_components(vectors, AUDIO_WEIGHTS[1], rows).scores
            top_k(scores, FOUND)
            times.append(time.perf_counter() - begin)
    return float(np.median(times) * 1000)
