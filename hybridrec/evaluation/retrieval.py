"""How well vectors of sound bring together what belongs together, query by query."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hybridrec.data.embeddings import unit_length

FEWEST_IN_GROUP = 4
TOP = 10


@dataclass(frozen=True)
class Retrieval:
    """What each query found of its group.

    Figures are `(n_queries,)` float64 in 0..1.

    Attributes:
        p_at_1: 1 where the nearest track is of the group, else 0.
        p_at_10: hits among the ten nearest, over what ten could hold.
        average_precision: over the whole ranking; its mean is the mAP.
    """

    p_at_1: NDArray[np.float64]
    p_at_10: NDArray[np.float64]
    average_precision: NDArray[np.float64]

    def figures(self) -> dict[str, NDArray[np.float64]]:
        """All figures by their usual short names."""
        return {"p_at_1": self.p_at_1, "p_at_10": self.p_at_10, "map": self.average_precision}

    def means(self) -> dict[str, float]:
        """The means over queries; empty where there was none."""
        return {name: float(each.mean()) for name, each in self.figures().items() if len(each)}


def cosines(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Cosines of all pairs, `(n, d)` to `(n, n)` float32.

    Raises:
        InvalidInput: if a value is NaN or infinite.
    """
    unit = unit_length(vectors)
    return unit @ unit.T


def group_retrieval(
    similarities: NDArray[np.floating], groups: NDArray[np.int64], fewest: int = FEWEST_IN_GROUP
) -> Retrieval:
    """How well tracks find the others of their group (an artist, an album) among all grouped tracks.

    Args:
        similarities: `(n, n)`, higher is nearer; a row is a query. The diagonal does not count.
        groups: `(n,)` int64, equal for tracks of one group; below zero for tracks of none.
        fewest: smaller groups are left out, as queries and as answers.
    """
    kept = rows_of_groups(groups, fewest)
    near = similarities[np.ix_(kept, kept)].astype(np.float64)
    np.fill_diagonal(near, -np.inf)
    ranked = groups[kept][np.argsort(-near, axis=1, kind="stable")[:, : max(len(kept) - 1, 0)]]
    relevant = ranked == groups[kept][:, None]
    found, ranks = relevant.sum(axis=1), np.arange(1, relevant.shape[1] + 1)
    precision = np.where(relevant, relevant.cumsum(axis=1) / ranks, 0.0).sum(axis=1) / found
    top = relevant[:, :TOP].sum(axis=1) / np.minimum(TOP, found)
    return Retrieval(relevant[:, :1].sum(axis=1).astype(np.float64), top, precision)


def rows_of_groups(groups: NDArray[np.int64], fewest: int = FEWEST_IN_GROUP) -> NDArray[np.int64]:
    """Rows whose group has so many members or more, ascending `(n,)` int64."""
    names, sizes = np.unique(groups[groups >= 0], return_counts=True)
    return np.flatnonzero(np.isin(groups, names[sizes >= fewest]))


def found_first(queries: NDArray[np.floating], answers: NDArray[np.floating]) -> NDArray[np.float64]:
    """Whether each query is nearer to its own answer than to any other: recall@1, track by track.

    Args:
        queries, answers: `(n, d)`; row i of one belongs to row i of the other.

    Returns:
        `(n,)` float64, 1 or 0; a tie with another is not found.
    """
    near = unit_length(queries) @ unit_length(answers).T
    own = near.diagonal().copy()
    np.fill_diagonal(near, -np.inf)
    return np.asarray(own > near.max(axis=1), dtype=np.float64)


def neighbourhood_agreement(vectors: NDArray[np.floating], groups: NDArray[np.int64], k: int) -> tuple[float, float]:
    """How often near tracks are of one group, against chance.

    Args:
        vectors: `(n, d)`, two or more.
        groups: `(n,)` int64, one a track.
        k: nearest neighbours that are looked at; at most n - 1 are.

    Returns:
        The mean share of a track's k nearest (by cosine) that are of its group, and the same of k drawn at random.
    """
    near = cosines(vectors)
    np.fill_diagonal(near, -np.inf)
    nearest = np.argsort(-near, axis=1, kind="stable")[:, : min(k, len(groups) - 1)]
    sizes = np.bincount(groups)[groups]
    return float((groups[nearest] == groups[:, None]).mean()), float((sizes - 1).mean() / (len(groups) - 1))
