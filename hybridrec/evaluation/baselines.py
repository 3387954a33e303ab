"""Recommenders to be measured against, as scores of all tracks for all users."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from hybridrec.data.interactions import support_of


def popularity_scores(interactions: sp.csr_matrix) -> NDArray[np.float32]:
    """The support of each track, the same for everybody, `(n_users, n_tracks)` float32."""
    return np.broadcast_to(support_of(interactions).astype(np.float32), interactions.shape)


def ease_scores(interactions: sp.csr_matrix, regularization: float = 100.0) -> NDArray[np.float32]:
    """EASE (Steck 2019): the linear model of a track by the other tracks of the same user, in closed form.

    With plays X and P = (X'X + lambda I)^-1 its scores are X - X P / diag(P). X P equals
    (XX' + lambda I)^-1 X, so only a matrix as large as the number of users is inverted.

    Args:
        interactions: CSR `(n_users, n_tracks)` confidences; what is positive counts as 1.
        regularization: lambda, above 0.

    Returns:
        `(n_users, n_tracks)` float32.
    """
    plays = (interactions > 0).astype(np.float64)
    kernel = (plays @ plays.T).toarray()
    kernel[np.diag_indices_from(kernel)] += regularization
    dense = plays.toarray()
    smoothed = cho_solve(cho_factor(kernel, overwrite_a=True), dense)
    diagonal = (1.0 - (dense * smoothed).sum(axis=0)) / regularization
    return np.asarray(dense - smoothed / diagonal, dtype=np.float32)
