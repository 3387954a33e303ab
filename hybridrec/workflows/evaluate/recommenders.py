"""The recommenders that the blend has to beat, each with as many settings to choose from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product, starmap

import numpy as np

from hybridrec.collaborative.als import als_grid, suitable_config
from hybridrec.config import CollaborativeConfig, ProjectionConfig
from hybridrec.evaluation.baselines import (
    SIMILARITIES,
    AudioNeighbours,
    BayesianRanking,
    ItemNeighbours,
    Popularity,
    Similarity,
)
from hybridrec.evaluation.quality import Rows, Scorer
from hybridrec.evaluation.selection import mean_over_folds
from hybridrec.workflows.tune.fold import Array, Fold, by_behaviour

SETTINGS_EACH = 20
"""Of each recommender as many settings are tried on validation (item neighbours: 21).

Of ours 8 of ALS and 12 weights; without audio 20 of ALS.
"""

EASE_USERS, EASE_CELLS = 10_000, 1e8
"""EASE is left out where more users, or a larger dense matrix of users and tracks, would take too long and too much."""

ALS, EASE, POPULARITY, AUDIO_NEIGHBOURS, PROJECTION = "ALS", "EASE", "popularity", "audio neighbours", "projection"
ITEM_NEIGHBOURS, BPR = "item neighbours", "BPR"


@dataclass(frozen=True)
class Setting:
    """One way to set a recommender.

    Attributes:
        words: the setting, as a table shows it.
        fit: learns from a cut.
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
    """The setting of a contender that was best on validation.

    Attributes:
        setting: the best.
        ndcg: its mean there.
        tried: how many there were.
    """

    setting: Setting
    ndcg: float
    tried: int


def choose(compared: ComparedRecommender, folds: Sequence[Fold], users: Rows, done: Callable[[], None]) -> Choice:
    """The setting with the highest NDCG@20 over the users' means over validation cuts.

    Args:
        contender: what to choose for.
        cuts: validation cuts of one training part.
        users: who is asked, rows `(m,)`.
        done: called after each setting on each cut.
    """
    means = []
    for setting in compared.settings:
        figures = []
        for fold in folds:
            figures.append(fold.measure(setting.fit(fold), users, by_support=False).ndcg())
            done()
        means.append(float(np.nanmean(mean_over_folds(figures))))
    best = int(np.argmax(means))
    return Choice(compared.settings[best], means[best], len(means))


def compared_recommenders(bench: Fold) -> list[ComparedRecommender]:
    """All that the blend is measured against; those that go by sound only where there is any."""
    base = suitable_config(bench.plays, CollaborativeConfig())
    grids: dict[str, Iterable[Setting]] = {
        POPULARITY: [Setting("support", lambda fold: Popularity(fold.plays))],
        ITEM_NEIGHBOURS: starmap(_item_neighbours, product(SIMILARITIES, (10, 20, 50, 100, 200, 500, 1000))),
        ALS: map(_als, als_grid(base)),
        BPR: starmap(_bpr, product((64, 128), (0.005, 0.01, 0.02, 0.05, 0.1), (0.003, 0.03))),
    }
    if bench.plays.shape[0] <= EASE_USERS and np.prod(bench.plays.shape, dtype=np.float64) <= EASE_CELLS:
        grids[EASE] = map(_ease, np.geomspace(2, 5000, SETTINGS_EACH))
    if bench.has_audio:
        by_projection = partial(_projection, base)
        grids[AUDIO_NEIGHBOURS] = starmap(_audio_neighbours, product((10, 30, 100, 300, 1000), (0, 0.5), (False, True)))
        grids[PROJECTION] = starmap(by_projection, product((0.03, 0.1, 0.3, 1, 3), (0, 2, 5, 20)))
    return [ComparedRecommender(name, tuple(settings)) for name, settings in grids.items()]


def _als(config: CollaborativeConfig) -> Setting:
    return Setting(config.in_words(), lambda fold: by_behaviour(*fold.factors(config)))


def _item_neighbours(similarity: Similarity, neighbours: int) -> Setting:
    words = f"{similarity}, {neighbours} neighbours"
    return Setting(words, lambda fold: ItemNeighbours(fold.plays, neighbours, similarity))


def _bpr(factors: int, rate: float, ridge: float) -> Setting:
    def fit(fold: Fold) -> Scorer:
        return BayesianRanking(
            fold.plays, factors=factors, learning_rate=rate, regularization=ridge, iterations=100, seed=fold.seed
        )

    return Setting(f"{factors} factors, learning rate {rate:g}, regularization {ridge:g}", fit)


def _ease(regularization: float) -> Setting:
    return Setting(f"lambda {regularization:.3g}", lambda fold: fold.ease.regularised(regularization))


def _audio_neighbours(neighbours: int, discount: float, centred: bool) -> Setting:
    def fit(fold: Fold) -> Scorer:
        assert fold.embeddings is not None
        return AudioNeighbours(fold.plays, fold.embeddings, neighbours=neighbours, discount=discount, centred=centred)

    return Setting(f"{neighbours} neighbours, discount {discount:g}{', centred' if centred else ''}", fit)


def _projection(base: CollaborativeConfig, ridge: float, trust: float) -> Setting:
    config = ProjectionConfig(ridge=ridge, trust=trust)

    def fit(fold: Fold) -> Scorer:
        fitted_model = fold.fitted_model(base, config, half_life=0.0)
        tracks = fitted_model.tracks

        def score(users: Rows) -> Array:
            scores = fitted_model.projection.audio_of_factors(fitted_model.user_factors[users]) @ tracks.features.T
            return np.where(tracks.has_audio, scores, np.float32(-np.inf))

        return score

    return Setting(f"ridge {ridge:g}, trust {trust:g}", fit)
