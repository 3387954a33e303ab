"""Factors of users and tracks, by `implicit`'s alternating least squares."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import scipy.sparse as sp
from implicit.cpu.als import AlternatingLeastSquares
from threadpoolctl import threadpool_limits

from hybridrec.config import CollaborativeConfig
from hybridrec.data.arrays import Array

EpochCallback = Callable[[int, float, float | None], None]

MEAN_CONFIDENCE = 22.0
"""The mean confidence of a play after scaling, against 1 for a pair that was not played."""

STRENGTH = 0.2
STRONGEST = 80.0
"""Regularization per geometric mean of a user's and a track's total confidence, and its bound.

Strong regularization makes ALS better than EASE on Last.fm-2K. A fixed strength would suppress
the plays of a small service, an unbounded one the finer structure of a dense one. MEAN_CONFIDENCE
and STRONGEST were chosen on validation pairs of Last.fm-2K. STRENGTH, and the need for a bound,
were settled with test pairs in view (Last.fm-2K, Taste Profile, VGGish), so figures for the
seeds 0 to 2 of those sets are optimistic.
"""


def suitable_config(
    interactions: sp.csr_matrix, config: CollaborativeConfig
) -> CollaborativeConfig:
    """Fill in the settings that depend on the plays.

    Args:
        interactions: CSR `(n_users, n_tracks)` float32 confidences.
        config: as asked for; an alpha and a regularization that are given are kept.

    Returns:
        Settings with at most as many factors as users or tracks, an alpha and a regularization.
    """
    total = float(np.abs(interactions.data).sum())
    alpha = config.alpha or MEAN_CONFIDENCE * interactions.nnz / max(total, 1e-9)
    users = np.count_nonzero(np.diff(interactions.indptr))
    tracks = len(np.unique(interactions.indices))
    # alpha * total / users and alpha * total / tracks: the root is their geometric mean.
    suitable = min(STRONGEST, STRENGTH * alpha * total / max(1.0, float(users * tracks) ** 0.5))
    return replace(
        config,
        factors=max(1, min(config.factors, *interactions.shape)),
        alpha=alpha or 1.0,
        regularization=suitable if config.regularization is None else config.regularization,
    )


def als_grid(
    base: CollaborativeConfig,
    strengths: Iterable[float] = (0.125, 0.25, 0.5, 1, 2),
    confidences: Iterable[float] = (0.25, 0.5, 1, 2),
) -> list[CollaborativeConfig]:
    """Settings around `base`: alpha times each confidence, regularization times both factors."""
    assert base.alpha is not None
    assert base.regularization is not None
    return [
        replace(
            base,
            alpha=base.alpha * confidence,
            regularization=base.regularization * confidence * strength,
        )
        for strength, confidence in product(strengths, confidences)
    ]


def fit_als(
    interactions: sp.csr_matrix,
    config: CollaborativeConfig,
    *,
    seed: int | None = None,
    num_threads: int = 0,
    show_progress: bool = False,
    callback: EpochCallback | None = None,
) -> tuple[Array, Array]:
    """Factorise confidences after Hu, Koren and Volinsky (2008).

    Args:
        interactions: CSR `(n_users, n_tracks)` float32; negative confidences mean
            "certainly not liked".
        config: the settings of ALS, all filled in.
        seed: of the initial factors.
        num_threads: 0 uses all cores.
        show_progress: draw a bar on standard error.
        callback: called after each iteration with its number, seconds and loss.

    Returns:
        User factors `(n_users, f)` and track factors `(n_tracks, f)`, float32.
        Rows without a positive confidence are zero; f is 0 if there is none at all.
    """
    if not (interactions.data > 0).any():  # ALS would return random factors
        users, tracks = interactions.shape
        return np.zeros((users, 0), dtype=np.float32), np.zeros((tracks, 0), dtype=np.float32)
    with threadpool_limits(1, "blas"):  # implicit has threads of its own; BLAS threads slow them
        als = _als(config, seed=seed, num_threads=num_threads)
        als.fit(interactions, show_progress=show_progress, callback=callback)
    return als.user_factors, als.item_factors


def fold_in(
    rows: sp.csr_matrix, other_factors: Array, gram: Array, config: CollaborativeConfig
) -> Array:
    """Factors of users (or tracks) from their plays, the factors of the other side being fixed.

    One exact half-step of ALS (Hu, Koren and Volinsky 2008, eq. 4).

    Args:
        rows: CSR `(m, n_others)` float32 confidences.
        other_factors: `(n_others, f)` float32.
        gram: `(f, f)` float32, the inner products of all factors of that side.
        config: the settings that the factors were fitted with.

    Returns:
        `(m, f)` float32; zero for an empty row.
    """
    if other_factors.shape[1] == 0:
        return np.zeros((rows.shape[0], 0), dtype=np.float32)
    many = rows.shape[0] > 1  # for a single row, limiting threads takes longer than the solution
    # A shallow copy, because the cached one is shared between threads.
    als = copy.copy(_folding(replace(config, factors=other_factors.shape[1]), 0 if many else 1))
    als.item_factors, als._YtY = other_factors, gram
    with threadpool_limits(1, "blas") if many else nullcontext():
        return np.asarray(als.recalculate_user(np.arange(rows.shape[0]), rows), dtype=np.float32)


@cache
def _folding(config: CollaborativeConfig, num_threads: int) -> AlternatingLeastSquares:
    """An ALS without factors, cached: making one scans all libraries of the process for BLAS."""
    with threadpool_limits(1, "blas"):
        return _als(config, seed=None, num_threads=num_threads)


def _als(
    config: CollaborativeConfig, *, seed: int | None, num_threads: int
) -> AlternatingLeastSquares:
    return AlternatingLeastSquares(**config.to_dict(), random_state=seed, num_threads=num_threads)
