"""The learnt map from an embedding to the factor space, so that a cold track has factors too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RIDGES = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
FOLDS = 5
FEWEST_TRACKS = 10


@dataclass(frozen=True)
class Projection:
    """An affine map: `embedding @ weights + offset`.

    Attributes:
        weights: `(d, f)` float32.
        offset: `(f,)` float32.
    """

    weights: NDArray[np.float32]
    offset: NDArray[np.float32]

    def __call__(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Project `(n, d)` embeddings to `(n, f)` float32 factors."""
        return np.asarray(embeddings @ self.weights + self.offset, dtype=np.float32)


def identity_projection(dimensions: int) -> Projection:
    """The map of a library without plays: the factor space is the embedding space itself."""
    return Projection(np.eye(dimensions, dtype=np.float32), np.zeros(dimensions, dtype=np.float32))


def fit_projection(
    embeddings: NDArray[np.float32], factors: NDArray[np.float32], support: NDArray[np.int64], *, seed: int = 0
) -> Projection:
    """Learn the map from tracks that were both heard and played.

    Ridge regression (scikit-learn), tracks weighted by how well their factors are
    known; the strength of the ridge is chosen by cross-validation over tracks.
    A regression shrinks towards the mean, so projected factors come out shorter
    than played ones and would lose every comparison: the map is stretched
    until their spread is that of the played ones.

    Fewer than ten tracks teach nothing of sound: the map is then their mean.

    Args:
        embeddings: `(n, d)` float32 at unit length.
        factors: `(n, f)` float32 of the same tracks.
        support: `(n,)` int64 listeners of the same tracks, each at least 1.
        seed: draws the folds.
    """
    from sklearn.linear_model import Ridge  # slow to import, and only fitting needs it

    if len(embeddings) < FEWEST_TRACKS:
        centre = factors.mean(axis=0) if len(factors) else np.zeros(factors.shape[1])
        return Projection(np.zeros((embeddings.shape[1], factors.shape[1]), np.float32), centre.astype(np.float32))
    trust = support / (support + 2.0)
    scale = np.maximum(embeddings.std(axis=0), 1e-6)
    standardised = embeddings / scale
    strength = min(RIDGES, key=lambda ridge: _held_out_error(standardised, factors, trust, ridge, seed))
    model = Ridge(alpha=strength).fit(standardised, factors, sample_weight=trust)
    weights = (model.coef_.T / scale[:, None]).astype(np.float32)
    projection = Projection(weights, np.asarray(model.intercept_, dtype=np.float32))
    return _stretched(projection, embeddings, factors, trust)


def _held_out_error(
    inputs: NDArray[np.float32], targets: NDArray[np.float32], trust: NDArray[np.float64], ridge: float, seed: int
) -> float:
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import KFold

    folds = KFold(min(FOLDS, len(inputs)), shuffle=True, random_state=seed)
    error = 0.0
    for train, held_out in folds.split(inputs):
        model = Ridge(alpha=ridge).fit(inputs[train], targets[train], sample_weight=trust[train])
        residual = model.predict(inputs[held_out]) - targets[held_out]
        error += float((trust[held_out, None] * residual**2).sum())
    return error


def _stretched(
    projection: Projection, embeddings: NDArray[np.float32], factors: NDArray[np.float32], trust: NDArray[np.float64]
) -> Projection:
    projected = projection(embeddings)
    centre = np.average(projected, axis=0, weights=trust)
    spread = np.sqrt(np.average(((projected - centre) ** 2).sum(axis=1), weights=trust))
    wanted = np.sqrt(np.average(((factors - centre) ** 2).sum(axis=1), weights=trust))
    stretch = np.float32(wanted / spread) if spread > 1e-6 else np.float32(1.0)
    offset = np.asarray(centre + (projection.offset - centre) * stretch, dtype=np.float32)
    return Projection(projection.weights * stretch, offset)
