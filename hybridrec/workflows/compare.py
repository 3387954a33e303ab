"""The blend beside what it has to beat, on plays that none of them has seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hybridrec.blend.weighting import user_query_vectors
from hybridrec.data.splits import Split
from hybridrec.evaluation.baselines import ease_scores, popularity_scores
from hybridrec.evaluation.metrics import Hits, hits_by_bucket
from hybridrec.recommender import HybridRecommender

BLEND, ALS, AUDIO_ONLY, EASE, POPULARITY = "blend", "ALS", "audio only", "EASE", "popularity"
Scores = NDArray[np.float32]


def fit_blend(split: Split, item_embeddings: NDArray[np.floating] | None, *, seed: int) -> HybridRecommender:
    """A recommender with default settings, fitted to the training part."""
    model = HybridRecommender(random_state=seed)
    model.fit(split.train, show_progress=False, item_embeddings=item_embeddings)
    return model


def user_scores(model: HybridRecommender, audio_weight: float | None = None) -> Scores:
    """What `recommend` ranks by, for all users and tracks at once.

    Returns:
        `(n_users, n_tracks)` float32, -inf for tracks of which nothing is known.
    """
    tastes = model.fitted.tastes(model.user_factors, model.fitted.user_sounds)
    scores = user_query_vectors(tastes, model.audio_share(audio_weight)) @ model.tracks.user_vectors.T
    return np.where(model.tracks.scorable, scores, np.float32(-np.inf))


def hybrid_hits(split: Split, model: HybridRecommender, k: int = 20) -> dict[str, dict[str, Hits]]:
    """Hits of the blend and of each of its sides alone, by bucket.

    ALS is the model's own factors, so that what sound adds is all that differs.
    """
    scores = {
        BLEND: user_scores(model),
        ALS: model.user_factors @ model.item_factors.T,
        AUDIO_ONLY: user_scores(model, 1.0),
    }
    return {name: _hits(split, found, k) for name, found in scores.items()}


def baseline_hits(split: Split, k: int = 20) -> dict[str, dict[str, Hits]]:
    """Hits of EASE and of popularity, by bucket."""
    scores = {EASE: ease_scores(split.train), POPULARITY: popularity_scores(split.train)}
    return {name: _hits(split, found, k) for name, found in scores.items()}


def fold_error(model: HybridRecommender, audio_weight: float, users: NDArray[np.int64]) -> float:
    """The most that a score of the one folded search differs from the same score computed side by side."""
    fitted, rows = model.fitted, np.flatnonzero(model.tracks.scorable)
    folded = user_scores(model, audio_weight)[np.ix_(users, rows)]
    tastes = [fitted.tastes(model.user_factors[[u]], fitted.user_sounds[[u]]) for u in users]
    parts = [model.tracks.user_parts(taste, rows, audio_weight) for taste in tastes]
    return float(np.abs(folded - np.array([part.audio + part.behaviour for part in parts])).max())


def _hits(split: Split, scores: Scores, k: int) -> dict[str, Hits]:
    return hits_by_bucket(scores, split.train, split.held_out, split.buckets(), k)
