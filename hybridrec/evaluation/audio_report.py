"""Report of an evaluation of an audio encoder: metrics with intervals, beside other systems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybridrec.evaluation.former_keys import with_former_keys
from hybridrec.evaluation.retrieval import (
    FEWEST_IN_GROUP,
    Retrieval,
    group_retrieval,
    rows_of_groups,
)
from hybridrec.evaluation.significance import (
    Difference,
    Mean,
    holm_corrected,
    mean_with_interval,
    paired_difference,
)

FEWEST_QUERIES = 2
"""Fewer queries give no interval."""

ROUNDS = 10_000
"""Resamples of a difference: enough for a small p-value to stay small after the correction."""

FORMER_KEYS = {
    "encoder": "ears",
    "p_holm": "p_corrected",
    "robustness": "changes",
    "default_chunks": "some",
    "all_chunks": "every",
}
"""Former names of JSON keys, by present name."""


@dataclass(frozen=True)
class SystemFigures:
    """The retrieval metrics of one system for one label.

    Attributes:
        system: its name.
        figures: `p_at_1`, `p_at_10` and `map`, means over queries.
        gain: mAP of the judged encoder - mAP of this system, paired over queries; None for
            the judged encoder itself.
        p_holm: the p-value of the gain, corrected after Holm for the number of systems.
    """

    system: str
    figures: dict[str, Mean]
    gain: Difference | None = None
    p_holm: float | None = None


@dataclass(frozen=True)
class LabelFigures:
    """All systems for one label.

    Attributes:
        label: a column of the label table.
        queries, groups: number of queries, and of different labels among them.
        systems: the judged encoder first.
    """

    label: str
    queries: int
    groups: int
    systems: list[SystemFigures]


@dataclass(frozen=True)
class ChangeFigures:
    """How often a changed copy finds its original.

    Attributes:
        change: what was done to the tracks, in words.
        tracks: number of tracks.
        recall: recall@1, the share of copies whose nearest track is their original.
    """

    change: str
    tracks: int
    recall: Mean


@dataclass(frozen=True)
class ChunkFigures:
    """mAP with the default number of chunks per track against all chunks.

    Attributes:
        label: a column of the label table.
        default_chunks, all_chunks: mAP of either.
        gain: the first - the second, paired over queries.
    """

    label: str
    default_chunks: Mean
    all_chunks: Mean
    gain: Difference


@dataclass(frozen=True)
class AudioReport:
    """An evaluation of an encoder.

    Attributes:
        encoder: its name.
        fingerprint: identifies it exactly.
        tracks: number of tracks that were embedded.
        skipped: the reason for each file that could not be embedded.
        labels: retrieval metrics.
        robustness: recall@1 of changed copies; empty if that was not asked for.
        chunks: the price of not embedding whole tracks; empty if the default number of chunks
            covers every track.
        notes: what a reader must know to judge the figures.
        seed: of all resampling.
        seconds: wall-clock time of the run.
    """

    encoder: str
    fingerprint: str
    tracks: int
    skipped: dict[str, str]
    labels: list[LabelFigures]
    robustness: list[ChangeFigures]
    chunks: list[ChunkFigures]
    notes: list[str]
    seed: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON; renamed keys are repeated under their former names."""
        found: dict[str, Any] = with_former_keys(asdict(self), FORMER_KEYS)
        return found


def compare_systems(
    label: str,
    groups: NDArray[np.int64],
    similarities: Mapping[str, NDArray[np.floating]],
    *,
    seed: int,
) -> LabelFigures | None:
    """Compare an encoder with other systems for one label.

    Args:
        label: its name.
        groups: `(n,)` int64, equal for tracks of one label; negative for tracks without one.
        similarities: `(n, n)` by system, higher is nearer; the judged encoder first.
        seed: of the resampling.

    Returns:
        None if the label has fewer than `FEWEST_QUERIES` queries.
    """
    queries = rows_of_groups(groups, FEWEST_IN_GROUP)
    if len(queries) < FEWEST_QUERIES:
        return None
    found = {system: group_retrieval(each, groups) for system, each in similarities.items()}
    ours, *others = found
    all_gains = [compare_map(found[ours], found[other], seed=seed) for other in others]
    # Corrected within one label: each label is a question of its own.
    corrected = holm_corrected(np.array([gain.p_value for gain in all_gains]))
    systems = [SystemFigures(ours, _with_intervals(found[ours], seed))]
    for other, gain, p_value in zip(others, all_gains, corrected, strict=True):
        figures = _with_intervals(found[other], seed)
        systems.append(SystemFigures(other, figures, gain, float(p_value)))
    return LabelFigures(label, len(queries), len(np.unique(groups[queries])), systems)


def compare_chunks(
    label: str,
    groups: NDArray[np.int64],
    default_chunks: NDArray[np.floating],
    all_chunks: NDArray[np.floating],
    *,
    seed: int,
) -> ChunkFigures | None:
    """Compare embeddings of the default number of chunks with those of all chunks.

    Args:
        label, groups, seed: as in `compare_systems`.
        default_chunks, all_chunks: similarities `(n, n)`.

    Returns:
        None if the label has fewer than `FEWEST_QUERIES` queries.
    """
    if len(rows_of_groups(groups, FEWEST_IN_GROUP)) < FEWEST_QUERIES:
        return None
    # Both rank the same tracks for the same queries, so the difference is paired by query.
    some, every = (group_retrieval(each, groups) for each in (default_chunks, all_chunks))
    return ChunkFigures(
        label,
        mean_with_interval(some.average_precision, seed=seed),
        mean_with_interval(every.average_precision, seed=seed),
        compare_map(some, every, seed=seed),
    )


def compare_map(ours: Retrieval, theirs: Retrieval, *, seed: int) -> Difference:
    """The difference of two mAP, paired over queries."""
    own, other = ours.average_precision, theirs.average_precision
    return paired_difference(own, other, seed=seed, rounds=ROUNDS)


def _with_intervals(found: Retrieval, seed: int) -> dict[str, Mean]:
    return {name: mean_with_interval(each, seed=seed) for name, each in found.figures().items()}
