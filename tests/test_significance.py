"""Intervals and significance tests: agreement with the t-test, pairing, correction."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from hybridrec.errors import InvalidInput
from hybridrec.evaluation.significance import holm_corrected, mean_with_interval, paired_difference

THEIRS = np.random.default_rng(0).random(400)


def better_by(gain: float) -> np.ndarray:
    """Figures of 400 users that are better than THEIRS by a mean gain, with noise."""
    return THEIRS + np.random.default_rng(1).normal(gain, 0.05, 400)


def test_a_real_difference_is_found_with_its_size() -> None:
    found = paired_difference(better_by(0.02), THEIRS, seed=0)
    assert 0 < found.low < found.mean < found.high
    assert found.low < 0.02 < found.high
    assert found.p_value < 0.01


def test_interval_and_p_value_agree_with_the_t_test_where_that_holds() -> None:
    ours = better_by(0.004)
    theirs = stats.ttest_rel(ours, THEIRS)
    found = paired_difference(ours, THEIRS, seed=0, rounds=5000)
    assert found.p_value == pytest.approx(theirs.pvalue, abs=0.02)
    assert (found.low, found.high) == pytest.approx(tuple(theirs.confidence_interval()), abs=0.0007)


def test_random_differences_are_seldom_significant() -> None:
    draws = np.random.default_rng(1).normal(0.0, 0.05, (60, 2, 50))
    p_values = [paired_difference(a, b, seed=0, rounds=200).p_value for a, b in draws]
    assert np.mean(np.array(p_values) < 0.05) < 0.15


def test_equal_values_do_not_differ() -> None:
    found = paired_difference(THEIRS, THEIRS, seed=0)
    assert (found.mean, found.low, found.high, found.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_exchanging_the_systems_changes_the_sign() -> None:
    ours = better_by(0.02)
    assert (
        paired_difference(ours, THEIRS, seed=0).mean
        == -paired_difference(THEIRS, ours, seed=0).mean
    )


def test_the_seed_alone_decides() -> None:
    ours = better_by(0.002)
    assert paired_difference(ours, THEIRS, seed=5) == paired_difference(ours, THEIRS, seed=5)


def test_users_without_both_values_are_left_out() -> None:
    ours, theirs = np.array([0.5, np.nan, 0.5, 0.7]), np.array([0.4, 0.1, np.nan, 0.6])
    found = paired_difference(ours, theirs, seed=0)
    assert found.n_users == 2
    assert found.mean == pytest.approx(0.1)


def test_repeating_the_same_runs_does_not_narrow_the_interval() -> None:
    ours = better_by(0.004)
    once, thrice = (
        paired_difference(np.tile(ours, (n, 1)), np.tile(THEIRS, (n, 1)), seed=0) for n in (1, 3)
    )
    assert thrice.low == pytest.approx(once.low)
    assert thrice.p_value == once.p_value


def test_the_interval_of_a_mean_agrees_with_the_t_test_where_that_holds() -> None:
    found = mean_with_interval(THEIRS, seed=0, rounds=5000)
    theirs = stats.ttest_1samp(THEIRS, 0.0).confidence_interval()
    assert found.mean == THEIRS.mean()
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.004)


def test_one_value_gives_no_interval() -> None:
    with pytest.raises(InvalidInput, match="two values or more"):
        mean_with_interval(np.array([0.5]), seed=0)


def test_one_user_gives_no_comparison() -> None:
    with pytest.raises(InvalidInput, match="two users or more"):
        paired_difference(np.array([0.5]), np.array([0.4]), seed=0)


def test_several_comparisons_are_corrected_for() -> None:
    np.testing.assert_allclose(holm_corrected(np.array([0.01, 0.04, 0.03])), [0.03, 0.06, 0.06])
    np.testing.assert_allclose(holm_corrected(np.array([0.9, 0.8])), [1.0, 1.0])
