"""The blend beside what it has to beat, on plays that none of them has seen and nothing was chosen on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hybridrec.data.splits import Split
from hybridrec.evaluation.quality import Quality, Rows
from hybridrec.workflows.evaluate.recommenders import ComparedRecommender, choose, compared_recommenders
from hybridrec.workflows.tune.fold import Fold, blended
from hybridrec.workflows.tune.search import asked_users, search, steps, validation_folds
from hybridrec.workflows.tuning import Tuning

BLEND, SOUND_ONLY, SHUFFLED = "hybridrec", "hybridrec, sound only", "hybridrec, audio shuffled"


@dataclass(frozen=True)
class Judged:
    """A recommender on the held-out part.

    Attributes:
        quality: for the same users as all others.
        setting: what was chosen for it on validation, in words.
        tried: among how many settings.
    """

    quality: Quality
    setting: str
    tried: int


@dataclass(frozen=True)
class Comparison:
    """One split, and what each recommender makes of it.

    Attributes:
        judged: by name, ours first.
        tuning: what was chosen for ours.
    """

    judged: dict[str, Judged]
    tuning: Tuning


class SplitComparison:
    """All recommenders on one split, each tuned on the same validation cuts of its training part.

    Args:
        split: what is learnt and chosen from, and what is judged on.
        embeddings: `(n_tracks, d)`, a row of NaN without audio; None where no track has any.
        users: who is judged, rows `(m,)`; None takes those who have something to find, or a sample of them.
        seed: of the cuts, of fitting and of shuffling.

    Raises:
        NotReady: if the training part is too small to hold something out of it.
    """

    def __init__(
        self, split: Split, embeddings: NDArray[np.floating] | None, *, users: Rows | None = None, seed: int
    ) -> None:
        self._folds = validation_folds(split.train, embeddings, seed=seed)
        self._asked = asked_users([fold.split for fold in self._folds])
        self._final = Fold(split, embeddings, seed=seed)
        self._judged_users = asked_users([split]) if users is None else users
        self._compared_recommenders = compared_recommenders(self._final)

    @property
    def steps(self) -> int:
        """How often `run` calls `done`."""
        tried = sum(len(each.settings) for each in self._compared_recommenders) * len(self._folds) + len(
            self._compared_recommenders
        )
        return tried + steps(self._folds[0]) * (2 if self._final.has_audio else 1)

    def run(self, done: Callable[[], None]) -> Comparison:
        """Choose for each recommender on validation, fit it to the whole training part, and judge it.

        Args:
            done: called after each step.
        """
        tuning = search(self._folds, done=done)
        judged = {BLEND: self._ours(self._final, tuning)}
        if self._final.has_audio:
            judged[SOUND_ONLY] = self._ours(self._final, tuning, audio_weight=1.0)
            judged[SHUFFLED] = self._shuffled(done)
        judged |= {compared.name: self._theirs(compared, done) for compared in self._compared_recommenders}
        return Comparison(judged, tuning)

    def _ours(self, bench: Fold, tuning: Tuning, audio_weight: float | None = None) -> Judged:
        fitted_model = bench.fitted_model(tuning.collaborative, tuning.projection, tuning.blend.half_life)
        share = tuning.blend.audio_weight if audio_weight is None else audio_weight
        quality = bench.measure(blended(fitted_model, share), self._judged_users)
        return Judged(quality, tuning.in_words(), len(tuning.trials))

    def _shuffled(self, done: Callable[[], None]) -> Judged:
        """The control: the same, tuned anew, each track having the sound of another."""
        sounds = self._final.embeddings
        assert sounds is not None
        others = sounds[np.random.default_rng(self._final.seed).permutation(len(sounds))]
        tuning = search([fold.with_audio(others) for fold in self._folds], done=done)
        return self._ours(self._final.with_audio(others), tuning)

    def _theirs(self, compared: ComparedRecommender, done: Callable[[], None]) -> Judged:
        choice = choose(compared, self._folds, self._asked, done)
        quality = self._final.measure(choice.setting.fit(self._final), self._judged_users)
        done()
        return Judged(quality, choice.setting.words, choice.tried)
