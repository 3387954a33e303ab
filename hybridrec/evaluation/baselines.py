"""Recommenders to be measured against: each is fitted to plays and gives scores of all tracks for some users."""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import Literal, get_args

import numpy as np
import scipy.sparse as sp
from implicit.cpu.bpr import BayesianPersonalizedRanking
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender, TFIDFRecommender
from implicit.recommender_base import ModelFitError
from implicit.utils import ParameterWarning
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from hybridrec.data.embeddings import aligned_embeddings, unit_length
from hybridrec.data.interactions import support_of

Array = NDArray[np.float32]
Rows = NDArray[np.int64]

Similarity = Literal["cosine", "TF-IDF", "BM25"]
SIMILARITIES: tuple[Similarity, ...] = get_args(Similarity)
_NEIGHBOURS = {"cosine": CosineRecommender, "TF-IDF": TFIDFRecommender, "BM25": BM25Recommender}


class Popularity:
    """The support of each track, the same for everybody."""

    def __init__(self, interactions: sp.csr_matrix) -> None:
        self._support = support_of(interactions).astype(np.float32)

    def __call__(self, users: Rows) -> Array:
        """Scores `(m, n_tracks)` float32."""
        return np.broadcast_to(self._support, (len(users), len(self._support)))


class ItemNeighbours:
    """Each track by the sum of its likeness to the tracks that the user played, after `implicit`.

    Args:
        interactions: CSR `(n_users, n_tracks)` float32 confidences.
        neighbours: of each track, how many are kept.
        likeness: how the plays are weighed before cosines are taken.
    """

    def __init__(self, interactions: sp.csr_matrix, neighbours: int, similarity: Similarity) -> None:
        model = _NEIGHBOURS[similarity](K=neighbours, num_threads=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ParameterWarning)  # implicit passes itself another format than it likes
            model.fit(interactions, show_progress=False)
        self._plays, self._similarity = interactions, model.similarity

    def __call__(self, users: Rows) -> Array:
        """Scores `(m, n_tracks)` float32."""
        return np.asarray((self._plays[users] @ self._similarity).toarray(), dtype=np.float32)


class BayesianRanking:
    """BPR (Rendle, Freudenthaler, Gantner and Schmidt-Thieme 2009), after `implicit`.

    Args:
        interactions: CSR `(n_users, n_tracks)`; what is positive counts as played.
        factors, learning_rate, regularization, iterations: as `implicit` names them. Where
            the rate is so high that factors grow beyond all bounds, all tracks score alike.
        seed: of the start and the samples.
    """

    def __init__(
        self,
        interactions: sp.csr_matrix,
        *,
        factors: int,
        learning_rate: float,
        regularization: float,
        iterations: int,
        seed: int,
    ) -> None:
        model = BayesianPersonalizedRanking(
            factors, learning_rate, regularization, iterations=iterations, random_state=seed, num_threads=1
        )
        with threadpool_limits(1, "blas"):
            try:
                model.fit(sp.csr_matrix(interactions > 0, dtype=np.float32), show_progress=False)
            except ModelFitError:
                self._users, self._tracks = (np.zeros((n, 1), np.float32) for n in interactions.shape)
                return
        self._users, self._tracks = model.user_factors, model.item_factors

    def __call__(self, users: Rows) -> Array:
        """Scores `(m, n_tracks)` float32."""
        return np.asarray(self._users[users] @ self._tracks.T, dtype=np.float32)


class Ease:
    """EASE (Steck 2019): the linear model of a track by the other tracks of the same user, in closed form.

    With plays X and P = (X'X + lambda I)^-1 its scores are X - X P / diag(P). X P equals
    (XX' + lambda I)^-1 X, so only a matrix as large as the number of users is decomposed,
    once for all lambda.

    Args:
        interactions: CSR `(n_users, n_tracks)` confidences; what is positive counts as 1.
    """

    def __init__(self, interactions: sp.csr_matrix) -> None:
        self._plays = sp.csr_matrix(interactions > 0, dtype=np.float64)

    @cached_property
    def _eigen(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        values, vectors = np.linalg.eigh((self._plays @ self._plays.T).toarray())
        return np.maximum(values, 0.0), vectors, np.asarray(vectors.T @ self._plays)

    def regularised(self, regularization: float) -> EaseScores:
        """The model at one lambda, above 0."""
        values, vectors, turned = self._eigen
        shrunk = turned / (values + regularization)[:, None]
        diagonal = (1.0 - (turned * shrunk).sum(axis=0)) / regularization
        return EaseScores(self._plays, vectors, shrunk / diagonal)


class EaseScores:
    """EASE at one lambda; `Ease.regularised` makes it."""

    def __init__(self, plays: sp.csr_matrix, vectors: NDArray[np.float64], shrunk: NDArray[np.float64]) -> None:
        self._plays, self._vectors, self._shrunk = plays, vectors, shrunk

    def __call__(self, users: Rows) -> Array:
        """Scores `(m, n_tracks)` float32."""
        return np.asarray(self._plays[users].toarray() - self._vectors[users] @ self._shrunk, dtype=np.float32)


class AudioNeighbours:
    """Each track by the sum of its cosines to those played tracks that have it among their nearest by sound.

    Args:
        interactions: CSR `(n_users, n_tracks)` confidences; what is positive counts as played.
        embeddings: `(n_tracks, d)`, a row of NaN without audio.
        neighbours: of each track, how many are kept.
        discount: a played track counts support ** -this.
        centred: whether the mean embedding is taken off first, so that cosines spread.
    """

    def __init__(
        self,
        interactions: sp.csr_matrix,
        embeddings: NDArray[np.floating],
        *,
        neighbours: int,
        discount: float,
        centred: bool,
    ) -> None:
        known, self._has_audio = aligned_embeddings(embeddings, interactions.shape[1])
        embedded = known[self._has_audio]
        directions = unit_length(embedded - embedded.mean(axis=0) if centred else embedded)
        self._similarity = _nearest(directions, neighbours)
        counts = np.maximum(support_of(interactions), 1) ** -discount
        self._plays = sp.csr_matrix((interactions > 0).multiply(counts[None, :]))[:, self._has_audio]

    def __call__(self, users: Rows) -> Array:
        """Scores `(m, n_tracks)` float32, -inf for tracks without audio."""
        scores = np.full((len(users), len(self._has_audio)), -np.inf, dtype=np.float32)
        scores[:, self._has_audio] = (self._plays[users] @ self._similarity).toarray()
        return scores


def _nearest(directions: Array, neighbours: int) -> sp.csr_matrix:
    """Cosines of each row to its nearest others, CSR `(n, n)`."""
    k = max(1, min(neighbours, len(directions) - 1))
    graph = NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute").fit(directions)
    distances = graph.kneighbors_graph(mode="distance")
    distances.data = 1.0 - distances.data
    return distances
