"""Approximate search in large catalogues: a few hundred candidates that the true scores then rank.

Vectors are first turned and cut to the directions in which queries tell them
apart, then kept as `faiss` keeps them best on a processor: in cells (Jegou,
Douze and Schmid 2011), each vector as 4-bit codes that are compared in
registers (Andre, Kermarrec and Le Scouarnec 2015). How many cells are looked
into is measured when the index is built, not guessed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from hybridrec.index.exact import best

if TYPE_CHECKING:
    import faiss

Array = NDArray[np.float32]
Vectors = Callable[[NDArray[np.int64]], Array]
"""Gives the vectors of some rows, `(k,)` int64 to `(k, d)` float32."""

MOST_DIMENSIONS = 256
MOST_CODES = 128
"""Of 4 bits each a vector: one for each dimension, or for each two where there are more."""

AIMED_RECALL = 0.995
JUDGED_AT = 20
"""Recall is of this many best rows: an answer of ten leaves out what the user has played."""

_CANDIDATES = (500, 1000, 2000)
_CODES_A_CANDIDATE = 100
"""A candidate takes as long to score as so many codes take to compare."""

_LEAST_CHOICE = 10
"""From so many codes at least is each candidate chosen."""

_NEARLY = 0.005
_BLOCK_ROWS = 50_000
_TRAINED_PER_CELL = 48
_RIDGE = 1e-2


@dataclass(frozen=True)
class SearchParameters:
    """How far a query looks, and what that finds.

    Attributes:
        n_probe: how many cells it looks into.
        n_candidates: how many rows it brings back.
        recall: share of the true best rows among them, as measured when the index was built.
    """

    n_probe: int
    n_candidates: int
    recall: float


@dataclass
class AnnIndex:
    """An index of vectors by row, for queries of inner product.

    Attributes:
        turn_queries: `(d, k)` float32, from queries to the space that is searched.
        turn_vectors: `(d, k)` float32, from vectors to that space.
        cells: what `faiss` keeps.
        reaches: for each kind of query that it was built for.
    """

    turn_queries: Array
    turn_vectors: Array
    cells: faiss.IndexIVF
    search_parameters: list[SearchParameters]

    @classmethod
    def build(cls, vectors: Vectors, rows: NDArray[np.int64], queries: Sequence[Array], *, seed: int = 0) -> Self:
        """Index some rows, and find out how far a query must look.

        Args:
            vectors: gives the vectors of some rows.
            rows: `(n,)`, which to index.
            queries: of each kind that will be asked, `(m, d)` float32, some hundreds; half of
                them shape the index, the others judge it.
            seed: same seed, same index.
        """
        rng = np.random.default_rng(seed)
        n_cells = max(1, min(round(2 * len(rows) ** 0.5), len(rows) // 40))
        sample = vectors(np.sort(rng.permutation(rows)[: _TRAINED_PER_CELL * n_cells]))
        turn_queries, turn_vectors = turns(sample, np.vstack([kind[::2] for kind in queries]))
        cells = _empty_cells(turn_vectors.shape[1], n_cells, seed)
        cells.train(sample @ turn_vectors)
        index = cls(turn_queries, turn_vectors, cells, [])
        for block in _blocks(rows):
            index.add(block, vectors(block))
        judging = [kind[1::2] for kind in queries]
        truth = np.split(_true_best(vectors, rows, np.vstack(judging)), np.cumsum([len(kind) for kind in judging])[:-1])
        index.search_parameters = [index._far_enough(kind, best) for kind, best in zip(judging, truth, strict=True)]
        return index

    def __len__(self) -> int:
        return int(self.cells.ntotal)

    def add(self, rows: NDArray[np.int64], vectors: Array) -> None:
        """Index some rows, beside what is known of them already; `(k,)` int64 and `(k, d)` float32."""
        self.cells.add_with_ids(vectors @ self.turn_vectors, rows)

    def near(
        self, query: Array, search: SearchParameters, spare: int = 0, wanted: NDArray[np.bool_] | None = None
    ) -> NDArray[np.int64]:
        """Rows among which the best for a query most probably are.

        Args:
            query: `(d,)` float32.
            reach: how far it looks.
            spare: how many more candidates shall come than it brings back.
            wanted: `(rows,)` bool, which rows may come; None: all. The fewer may, the more
                cells are looked into.

        Returns:
            `(k,)` int64; a row that was added anew may come twice.
        """
        import faiss

        n_probe, selector = search.n_probe, None
        if wanted is not None:
            share = max(1, int(np.count_nonzero(wanted))) / max(1, len(wanted))
            n_probe = min(self.cells.nlist, round(n_probe / share))
            selector = faiss.IDSelectorBitmap(np.packbits(wanted, bitorder="little"))
        faiss.omp_set_num_threads(1)
        parameters = faiss.SearchParametersIVF(nprobe=n_probe, sel=selector)
        turned = (query @ self.turn_queries)[None, :]
        _, found = self.cells.search(turned, search.n_candidates + spare, params=parameters)
        return np.asarray(found[0][found[0] >= 0])

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All that makes the index, without the cells, which `faiss` writes."""
        return {
            "turn_queries": self.turn_queries,
            "turn_vectors": self.turn_vectors,
            "reaches": np.array([dataclasses.astuple(search) for search in self.search_parameters]),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], cells: faiss.IndexIVF) -> Self:
        """What `to_arrays` took apart."""
        search_parameters = [
            SearchParameters(int(probe), int(candidates), recall) for probe, candidates, recall in arrays["reaches"]
        ]
        return cls(arrays["turn_queries"], arrays["turn_vectors"], cells, search_parameters)

    def _far_enough(self, queries: Array, truth: NDArray[np.int64]) -> SearchParameters:
        """The cheapest reach that has the aimed recall, or else nearly the best that can be had."""
        cells, a_cell = self.cells.nlist, len(self) / self.cells.nlist
        probes = [min(cells, 2**doubling) for doubling in range(1 + int(np.ceil(np.log2(cells))))]
        pairs = [(n, k) for n, k in product(probes, _CANDIDATES) if n == cells or n * a_cell >= _LEAST_CHOICE * k]
        tried = []
        for n_probe, n_candidates in sorted(pairs, key=lambda pair: pair[0] * a_cell / _CODES_A_CANDIDATE + pair[1]):
            tried.append(self._measured(n_probe, n_candidates, queries, truth))
            if tried[-1].recall >= AIMED_RECALL:
                return tried[-1]
        best = max(search.recall for search in tried)
        return next(search for search in tried if search.recall >= best - _NEARLY)

    def _measured(self, n_probe: int, n_candidates: int, queries: Array, truth: NDArray[np.int64]) -> SearchParameters:
        search = SearchParameters(n_probe, n_candidates, 0.0)
        found = [np.isin(best, self.near(query, search)).mean() for query, best in zip(queries, truth, strict=True)]
        return dataclasses.replace(search, recall=float(np.mean(found)))


