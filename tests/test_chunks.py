"""The positions of chunks in a track."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hybridrec.audio.chunks import looped, regular_starts

lengths = st.integers(1, 500_000_000)
chunks = st.integers(1, 2_000_000)
counts = st.integers(1, 1000)


@given(lengths, chunks, counts)
def test_chunks_lie_in_the_track_in_ascending_order(length: int, chunk: int, limit: int) -> None:
    starts = regular_starts(length, chunk, limit)
    assert 1 <= len(starts) <= limit
    assert starts[0] >= 0
    assert starts[-1] <= max(0, length - chunk)
    assert (np.diff(starts) >= 0).all()


@given(lengths, chunks, counts)
def test_chunks_are_evenly_spaced_and_symmetric(length: int, chunk: int, limit: int) -> None:
    starts = regular_starts(length, chunk, limit)
    inner = np.diff(starts)[1:-1]
    assert np.ptp(inner) <= 1 if len(inner) else True
    assert abs(starts[0] - (max(chunk, length) - chunk - starts[-1])) <= 1


@given(st.integers(1, 1_000_000), st.integers(1000, 100_000))
def test_enough_chunks_cover_the_whole_track(length: int, chunk: int) -> None:
    starts = regular_starts(length, chunk, limit=1000)
    assert starts[0] == 0
    assert starts[-1] + chunk >= length
    assert (np.diff(starts) <= chunk).all()


def test_chunks_of_a_long_track_leave_out_its_ends() -> None:
    starts = [29, 89, 149, 209]  # the first is at 28.5; halves go up
    assert regular_starts(240, 3, 4).tolist() == starts


def test_a_track_shorter_than_a_chunk_has_one() -> None:
    assert regular_starts(100, 300, 10).tolist() == [0]


@given(st.integers(1, 50), st.integers(1, 200))
def test_looping_repeats_from_the_start(n: int, length: int) -> None:
    samples = np.arange(n, dtype=np.float32)
    assert looped(samples, length).tolist() == [i % n for i in range(length)]
