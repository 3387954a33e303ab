"""Which differences of sound matter to listeners: a bent embedding space."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

RIDGE = 30.0
"""Of the linear map from sound to taste; anything from 3 to 300 does as well on validation."""


def learned_metric(embeddings: Array, directions: Array, trust: NDArray[np.float64], share: float) -> Array:
    """The matrix that stretches an embedding space along what tells tastes apart, and shrinks it elsewhere.

    With W the ridge regression from embeddings to directions of factors, it is
    (1 - s) I + s (W W')^1/2, the second part scaled to the same total variance: distances in
    that part are distances of the foretold tastes. It is one step of the linear case of learning
    features from gradients (Radhakrishnan, Beaglehole, Pandit and Belkin 2024). The share s falls
    as the played tracks are few against the dimensions: n / (n + d) of it is left.

    Args:
        embeddings: `(n, d)` float32, standardised.
        directions: `(n, f)` directions of factors less their mean.
        trust: `(n,)` how much each track's direction is to be believed, 0 to 1.
        share: 0 keeps the space as it is, 1 bends it as far as the plays allow.

    Returns:
        `(d, d)` float32, symmetric; standardised embeddings times this are the bent ones.
    """
    dimensions = embeddings.shape[1]
    straight = np.eye(dimensions)
    weighted = embeddings.astype(np.float64) * trust[:, None]
    preference = np.linalg.solve(weighted.T @ embeddings + RIDGE * straight, weighted.T @ directions)
    values, vectors = np.linalg.eigh(preference @ preference.T)
    learned = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    spread = float((learned**2).sum())
    if spread < 1e-18:
        return straight.astype(np.float32)
    share *= float(trust.sum()) / (float(trust.sum()) + dimensions)
    return np.asarray((1.0 - share) * straight + share * learned * np.sqrt(dimensions / spread), dtype=np.float32)
