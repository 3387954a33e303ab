"""The blend and its baselines on one split, each tuned on validation folds of the training part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hybridrec.data.arrays import Rows
from hybridrec.data.splits import Split
from hybridrec.evaluation.quality import Quality
from hybridrec.evaluation.tuning_report import Tuning
from hybridrec.workflows.evaluate.recommenders import (
    ComparedRecommender,
    choose,
    compared_recommenders,
)
from hybridrec.workflows.tune.fold import Fold, blended
from hybridrec.workflows.tune.search import evaluated_users, search, steps, validation_folds

BLEND = "hybridrec"
AUDIO_ONLY = "hybridrec, audio only"
SHUFFLED = "hybridrec, audio shuffled"


@dataclass(frozen=True)
class Judged:
    """A recommender on the held-out part.

    Attributes:
        quality: for the same users as all others.
        setting: what was chosen for it on validation, in words.
        trials: number of settings that it was chosen from.
    """

    quality: Quality
    setting: str
    trials: int


@dataclass(frozen=True)
class Comparison:
    """All recommenders on one split.

    Attributes:
        judged: by name, hybridrec first.
        tuning: what was chosen for hybridrec.
    """

    judged: dict[str, Judged]
    tuning: Tuning


class SplitComparison:
    """Tune all recommenders on the same validation folds of one split, and judge them.

    Args:
        split: the training part for fitting and choosing, and the held-out part for judging.
        embeddings: `(n_tracks, d)`, a row of NaN without audio; None if no track has any.
        users: rows `(m,)` int64 of the users to evaluate; None takes all with a held-out track,
            or a sample of them.
        seed: of the folds, of fitting and of shuffling.

    Raises:
        NotReady: if the training part is too small to hold some of it out.
    """

    def __init__(
        self,
        split: Split,
        embeddings: NDArray[np.floating] | None,
        *,
        users: Rows | None = None,
        seed: int,
    ) -> None:
        self._folds = validation_folds(split.train, embeddings, seed=seed)
        self._validation_users = evaluated_users([fold.split for fold in self._folds])
        self._final = Fold(split, embeddings, seed=seed)
        self._users = evaluated_users([split]) if users is None else users
        self._baselines = compared_recommenders(self._final)

    @property
    def steps(self) -> int:
        """How often `run` calls `done`."""
        # One step per setting and fold, and one for the final fit of each baseline.
        trials = sum(len(each.settings) for each in self._baselines) * len(self._folds)
        searches = 2 if self._final.has_audio else 1  # the shuffled control is tuned as well
        return trials + len(self._baselines) + steps(self._folds[0]) * searches

    def run(self, done: Callable[[], None]) -> Comparison:
        """Choose for each recommender on validation, fit it to the training part, and judge it.

        Args:
            done: called after each step.
        """
        tuning = search(self._folds, done=done)
        judged = {BLEND: self._blend(self._final, tuning)}
        if self._final.has_audio:
            judged[AUDIO_ONLY] = self._blend(self._final, tuning, audio_weight=1.0)
            judged[SHUFFLED] = self._shuffled(done)
        judged |= {each.name: self._baseline(each, done) for each in self._baselines}
        return Comparison(judged, tuning)

    def _blend(self, fold: Fold, tuning: Tuning, audio_weight: float | None = None) -> Judged:
        half_life = tuning.blend.half_life
        fitted_model = fold.fitted_model(tuning.collaborative, tuning.projection, half_life)
        weight = tuning.blend.audio_weight if audio_weight is None else audio_weight
        quality = fold.measure(blended(fitted_model, weight), self._users)
        return Judged(quality, tuning.in_words(), len(tuning.trials))

    def _shuffled(self, done: Callable[[], None]) -> Judged:
        """The control: tuned anew with each track given the embedding of another track."""
        embeddings = self._final.embeddings
        assert embeddings is not None
        # The same order on all folds and on the final fit: a track keeps its wrong embedding.
        order = np.random.default_rng(self._final.seed).permutation(len(embeddings))
        shuffled = embeddings[order]
        tuning = search([fold.with_audio(shuffled) for fold in self._folds], done=done)
        return self._blend(self._final.with_audio(shuffled), tuning)

    def _baseline(self, compared: ComparedRecommender, done: Callable[[], None]) -> Judged:
        choice = choose(compared, self._folds, self._validation_users, done)
        quality = self._final.measure(choice.setting.fit(self._final), self._users)
        done()
        return Judged(quality, choice.setting.words, choice.trials)
