"""Baseline recommenders: each is fitted to interactions and scores all tracks for given users."""

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

from hybridrec.data.arrays import Array, Rows
from hybridrec.data.embeddings import aligned_embeddings, unit_length
from hybridrec.data.interactions import support_of

Similarity = Literal["cosine", "TF-IDF", "BM25"]
SIMILARITIES: tuple[Similarity, ...] = get_args(Similarity)
_NEIGHBOURS = {"cosine": CosineRecommender, "TF-IDF": TFIDFRecommender, "BM25": BM25Recommender}


class Popularity:
    """The support of each track, the same for every user."""

    def __init__(self, interactions: sp.csr_matrix) -> None:
        self._support = support_of(interactions).astype(np.float32)

    def __call__(self, users: Rows) -> Array:
        """Scores `(m, n_tracks)` float32."""
        # A read-only view instead of m equal rows.
        return np.broadcast_to(self._support, (len(users), len(self._support)))


class ItemNeighbours:
    """Item-based nearest neighbours from `implicit`: the summed similarity to the played tracks.

    Args:
        interactions: CSR `(n_users, n_tracks)` float32 confidences.
        neighbours: nearest neighbours kept per track.
        similarity: how interactions are weighted before cosines are taken.
    """

    def __init__(
        self, interactions: sp.csr_matrix, neighbours: int, similarity: Similarity
    ) -> None:
        model = _NEIGHBOURS[similarity](K=neighbours, num_threads=0)
        with warnings.catch_warnings():
            # implicit warns about a matrix format that it converts to itself.
            warnings.simplefilter("ignore", ParameterWarning)
            model.fit(interactions, show_progress=False)
        self._plays, self._similarity = interactions, model.similarity

    def __call__(self, users: Rows) -> Array:
        """Scores `(m, n_tracks)` float32."""
        return np.asarray((self._plays[users] @ self._similarity).toarray(), dtype=np.float32)


class BayesianRanking:
    """BPR (Rendle, Freudenthaler, Gantner and Schmidt-Thieme 2009) from `implicit`.

    Args:
        interactions: CSR `(n_users, n_tracks)`; positive confidences count as played.
        factors, learning_rate, regularization, iterations: named as in `implicit`. If the
            learning rate is so high that training diverges, all scores are 0.
        seed: of the initial factors and of the sampling.
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
            factors,
            learning_rate,
            regularization,
            iterations=iterations,
            random_state=seed,
            num_threads=1,  # more threads race, and the same seed would give other factors
        )
        # More threads of BLAS inside those of implicit slow it down.
        with threadpool_limits(1, "blas"):
            try:
                model.fit(sp.csr_matrix(interactions > 0, dtype=np.float32), show_progress=False)
            except ModelFitError:
                # Factors overflowed. In a search this setting must lose, not end the search.
                self._users, self._tracks = (
                    np.zeros((n, 1), np.float32) for n in interactions.shape
                )
                return
        self._users, self._tracks = model.user_factors, model.item_factors

    def __call__(self, users: Rows) -> Array:
        """Scores `(m, n_tracks)` float32."""
        return np.asarray(self._users[users] @ self._tracks.T, dtype=np.float32)


class Ease:
    """EASE (Steck 2019): a linear model of each track by the user's other tracks, in closed form.

    With interactions X and P = (X'X + lambda I)^-1, the scores are X - X P / diag(P). X P equals
    (XX' + lambda I)^-1 X, so only an `(n_users, n_users)` matrix is decomposed, once for all
    values of lambda.

    Args:
        interactions: CSR `(n_users, n_tracks)` confidences; positive ones count as 1.
    """

    def __init__(self, interactions: sp.csr_matrix) -> None:
        self._plays = sp.csr_matrix(interactions > 0, dtype=np.float64)

    @cached_property
    def _eigen(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        values, vectors = np.linalg.eigh((self._plays @ self._plays.T).toarray())
        # Rounding can make eigenvalues of this positive semi-definite matrix negative.
        return np.maximum(values, 0.0), vectors, np.asarray(vectors.T @ self._plays)

    def regularised(self, regularization: float) -> EaseScores:
        """The model for one lambda, which must be above 0."""
        values, vectors, rotated = self._eigen
        shrunk = rotated / (values + regularization)[:, None]
        # The diagonal of P by Woodbury's identity; P itself is (n_tracks, n_tracks).
        diagonal = (1.0 - (rotated * shrunk).sum(axis=0)) / regularization
        return EaseScores(self._plays, vectors, shrunk / diagonal)


class EaseScores:
    """EASE for one lambda; made by `Ease.regularised`."""

    def __init__(
        self, plays: sp.csr_matrix, vectors: NDArray[np.float64], shrunk: NDArray[np.float64]
    ) -> None:
        self._plays, self._vectors, self._shrunk = plays, vectors, shrunk

    def __call__(self, users: Rows) -> Array:
        """Scores `(m, n_tracks)` float32."""
        scores = self._plays[users].toarray() - self._vectors[users] @ self._shrunk
        return np.asarray(scores, dtype=np.float32)


class AudioNeighbours:
    """Nearest neighbours by audio: the summed cosines of a track to the user's played tracks.

    A played track contributes to its own nearest neighbours only.

    Args:
        interactions: CSR `(n_users, n_tracks)` confidences; positive ones count as played.
        embeddings: `(n_tracks, d)`, a row of NaN for a track without audio.
        neighbours: nearest neighbours kept per track.
        discount: a played track is weighted by support ** -discount.
        centred: whether the mean embedding is subtracted first, which spreads the cosines.
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
        offset = embedded.mean(axis=0) if centred else np.float32(0.0)
        directions = unit_length(embedded - offset)
        self._similarity = _nearest(directions, neighbours)
        # Tracks that everybody plays say little about a user.
        counts = np.maximum(support_of(interactions), 1) ** -discount
        weighted = sp.csr_matrix((interactions > 0).multiply(counts[None, :]))
        self._plays = weighted[:, self._has_audio]

    def __call__(self, users: Rows) -> Array:
        """Scores `(m, n_tracks)` float32, -inf for tracks without audio."""
        scores = np.full((len(users), len(self._has_audio)), -np.inf, dtype=np.float32)
        scores[:, self._has_audio] = (self._plays[users] @ self._similarity).toarray()
        return scores


def _nearest(directions: Array, neighbours: int) -> sp.csr_matrix:
    """Cosines of each row to its nearest other rows, CSR `(n, n)`."""
    k = max(1, min(neighbours, len(directions) - 1))
    graph = NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute").fit(directions)
    distances = graph.kneighbors_graph(mode="distance")
    distances.data = 1.0 - distances.data
    return distances
