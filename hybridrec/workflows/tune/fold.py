"""A fold: one split of the plays, with the results that several recommenders share."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hybridrec.collaborative.als import fit_als, suitable_config
from hybridrec.config import CollaborativeConfig, ProjectionConfig
from hybridrec.data.arrays import Array, Rows
from hybridrec.data.embeddings import aligned_embeddings
from hybridrec.data.splits import Split
from hybridrec.evaluation.baselines import Ease
from hybridrec.evaluation.quality import Quality, Scorer, measure
from hybridrec.model.fitted_model import FittedModel
from hybridrec.model.fitting import build_fitted_model


class Fold:
    """A split of plays with the tracks' audio; factors are fitted once per setting of ALS.

    Args:
        split: training and held-out part.
        embeddings: `(n_tracks, d)`, a row of NaN without audio; None if no track has any.
        seed: of everything random in fitting.
    """

    def __init__(self, split: Split, embeddings: NDArray[np.floating] | None, *, seed: int) -> None:
        self.split, self.embeddings, self.seed = split, embeddings, seed
        self._factors: dict[CollaborativeConfig, tuple[Array, Array]] = {}

    @property
    def plays(self) -> sp.csr_matrix:
        """The training part, CSR `(n_users, n_tracks)` float32 confidences."""
        return self.split.train

    @property
    def has_audio(self) -> bool:
        """Whether any track has an embedding."""
        return bool(aligned_embeddings(self.embeddings, self.plays.shape[1])[1].any())

    @cached_property
    def ease(self) -> Ease:
        """EASE with its decomposition, which all its settings share."""
        return Ease(self.plays)

    def with_audio(self, embeddings: NDArray[np.floating] | None) -> Fold:
        """The same split and the same factors with other embeddings."""
        # Shared, not copied: what either fits, the other need not fit again.
        other = Fold(self.split, embeddings, seed=self.seed)
        other._factors = self._factors
        return other

    def factors(self, config: CollaborativeConfig) -> tuple[Array, Array]:
        """User and track factors of ALS, `(n_users, f)` and `(n_tracks, f)` float32."""
        # Settings that are left open are filled in first, so that equal settings share a key.
        config = suitable_config(self.plays, config)
        if config not in self._factors:
            self._factors[config] = fit_als(self.plays, config, seed=self.seed)
        return self._factors[config]

    def fitted_model(
        self, config: CollaborativeConfig, projection: ProjectionConfig, half_life: float
    ) -> FittedModel:
        """What `HybridRecommender.fit` would make of the training part with these settings."""
        users, tracks = self.factors(config)
        return build_fitted_model(
            users,
            tracks,
            self.plays,
            self.embeddings,
            collaborative=suitable_config(self.plays, config),
            projection=projection,
            half_life=half_life,
            seed=self.seed,
        )

    def measure(
        self, score: Scorer, users: Rows | None = None, *, by_support: bool = True
    ) -> Quality:
        """Evaluate a recommender, fitted to this fold, on its held-out part."""
        return measure(score, self.split, users, by_support=by_support)


def blended(fitted_model: FittedModel, audio_weight: float) -> Scorer:
    """The scores that `recommend` ranks by, at an audio weight.

    Tracks with neither plays nor audio score -inf, so that they are never recommended.
    """

    def score(users: Rows) -> Array:
        user_vectors = fitted_model.user_vectors(
            fitted_model.user_factors[users], fitted_model.user_audio_vectors[users]
        )
        scores = fitted_model.tracks.user_components(user_vectors, audio_weight).scores
        return np.where(fitted_model.tracks.scorable, scores, np.float32(-np.inf))

    return score


def by_behaviour(users: Array, tracks: Array) -> Scorer:
    """Inner products of factors: user `(n_users, f)` and track `(n_tracks, f)`, float32."""

    def score(rows: Rows) -> Array:
        return np.asarray(users[rows] @ tracks.T, dtype=np.float32)

    return score
