"""The search that an index has to do: a fitted crowd's tracks and listeners, and who is to be found for whom."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from hybridrec.blend.tracks import EVERY_ROW
from hybridrec.blend.weighting import UserVectors, user_query_vectors
from hybridrec.config import CollaborativeConfig
from hybridrec.datasets.synthetic_interactions import make_synthetic_interactions
from hybridrec.index.ann import turns
from hybridrec.index.exact import best
from hybridrec.model.fitted_model import FittedModel
from hybridrec.model.recommender import HybridRecommender

AUDIO_WEIGHTS = (0.0, 0.1, 0.5, 1.0)
FOUND = 10
PLAYS_PER_USER = 40
ITERATIONS = 5
LEARNT_FROM = 1000
"""Listeners whose queries the reduction is learnt from; others are searched for."""

TIMED = 50
AT_ONCE = 20
"""Listeners whose scores of all tracks are held in memory together."""

SAMPLED_TRACKS = 100_000
Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Asked:
    """Queries at each of `AUDIO_WEIGHTS`, and what exact search finds.

    Attributes:
        queries: `(shares, m, d)` float32, reduced.
        best: `(shares, m, 10)` int64 rows.
        best_allowed: the same where only `Task.allowed` may be found.
    """

    queries: Vectors
    best: Rows
    best_allowed: Rows


@dataclass(frozen=True)
class Task:
    """What every rival gets.

    Attributes:
        tracks: file of `(n, d)` float32, reduced.
        allowed: `(n,)` bool, one in a hundred.
        tuning, judged: queries of different listeners, to choose settings by and to report.
        exact_ms: median milliseconds of ranking all tracks exactly for one listener.
        rescoring_ms: median milliseconds of ranking so many candidates exactly, by their number.
    """

    tracks: Path
    allowed: NDArray[np.bool_]
    tuning: Asked
    judged: Asked
    exact_ms: float
    rescoring_ms: dict[int, float]


def fitted_synthetic(n_tracks: int, seed: int, model: Path | None) -> FittedModel:
    """A recommender fitted to a crowd of ten tracks a listener, from the file `model` or kept in it."""
    if model and model.exists():
        return HybridRecommender.load(str(model)).fitted_model
    synthetic = make_synthetic_interactions(n_tracks, max(n_tracks // 10, 2 * LEARNT_FROM), PLAYS_PER_USER, seed=seed)
    recommender = HybridRecommender(CollaborativeConfig(iterations=ITERATIONS), random_state=seed)
    recommender.fit(synthetic.plays, show_progress=False, item_embeddings=synthetic.embeddings)
    if model:
        recommender.save(str(model))
    return recommender.fitted_model


def make_task(
    fitted_model: FittedModel, place: Path, listeners: int, dimensions: int, candidates: list[int], seed: int
) -> Task:
    """Queries of 2 x `listeners` listeners at all audio shares over all tracks, reduced to `dimensions`."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(fitted_model.user_factors))
    learnt, tuning, judged = np.split(order[: LEARNT_FROM + 2 * listeners], [LEARNT_FROM, LEARNT_FROM + listeners])
    n = len(fitted_model.tracks)
    sample = fitted_model.tracks.vectors_for_users(np.sort(rng.permutation(n)[:SAMPLED_TRACKS]))
    of_queries, of_tracks = turns(sample, np.vstack(list(queries(fitted_model, learnt))), dimensions)
    blocks = np.array_split(np.arange(n), -(-n // SAMPLED_TRACKS))
    allowed = rng.random(n) < 0.01
    np.save(
        place / "tracks.npy", np.vstack([fitted_model.tracks.vectors_for_users(rows) @ of_tracks for rows in blocks])
    )
    return Task(
        tracks=place / "tracks.npy",
        allowed=allowed,
        tuning=asked(fitted_model, tuning, of_queries, allowed),
        judged=asked(fitted_model, judged, of_queries, allowed),
        exact_ms=ranking_ms(fitted_model, judged[:TIMED], EVERY_ROW),
        rescoring_ms={k: ranking_ms(fitted_model, judged[:TIMED], rng.permutation(n)[:k]) for k in candidates},
    )


def user_vectors(fitted_model: FittedModel, users: Rows) -> UserVectors:
    """What some listeners like."""
    return fitted_model.user_vectors(fitted_model.user_factors[users], fitted_model.user_audio_vectors[users])


def queries(fitted_model: FittedModel, users: Rows) -> Vectors:
    """The blend's vectors of some listeners, `(shares, m, 2f + 2l)` float32."""
    return np.stack([user_query_vectors(user_vectors(fitted_model, users), share) for share in AUDIO_WEIGHTS])


def asked(fitted_model: FittedModel, users: Rows, of_queries: Vectors, allowed: NDArray[np.bool_]) -> Asked:
    """Queries of some listeners, with what ranking all tracks exactly answers."""
    among = np.flatnonzero(allowed)
    every, few = [], []
    for group in np.array_split(users, -(-len(users) // AT_ONCE)):
        likes = user_vectors(fitted_model, group)
        scores = [fitted_model.tracks.user_components(likes, share).scores for share in AUDIO_WEIGHTS]
        every.append(np.stack([best(each, FOUND)[0] for each in scores]))
        few.append(np.stack([among[best(each[:, among], FOUND)[0]] for each in scores]))
    return Asked(queries(fitted_model, users) @ of_queries, np.concatenate(every, axis=1), np.concatenate(few, axis=1))


def ranking_ms(fitted_model: FittedModel, users: Rows, rows: Rows | slice) -> float:
    """Median milliseconds of ranking rows for listeners, one at a time, by one thread."""
    times = []
    with threadpool_limits(1):
        for user in users:
            preference = user_vectors(fitted_model, np.array([user]))
            begin = time.perf_counter()
            best(fitted_model.tracks.user_components(preference, AUDIO_WEIGHTS[1], rows).scores, FOUND)
            times.append(time.perf_counter() - begin)
    return float(np.median(times) * 1000)
