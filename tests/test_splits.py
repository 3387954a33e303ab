"""The training and held-out parts have no pair in common, and together hold every pair."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from hybridrec.data.play_table import PlayTable
from hybridrec.data.splits import Split, split_by_time, split_cold_tracks, split_last, split_pairs
from hybridrec.errors import InvalidInput

Splitter = Callable[..., Split]


def plays(seed: int = 0) -> sp.csr_matrix:
    return sp.random(60, 40, density=0.3, format="csr", dtype=np.float32, random_state=seed)


@given(
    seed=st.integers(0, 1000),
    share=st.floats(0.05, 0.95),
    split=st.sampled_from([split_pairs, split_cold_tracks]),
)
def test_each_pair_is_on_exactly_one_side(seed: int, share: float, split: Splitter) -> None:
    everything = plays(seed)
    parts: Split = split(everything, share, seed=seed)
    assert parts.train.multiply(parts.held_out).nnz == 0
    assert (parts.train + parts.held_out != everything).nnz == 0


@pytest.mark.parametrize("split", [split_pairs, split_cold_tracks])
def test_only_the_seed_decides(split: Splitter) -> None:
    once, again, other = split(plays(), seed=3), split(plays(), seed=3), split(plays(), seed=4)
    assert (once.held_out != again.held_out).nnz == 0
    assert (once.held_out != other.held_out).nnz > 0


def test_about_the_share_of_the_pairs_is_held_out() -> None:
    everything = sp.csr_matrix(np.ones((200, 100), dtype=np.float32))
    assert split_pairs(everything, 0.2, seed=0).held_out.nnz == pytest.approx(
        0.2 * everything.nnz, rel=0.05
    )


def test_a_cold_track_keeps_no_play() -> None:
    parts = split_cold_tracks(plays(), 0.25, seed=0)
    hidden = np.unique(parts.held_out.indices)
    assert len(hidden) == 10
    assert parts.train[:, hidden].nnz == 0


def test_validation_is_split_from_the_training_part_and_disjoint_from_the_test() -> None:
    test = split_pairs(plays(), seed=0)
    validation = split_pairs(test.train, seed=1)
    assert validation.held_out.multiply(test.held_out).nnz == 0


def test_every_track_is_in_one_bucket_by_its_training_support() -> None:
    listeners = [0, 1, 2, 3, 7, 8, 19, 20, 25]
    train = sp.csr_matrix(np.arange(25)[:, None] < np.array(listeners), dtype=np.float32)
    buckets = Split(train, sp.csr_matrix(train.shape)).buckets()
    found = {name: [listeners[row] for row in rows] for name, rows in buckets.items()}
    assert found == {"0": [0], "1-2": [1, 2], "3-7": [3, 7], "8-19": [8, 19], "20+": [20, 25]}


def test_skips_give_no_support() -> None:
    skipped = sp.csr_matrix(-np.ones((5, 1), dtype=np.float32))
    assert Split(skipped, sp.csr_matrix((5, 1))).buckets()["0"].tolist() == [0]


@pytest.mark.parametrize("share", [0.0, 1.0, -0.2, 1.5, float("nan")])
@pytest.mark.parametrize("split", [split_pairs, split_cold_tracks])
def test_a_share_that_leaves_a_part_empty_is_refused(split: Splitter, share: float) -> None:
    with pytest.raises(InvalidInput, match=r"above 0 and below 1"):
        split(plays(), share, seed=0)


def table(
    *plays: tuple[int, int, float],
    weights: list[float] | None = None,
    shape: tuple[int, int] = (3, 6),
) -> PlayTable:
    """Plays as user, track, time."""
    users, tracks, times = zip(*plays, strict=True)
    told = np.ones(len(plays)) if weights is None else np.array(weights)
    return PlayTable(np.array(users), np.array(tracks), np.array(times, dtype=float), told, shape)


def pairs_of(part: sp.csr_matrix) -> set[tuple[int, int]]:
    return {(int(user), int(track)) for user, track in zip(*part.nonzero(), strict=True)}


def test_the_last_track_of_a_user_is_held_out_with_all_its_plays() -> None:
    """User 0 plays track 0 again after track 1; user 2 has played one track only."""
    parts = split_last(
        table((0, 0, 1), (0, 1, 5), (0, 1, 6), (0, 0, 9), (1, 2, 4), (1, 3, 2), (2, 4, 7))
    )
    assert pairs_of(parts.held_out) == {(0, 1), (1, 2)}
    assert pairs_of(parts.train) == {(0, 0), (1, 3), (2, 4)}


def test_a_skipped_track_is_not_held_out() -> None:
    parts = split_last(table((0, 0, 1), (0, 1, 2), (0, 2, 3), weights=[1.0, 1.0, -1.0]))
    assert pairs_of(parts.held_out) == {(0, 1)}


def test_everything_new_after_a_point_in_time_is_held_out() -> None:
    """Eight plays before the time and two after it, one of a track that its user had played."""
    before = [
        (0, 0, 1),
        (0, 1, 2),
        (1, 0, 3),
        (1, 2, 4),
        (1, 3, 5),
        (2, 1, 6),
        (2, 2, 7),
        (2, 3, 8),
    ]
    parts = split_by_time(table(*before, (0, 0, 9), (1, 4, 10)), 0.2)
    assert pairs_of(parts.held_out) == {(1, 4)}
    assert pairs_of(parts.train) == {(user, track) for user, track, _ in before}
    assert parts.train[0, 0] == 1.0  # the later play of a known track counts in neither part


def test_equal_times_do_not_leave_the_training_part_empty() -> None:
    parts = split_by_time(table((0, 0, 5), (1, 1, 5), (2, 2, 5), (0, 3, 6)), 0.5)
    assert pairs_of(parts.train) == {(0, 0), (1, 1), (2, 2)}


@pytest.mark.parametrize("split", [split_by_time, split_last])
@pytest.mark.parametrize("times", [(1.0, np.nan), (1.0, 1.0)])
def test_plays_without_times_cannot_be_split_by_time(
    split: Callable[[PlayTable], Split], times: tuple[float, float]
) -> None:
    with pytest.raises(InvalidInput, match="some have no time"):
        split(table((0, 0, times[0]), (0, 1, times[1])))