def _empty_cells(dimensions: int, n_cells: int, seed: int) -> Any:
    import faiss

    codes = dimensions if dimensions <= MOST_CODES else dimensions // 2
    cells = faiss.index_factory(dimensions, f"IVF{n_cells},PQ{codes}x4fsr", faiss.METRIC_INNER_PRODUCT)
    cells.cp.niter, cells.cp.seed, cells.pq.cp.seed = 8, seed, seed
    return cells


def turns(vectors: Array, queries: Array, dimensions: int = MOST_DIMENSIONS) -> tuple[Array, Array]:
    """Maps of queries and of vectors into one smaller space, inner products kept but for what is cut off.

    Both are stretched so that queries point everywhere alike; the directions in which
    the vectors then vary most are those that decide the scores.

    Args:
        vectors: `(n, d)` float32, a sample.
        queries: `(m, d)` float32, a sample.
        dimensions: how many are kept at most.

    Returns:
        `(d, k)` float32 for queries, and for vectors; k is even.
    """
    moment = queries.T.astype(np.float64) @ queries / len(queries)
    moment += _RIDGE * np.trace(moment) / len(moment) * np.eye(len(moment))
    values, axes = np.linalg.eigh(moment)
    stretch, back = (axes * np.sqrt(values)) @ axes.T, (axes / np.sqrt(values)) @ axes.T
    stretched = vectors @ stretch
    _, principal = np.linalg.eigh(stretched.T @ stretched)
    kept = min(dimensions, len(principal) // 2 * 2)
    principal = principal[:, ::-1][:, :kept]
    return (back @ principal).astype(np.float32), (stretch @ principal).astype(np.float32)


def _true_best(vectors: Vectors, rows: NDArray[np.int64], queries: Array) -> NDArray[np.int64]:
    found = np.zeros((len(queries), 0), dtype=np.int64)
    scores = np.zeros((len(queries), 0), dtype=np.float32)
    for block in _blocks(rows):
        scores = np.hstack([scores, queries @ vectors(block).T])
        found = np.hstack([found, np.tile(block, (len(queries), 1))])
        places, scores = best(scores, JUDGED_AT)
        found = np.take_along_axis(found, places, axis=1)
    return found


def _blocks(rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(rows), _BLOCK_ROWS):
        yield rows[start : start + _BLOCK_ROWS]
