"""The learned metric: which differences between embeddings matter to listeners."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hybridrec.data.arrays import Array

RIDGE = 30.0
"""Of the linear map from embeddings to factors; 3 to 300 give the same on validation plays."""


def learned_metric(
    embeddings: Array, directions: Array, trust: NDArray[np.float64], share: float
) -> Array:
    """The matrix that stretches the embedding space along directions that separate listeners.

    With W the ridge regression from embeddings to directions of factors, it is
    (1 - s) I + s (W W')^1/2, the second term scaled to the same total variance: distances in
    that term are distances of the predicted factors. It is one step of the linear case of
    learning features from gradients (Radhakrishnan, Beaglehole, Pandit and Belkin 2024). The
    share s falls where played tracks are few against the dimensions: n / (n + d) of it is left.

    Args:
        embeddings: `(n, d)` float32, standardised.
        directions: `(n, f)` directions of factors less their mean.
        trust: `(n,)` reliability of each track's direction, 0 to 1.
        share: 0 keeps the space as it is, 1 stretches it as far as the plays allow.

    Returns:
        `(d, d)` float32, symmetric; multiplies standardised embeddings from the right.
    """
    dimensions = embeddings.shape[1]
    identity = np.eye(dimensions)
    weighted = embeddings.astype(np.float64) * trust[:, None]
    gram = weighted.T @ embeddings + RIDGE * identity
    to_factors = np.linalg.solve(gram, weighted.T @ directions)
    values, vectors = np.linalg.eigh(to_factors @ to_factors.T)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    variance = float((root**2).sum())
    if variance < 1e-18:  # no plays: nothing to learn from
        return identity.astype(np.float32)
    share *= float(trust.sum()) / (float(trust.sum()) + dimensions)
    stretched = root * np.sqrt(dimensions / variance)
    return np.asarray((1.0 - share) * identity + share * stretched, dtype=np.float32)
