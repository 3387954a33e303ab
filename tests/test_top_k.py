"""Top-k selection: best first, ties by column, for any k."""

from __future__ import annotations

import numpy as np
import pytest

from hybridrec.data.top_k import top_k


@pytest.mark.parametrize("k", [1, 3, 7, 40, 100])
def test_ties_are_ordered_by_column_for_every_k(k: int) -> None:
    scores = np.random.default_rng(0).integers(0, 4, (30, 40)).astype(np.float32)
    columns, found = top_k(scores, k)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(columns, expected)
    np.testing.assert_array_equal(found, np.take_along_axis(scores, expected, axis=1))


def test_excluded_columns_come_last_and_keep_their_score() -> None:
    columns, found = top_k(np.array([[-np.inf, 1.0, -np.inf, 2.0]], dtype=np.float32), 3)
    assert columns.tolist() == [[3, 1, 0]]
    assert found.tolist() == [[2.0, 1.0, -np.inf]]


def test_no_column_is_returned_for_k_zero_or_an_empty_catalogue() -> None:
    assert top_k(np.ones((2, 3), dtype=np.float32), 0)[0].shape == (2, 0)
    assert top_k(np.ones((2, 0), dtype=np.float32), 5)[0].shape == (2, 0)
