"""Retrieval metrics: known answers worked out by hand, and agreement with scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from hybridrec.errors import InvalidInput
from hybridrec.evaluation.retrieval import (
    cosines,
    found_first,
    group_retrieval,
    neighbourhood_agreement,
)

ANGLES = np.deg2rad([0, 10, 19, 90, 100, 5])
CIRCLE = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1).astype(np.float32)


def test_well_separated_groups_are_retrieved_completely() -> None:
    found = group_retrieval(cosines(CIRCLE), np.array([1, 1, 1, 2, 2, -1]), fewest=2)
    assert found.means() == {"map": 1.0, "p_at_1": 1.0, "p_at_10": 1.0}


def test_a_pair_between_another_pair_has_known_metrics() -> None:
    found = group_retrieval(cosines(CIRCLE[:4]), np.array([2, 1, 1, 2]), fewest=2)
    assert found.average_precision == pytest.approx([1 / 3, 1, 1, 1 / 3])
    assert found.p_at_1.tolist() == [0, 1, 1, 0]
    assert found.means()["p_at_10"] == 1.0


def test_mean_average_precision_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    near, groups = rng.random((60, 60)), rng.integers(0, 6, 60)
    found = group_retrieval(near, groups)
    others = ~np.eye(60, dtype=bool)
    theirs = [
        average_precision_score(groups[o] == groups[i], near[i, o]) for i, o in enumerate(others)
    ]
    np.testing.assert_allclose(found.average_precision, theirs)


def test_p_at_10_is_relative_to_the_most_that_ten_can_contain() -> None:
    groups = np.array([0] * 14 + [1] * 4)
    near = (groups[:, None] == groups).astype(float)
    assert group_retrieval(near, groups).means()["p_at_10"] == 1.0
    assert group_retrieval(-near, groups).p_at_10[0] == pytest.approx(6 / 10)


def test_small_groups_are_neither_queries_nor_answers() -> None:
    assert group_retrieval(np.eye(3), np.array([0, 0, 1])).means() == {}
    near = cosines(CIRCLE)
    small = np.array([1, 1, 1, 1, 2, -1])
    np.testing.assert_array_equal(
        group_retrieval(near, small).average_precision,
        group_retrieval(near[:4, :4], small[:4]).average_precision,
    )


def test_a_copy_is_found_if_it_is_nearer_than_all_others() -> None:
    assert found_first(CIRCLE + 0.01, CIRCLE).tolist() == [1.0] * 6
    assert found_first(CIRCLE[[1, 0, 2]], CIRCLE[:3]).tolist() == [0.0, 0.0, 1.0]


def test_identical_vectors_find_nothing() -> None:
    assert found_first(np.ones((4, 3)), np.ones((4, 3))).sum() == 0


def test_neighbours_agree_for_separated_tags_and_by_chance_for_random_ones() -> None:
    rng = np.random.default_rng(0)
    tags = np.repeat([0, 1, 2, 3], 50)
    apart = np.eye(8)[tags] + 0.01 * rng.normal(size=(200, 8))
    agreement, chance = neighbourhood_agreement(apart, tags, k=10)
    assert agreement == 1.0
    assert chance == pytest.approx(49 / 199)
    agreement, chance = neighbourhood_agreement(rng.normal(size=(200, 8)), tags, k=10)
    assert agreement == pytest.approx(chance, abs=0.05)


def test_vectors_with_nan_are_refused() -> None:
    with pytest.raises(InvalidInput, match="must be finite"):
        cosines(np.array([[np.nan, 1.0]]))
