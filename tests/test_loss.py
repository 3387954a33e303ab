"""NT-Xent against a plain implementation and cases that can be worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridrec.encoder.loss import nt_xent


def unit_rows(n: int, d: int, seed: int) -> torch.Tensor:
    rows = np.random.default_rng(seed).normal(size=(n, d))
    return torch.from_numpy(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def plain_nt_xent(
    first: torch.Tensor, second: torch.Tensor, temperature: float, groups: list[int]
) -> float:
    """The same, one pair at a time, as the paper writes it."""
    n = len(first)
    rows = [*first.tolist(), *second.tolist()]
    total = 0.0
    for i in range(2 * n):
        similarities = {}
        for j in range(2 * n):
            partner, alike = j % n == i % n, groups[j % n] == groups[i % n]
            if j != i and (partner or not alike):
                similarities[j] = math.exp(
                    sum(a * b for a, b in zip(rows[i], rows[j], strict=True)) / temperature
                )
        total -= math.log(similarities[(i + n) % (2 * n)] / sum(similarities.values()))
    return total / (2 * n)


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(2, 6),
    seed=st.integers(0, 1000),
    temperature=st.floats(0.05, 2.0),
    n_groups=st.integers(1, 6),
)
def test_it_agrees_with_the_plain_implementation(
    n: int, seed: int, temperature: float, n_groups: int
) -> None:
    first, second = unit_rows(n, 5, seed), unit_rows(n, 5, seed + 1)
    groups = [i % n_groups for i in range(n)]
    got = nt_xent(first, second, temperature=temperature, groups=torch.tensor(groups))
    assert float(got) == pytest.approx(plain_nt_xent(first, second, temperature, groups), rel=1e-9)


def test_without_groups_every_other_track_is_different() -> None:
    first, second = unit_rows(4, 6, 1), unit_rows(4, 6, 2)
    assert float(nt_xent(first, second, temperature=0.2)) == pytest.approx(
        plain_nt_xent(first, second, 0.2, [0, 1, 2, 3])
    )


def test_two_tracks_at_right_angles() -> None:
    rows = torch.eye(2)
    # A row finds its partner (cosine 1) among itself left out, the partner, and two at cosine 0.
    assert float(nt_xent(rows, rows, temperature=1.0)) == pytest.approx(
        math.log((math.e + 2) / math.e), rel=1e-6
    )


def test_when_all_sounds_alike_it_is_a_guess_among_the_others() -> None:
    rows = torch.ones(8, 4) / 2
    assert float(nt_xent(rows, rows, temperature=0.1)) == pytest.approx(math.log(15), rel=1e-5)


def test_one_group_alone_leaves_only_the_partner_to_find() -> None:
    first, second = unit_rows(4, 3, 1), unit_rows(4, 3, 2)
    assert float(
        nt_xent(first, second, temperature=0.1, groups=torch.zeros(4, dtype=torch.int64))
    ) == pytest.approx(0)


def test_its_gradient_draws_partners_together() -> None:
    first, second = unit_rows(6, 8, 3).requires_grad_(), unit_rows(6, 8, 4)
    nt_xent(first, second, temperature=0.5).backward()
    assert first.grad is not None
    moved = torch.nn.functional.normalize(first.detach() - 0.5 * first.grad)
    assert float((moved * second).sum()) > float((first.detach() * second).sum())


def test_tiny_temperatures_stay_finite_in_float32() -> None:
    first, second = unit_rows(6, 8, 3).float().requires_grad_(), unit_rows(6, 8, 4).float()
    loss = nt_xent(first, second, temperature=0.01, groups=torch.tensor([0, 0, 1, 1, 2, 2]))
    loss.backward()
    assert torch.isfinite(loss)
    assert first.grad is not None
    assert torch.isfinite(first.grad).all()
