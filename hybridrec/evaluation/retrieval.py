"""Retrieval metrics of audio embeddings, query by query."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hybridrec.data.embeddings import unit_length
from hybridrec.data.top_k import top_k

FEWEST_IN_GROUP = 4
"""Smaller groups say more about chance than about an embedding."""

TOP = 10
"""Ranks that P@10 looks at."""


@dataclass(frozen=True)
class Retrieval:
    """How well each query retrieves the other tracks of its group.

    All metrics are `(n_queries,)` float64 in 0..1.

    Attributes:
        p_at_1: 1 where the nearest track belongs to the group, else 0.
        p_at_10: hits among the ten nearest, over the most that ten could contain.
        average_precision: over the whole ranking; its mean is the mAP.
    """

    p_at_1: NDArray[np.float64]
    p_at_10: NDArray[np.float64]
    average_precision: NDArray[np.float64]

    def figures(self) -> dict[str, NDArray[np.float64]]:
        """All metrics by their usual short names."""
        return {"p_at_1": self.p_at_1, "p_at_10": self.p_at_10, "map": self.average_precision}

    def means(self) -> dict[str, float]:
        """The means over queries; empty without queries."""
        return {name: float(each.mean()) for name, each in self.figures().items() if len(each)}


def cosines(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Cosine similarities of all pairs, `(n, d)` to `(n, n)` float32.

    Raises:
        InvalidInput: if a value is NaN or infinite.
    """
    unit = unit_length(vectors)
    return unit @ unit.T


def group_retrieval(
    similarities: NDArray[np.floating], groups: NDArray[np.int64], fewest: int = FEWEST_IN_GROUP
) -> Retrieval:
    """How well tracks retrieve the others of their group (an artist, an album).

    Args:
        similarities: `(n, n)`, higher is nearer; a row is a query. The diagonal is ignored.
        groups: `(n,)` int64, equal for tracks of one group; negative for tracks without one.
        fewest: smaller groups are left out, as queries and as answers.
    """
    rows = rows_of_groups(groups, fewest)
    groups = groups[rows]
    near = similarities[np.ix_(rows, rows)].astype(np.float64)
    np.fill_diagonal(near, -np.inf)
    # The query itself, at -inf, is last and cut off.
    order = np.argsort(-near, axis=1, kind="stable")[:, : max(len(rows) - 1, 0)]
    relevant = groups[order] == groups[:, None]
    # Every group has at least two members, so every query has something to find.
    found, ranks = relevant.sum(axis=1), np.arange(1, relevant.shape[1] + 1)
    precision = np.where(relevant, relevant.cumsum(axis=1) / ranks, 0.0).sum(axis=1) / found
    top = relevant[:, :TOP].sum(axis=1) / np.minimum(TOP, found)
    return Retrieval(relevant[:, :1].sum(axis=1).astype(np.float64), top, precision)


def rows_of_groups(groups: NDArray[np.int64], fewest: int = FEWEST_IN_GROUP) -> NDArray[np.int64]:
    """Rows whose group has at least `fewest` members, `(m,)` int64, ascending."""
    names, sizes = np.unique(groups[groups >= 0], return_counts=True)
    return np.flatnonzero(np.isin(groups, names[sizes >= fewest]))


def found_first(
    queries: NDArray[np.floating], answers: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Whether each query is nearer to its own answer than to any other: recall@1 per track.

    Args:
        queries, answers: `(n, d)`; row i of one belongs to row i of the other.

    Returns:
        `(n,)` float64, 1 or 0; a tie with another track counts as 0.
    """
    near = unit_length(queries) @ unit_length(answers).T
    own = near.diagonal().copy()
    np.fill_diagonal(near, -np.inf)
    # Strictly greater: if all vectors are equal, nothing is found.
    return np.asarray(own > near.max(axis=1), dtype=np.float64)


def neighbourhood_agreement(
    vectors: NDArray[np.floating], groups: NDArray[np.int64], k: int
) -> tuple[float, float]:
    """How often nearest neighbours belong to the same group, and how often by chance.

    Args:
        vectors: `(n, d)`, two rows or more.
        groups: `(n,)` int64, one per track, 0 or greater.
        k: nearest neighbours to look at; at most n - 1 are.

    Returns:
        The mean share of a track's k nearest (by cosine) that are in its group, and the
        expected share for k tracks drawn at random.
    """
    n = len(groups)
    near = cosines(vectors)
    np.fill_diagonal(near, -np.inf)
    nearest = top_k(near, min(k, n - 1))[0]
    agreement = (groups[nearest] == groups[:, None]).mean()
    others_in_group = np.bincount(groups)[groups] - 1
    return float(agreement), float(others_in_group.mean() / (n - 1))
