"""Leaving out one play of a user gives the same as folding in from the others."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from hybridrec.collaborative.als import fold_in
from hybridrec.collaborative.leave_one_out import fold_in_without_each
from hybridrec.config import CollaborativeConfig

CONFIG = CollaborativeConfig(factors=6, alpha=3.0, regularization=0.7)
USERS, TRACKS = 12, 20


def test_each_play_left_out_is_a_fold_in_of_the_others() -> None:
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(TRACKS, 6)).astype(np.float32)
    gram = factors.T @ factors
    plays = sp.random(
        USERS, TRACKS, 0.3, "csr", np.float32, rng, data_rvs=lambda n: rng.normal(1.0, 2.0, n)
    )
    found = fold_in_without_each(plays, plays, factors, gram, CONFIG)
    owners = np.repeat(np.arange(USERS), np.diff(plays.indptr))
    assert len(found) == plays.nnz > USERS
    for entry, (user, track) in enumerate(zip(owners, plays.indices, strict=True)):
        others = plays[user].copy()
        others.data[others.indices == track] = 0.0
        others.eliminate_zeros()
        expected = fold_in(sp.csr_matrix(others, dtype=np.float32), factors, gram, CONFIG)[0]
        np.testing.assert_allclose(found[entry], expected, rtol=2e-3, atol=2e-4)


def test_a_play_of_another_user_changes_nothing_and_without_plays_factors_are_zero() -> None:
    factors = np.eye(3, 2, dtype=np.float32) + np.float32(0.1)
    gram = factors.T @ factors
    plays = sp.csr_matrix(np.array([[1.0, 2.0, 0.0], [0.0, 0.0, 0.0]], dtype=np.float32))
    others = sp.csr_matrix(np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]], dtype=np.float32))
    config = CollaborativeConfig(factors=2, alpha=3.0, regularization=0.7)
    found = fold_in_without_each(plays, others, factors, gram, config)
    np.testing.assert_allclose(found[0], fold_in(plays[:1], factors, gram, config)[0], rtol=1e-4)
    assert not found[1].any()
