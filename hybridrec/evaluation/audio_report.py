"""What an evaluation of ears found: every figure with its interval, every system beside ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hybridrec.evaluation.retrieval import FEWEST_IN_GROUP, Retrieval, group_retrieval, rows_of_groups
from hybridrec.evaluation.significance import (
    Difference,
    Mean,
    holm_corrected,
    mean_with_interval,
    paired_difference,
)

FEWEST_QUERIES = 2
"""Fewer give no interval."""

ROUNDS = 10_000
"""Resamples for a difference: enough for a small p-value to stay small after the correction."""


@dataclass(frozen=True)
class SystemFigures:
    """How one system does by one label.

    Attributes:
        system: its name.
        figures: `p_at_1`, `p_at_10` and `map`, means over queries.
        gain: mAP of the judged ears less that of this system, paired over queries; None for the judged ears.
        p_corrected: the gain's p-value, corrected for the number of systems after Holm.
    """

    system: str
    figures: dict[str, Mean]
    gain: Difference | None = None
    p_corrected: float | None = None


@dataclass(frozen=True)
class LabelFigures:
    """All systems by one label.

    Attributes:
        label: a column of the label table.
        queries, groups: tracks that were asked, and how many different labels they have.
        systems: the judged ears first.
    """

    label: str
    queries: int
    groups: int
    systems: list[SystemFigures]


@dataclass(frozen=True)
class ChangeFigures:
    """How often tracks were known again after a change.

    Attributes:
        change: what was done to them.
        tracks: how many were tried.
        recall: the share that found itself before all others.
    """

    change: str
    tracks: int
    recall: Mean


@dataclass(frozen=True)
class ChunkFigures:
    """mAP with the default number of chunks against all chunks.

    Attributes:
        label: a column of the label table.
        some, every: mAP with the default number of chunks, and with all.
        gain: the first less the second.
    """

    label: str
    some: Mean
    every: Mean
    gain: Difference


@dataclass(frozen=True)
class AudioReport:
    """An evaluation of ears.

    Attributes:
        ears: what they are called.
        fingerprint: names them exactly.
        tracks: how many were heard.
        skipped: the reason for each file that was not.
        labels: the retrieval figures.
        changes: recall@1 after changes; empty where that was not asked for.
        chunks: the price of not hearing whole tracks; empty where no track is longer than the default chunks.
        notes: what a reader must know to judge the figures.
        seed: of all resampling.
        seconds: wall-clock time of the run.
    """

    encoder: str
    fingerprint: str
    tracks: int
    skipped: dict[str, str]
    labels: list[LabelFigures]
    changes: list[ChangeFigures]
    chunks: list[ChunkFigures]
    notes: list[str]
    seed: int
    seconds: float


def compare_systems(
    label: str, groups: NDArray[np.int64], near: Mapping[str, NDArray[np.floating]], *, seed: int
) -> LabelFigures | None:
    """Ears beside other systems by one label.

    Args:
        label: its name.
        groups: `(n,)` int64, equal for tracks of one label; below zero for tracks of none.
        near: nearnesses `(n, n)` by system, higher is nearer; the judged ears first.
        seed: draws the resamples.

    Returns:
        None where the label has fewer than `FEWEST_QUERIES` queries.
    """
    kept = rows_of_groups(groups, FEWEST_IN_GROUP)
    if len(kept) < FEWEST_QUERIES:
        return None
    found = {system: group_retrieval(each, groups) for system, each in near.items()}
    ours, *others = found
    gains = [compare_map(found[ours], found[other], seed=seed) for other in others]
    corrected = holm_corrected(np.array([gain.p_value for gain in gains]))
    systems = [SystemFigures(ours, _with_intervals(found[ours], seed))]
    for other, gain, p_value in zip(others, gains, corrected, strict=True):
        systems.append(SystemFigures(other, _with_intervals(found[other], seed), gain, float(p_value)))
    return LabelFigures(label, len(kept), len(np.unique(groups[kept])), systems)


def compare_chunks(
    label: str, groups: NDArray[np.int64], some: NDArray[np.floating], every: NDArray[np.floating], *, seed: int
) -> ChunkFigures | None:
    """The price of hearing some chunks instead of all, by one label; nearnesses and groups as `compare_systems`."""
    if len(rows_of_groups(groups, FEWEST_IN_GROUP)) < FEWEST_QUERIES:
        return None
    few, all_ = group_retrieval(some, groups), group_retrieval(every, groups)
    some_mean, every_mean = (mean_with_interval(each.average_precision, seed=seed) for each in (few, all_))
    return ChunkFigures(label, some_mean, every_mean, compare_map(few, all_, seed=seed))


def compare_map(ours: Retrieval, theirs: Retrieval, *, seed: int) -> Difference:
    """The difference of two mAP, paired over queries."""
    return paired_difference(ours.average_precision, theirs.average_precision, seed=seed, rounds=ROUNDS)


def _with_intervals(found: Retrieval, seed: int) -> dict[str, Mean]:
    return {name: mean_with_interval(each, seed=seed) for name, each in found.figures().items()}
