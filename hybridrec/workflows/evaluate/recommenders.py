"""The baselines of the blend, each with the same number of settings to choose from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product, starmap

import numpy as np

from hybridrec.collaborative.als import als_grid, suitable_config
from hybridrec.config import CollaborativeConfig, ProjectionConfig
from hybridrec.data.arrays import Array, Rows
from hybridrec.evaluation.baselines import (
    SIMILARITIES,
    AudioNeighbours,
    BayesianRanking,
    ItemNeighbours,
    Popularity,
    Similarity,
)
from hybridrec.evaluation.quality import Scorer
from hybridrec.evaluation.selection import mean_over_folds
from hybridrec.workflows.tune.fold import Fold, by_behaviour

SETTINGS_EACH = 20
"""Settings tried per recommender on validation (item neighbours: 21).

For hybridrec 8 settings of ALS and 12 weights; without audio 20 of ALS.
"""

EASE_USERS, EASE_CELLS = 10_000, 1e8
"""EASE is left out beyond so many users, or cells of the dense user x track matrix."""

ALS, BPR, EASE, POPULARITY = "ALS", "BPR", "EASE", "popularity"
ITEM_NEIGHBOURS, AUDIO_NEIGHBOURS = "item neighbours", "audio neighbours"
PROJECTION = "projection"


@dataclass(frozen=True)
class Setting:
    """One setting of a recommender.

    Attributes:
        words: the setting, as a table shows it.
        fit: fits the recommender to the training part of a fold.
    """

    words: str
    fit: Callable[[Fold], Scorer]


@dataclass(frozen=True)
class ComparedRecommender:
    """A recommender and the settings to choose from."""

    name: str
    settings: tuple[Setting, ...]


@dataclass(frozen=True)
class Choice:
    """The setting of a recommender that was best on validation.

    Attributes:
        setting: the best.
        ndcg: its mean NDCG@20 on validation.
        trials: number of settings that were tried.
    """

    setting: Setting
    ndcg: float
    trials: int


def choose(
    compared: ComparedRecommender, folds: Sequence[Fold], users: Rows, done: Callable[[], None]
) -> Choice:
    """The setting with the highest mean NDCG@20: over folds per user, then over users.

    Args:
        compared: the recommender to choose for.
        folds: validation folds of one training part.
        users: rows `(m,)` int64 of the users to evaluate.
        done: called after each setting on each fold.
    """
    means = []
    for setting in compared.settings:
        figures = []
        for fold in folds:
            # Chosen by the ranking of all tracks; buckets would only take time.
            quality = fold.measure(setting.fit(fold), users, by_support=False)
            figures.append(quality.ndcg())
            done()
        means.append(float(np.nanmean(mean_over_folds(figures))))
    best = int(np.argmax(means))
    return Choice(compared.settings[best], means[best], len(means))


def compared_recommenders(fold: Fold) -> list[ComparedRecommender]:
    """All baselines with their settings; those that use audio only if the fold has any."""
    # ALS is searched around what suits the number of plays, as `fit` and `tune` do.
    base = suitable_config(fold.plays, CollaborativeConfig())
    neighbours = (10, 20, 50, 100, 200, 500, 1000)
    rates, ridges = (0.005, 0.01, 0.02, 0.05, 0.1), (0.003, 0.03)
    grids: dict[str, Iterable[Setting]] = {
        POPULARITY: [Setting("support", lambda fold: Popularity(fold.plays))],
        ITEM_NEIGHBOURS: starmap(_item_neighbours, product(SIMILARITIES, neighbours)),
        ALS: map(_als, als_grid(base)),
        BPR: starmap(_bpr, product((64, 128), rates, ridges)),
    }
    if _is_small_enough_for_ease(fold):
        grids[EASE] = map(_ease, np.geomspace(2, 5000, SETTINGS_EACH))
    if fold.has_audio:
        audio = product((10, 30, 100, 300, 1000), (0, 0.5), (False, True))
        projection = product((0.03, 0.1, 0.3, 1, 3), (0, 2, 5, 20))
        grids[AUDIO_NEIGHBOURS] = starmap(_audio_neighbours, audio)
        grids[PROJECTION] = starmap(partial(_projection, base), projection)
    return [ComparedRecommender(name, tuple(settings)) for name, settings in grids.items()]


def _is_small_enough_for_ease(fold: Fold) -> bool:
    users, tracks = fold.plays.shape
    return bool(users <= EASE_USERS and users * tracks <= EASE_CELLS)


def _als(config: CollaborativeConfig) -> Setting:
    return Setting(config.in_words(), lambda fold: by_behaviour(*fold.factors(config)))


def _item_neighbours(similarity: Similarity, neighbours: int) -> Setting:
    words = f"{similarity}, {neighbours} neighbours"
    return Setting(words, lambda fold: ItemNeighbours(fold.plays, neighbours, similarity))


def _bpr(factors: int, rate: float, ridge: float) -> Setting:
    def fit(fold: Fold) -> Scorer:
        return BayesianRanking(
            fold.plays,
            factors=factors,
            learning_rate=rate,
            regularization=ridge,
            iterations=100,
            seed=fold.seed,
        )

    words = f"{factors} factors, learning rate {rate:g}, regularization {ridge:g}"
    return Setting(words, fit)


def _ease(regularization: float) -> Setting:
    words = f"lambda {regularization:.3g}"
    return Setting(words, lambda fold: fold.ease.regularised(regularization))


def _audio_neighbours(neighbours: int, discount: float, centred: bool) -> Setting:
    def fit(fold: Fold) -> Scorer:
        assert fold.embeddings is not None
        return AudioNeighbours(
            fold.plays,
            fold.embeddings,
            neighbours=neighbours,
            discount=discount,
            centred=centred,
        )

    words = f"{neighbours} neighbours, discount {discount:g}{', centred' if centred else ''}"
    return Setting(words, fit)


def _projection(base: CollaborativeConfig, ridge: float, trust: float) -> Setting:
    """Audio features of tracks against user factors; nothing of the tracks' own factors."""
    config = ProjectionConfig(ridge=ridge, trust=trust)

    def fit(fold: Fold) -> Scorer:
        model = fold.fitted_model(base, config, half_life=0.0)
        tracks = model.tracks

        def score(users: Rows) -> Array:
            queries = model.projection.audio_of_factors(model.user_factors[users])
            return np.where(tracks.has_audio, queries @ tracks.features.T, np.float32(-np.inf))

        return score

    return Setting(f"ridge {ridge:g}, trust {trust:g}", fit)
