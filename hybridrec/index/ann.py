"""Approximate search in large catalogues: a few hundred candidates that the true scores then rank.

Vectors are first turned and cut to the directions in which queries tell them
apart, then kept as `faiss` keeps them best on a processor: in cells (Jegou,
Douze and Schmid 2011), each vector as 4-bit codes that are compared in
registers (Andre, Kermarrec and Le Scouarnec 2015). How many cells are looked
into is measured when the index is built, not guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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
CANDIDATES = 500
AIMED_RECALL = 0.997
JUDGED_AT = 10
"""Recall is of this many best rows."""

_BLOCK_ROWS = 50_000
_TRAINED_PER_CELL = 48
_RIDGE = 1e-2


@dataclass
class AnnIndex:
    """An index of vectors by row, for queries of inner product.

    Attributes:
        turn_queries: `(d, k)` float32, from queries to the space that is searched.
        turn_vectors: `(d, k)` float32, from vectors to that space.
        cells: what `faiss` keeps.
        n_probe: how many cells a query looks into.
        n_candidates: how many rows it brings back.
        recall: share of the true best rows among them, as measured when it was built.
    """

    turn_queries: Array
    turn_vectors: Array
    cells: faiss.IndexIVF
    n_probe: int
    n_candidates: int
    recall: float

    @classmethod
    def build(cls, vectors: Vectors, rows: NDArray[np.int64], queries: Array, *, seed: int = 0) -> Self:
        """Index some rows, and find out how far a query must look.

        Args:
            vectors: gives the vectors of some rows.
            rows: `(n,)`, which to index.
            queries: `(m, d)` float32 of the kind that will be asked, some hundreds; half of
                them shape the index, the others judge it.
            seed: same seed, same index.
        """
        rng = np.random.default_rng(seed)
        shaping, judging = queries[::2], queries[1::2]
        n_cells = max(1, min(round(2 * len(rows) ** 0.5), len(rows) // 40))
        sample = vectors(np.sort(rng.permutation(rows)[: _TRAINED_PER_CELL * n_cells]))
        turn_queries, turn_vectors = _turns(sample, shaping)
        cells = _empty_cells(turn_vectors.shape[1], n_cells, seed)
        cells.train(sample @ turn_vectors)
        index = cls(turn_queries, turn_vectors, cells, 1, CANDIDATES, 0.0)
        for block in _blocks(rows):
            index.add(block, vectors(block))
        index._look_far_enough(judging, _true_best(vectors, rows, judging))
        return index

    def __len__(self) -> int:
        return int(self.cells.ntotal)

    def add(self, rows: NDArray[np.int64], vectors: Array) -> None:
        """Index some rows, beside what is known of them already; `(k,)` int64 and `(k, d)` float32."""
        self.cells.add_with_ids(vectors @ self.turn_vectors, rows)

    def near(self, query: Array, n: int, spare: int = 0, wanted: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """Rows among which the n best for a query most probably are, in no order.

        Args:
            query: `(d,)` float32.
            n: how many best rows are wanted; for more of them, more candidates come.
            spare: how many more candidates shall come, because so many may have to be left out.
            wanted: `(rows,)` bool, which rows may come; None: all. The fewer may, the more
                cells are looked into.

        Returns:
            `(k,)` int64, no row twice.
        """
        import faiss

        n_probe = self.n_probe
        selector = None
        if wanted is not None:
            share = max(1, int(np.count_nonzero(wanted))) / max(1, len(wanted))
            n_probe = min(self.cells.nlist, round(n_probe / share))
            selector = faiss.IDSelectorBitmap(np.packbits(wanted, bitorder="little"))
        faiss.omp_set_num_threads(1)
        parameters = faiss.SearchParametersIVF(nprobe=n_probe, sel=selector)
        count = max(self.n_candidates, 5 * n) + spare
        _, found = self.cells.search((query @ self.turn_queries)[None, :], count, params=parameters)
        return np.unique(found[0][found[0] >= 0])

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All that makes the index, without the cells, which `faiss` writes."""
        return {
            "turn_queries": self.turn_queries,
            "turn_vectors": self.turn_vectors,
            "reach": np.array([self.n_probe, self.n_candidates]),
            "recall": np.array(self.recall),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], cells: faiss.IndexIVF) -> Self:
        """What `to_arrays` took apart."""
        n_probe, n_candidates = arrays["reach"].tolist()
        return cls(
            arrays["turn_queries"], arrays["turn_vectors"], cells, n_probe, n_candidates, float(arrays["recall"])
        )

    def _look_far_enough(self, queries: Array, truth: NDArray[np.int64]) -> None:
        """Look into more cells, and then bring back more, until the aimed recall is reached or all is looked into."""
        doublings = range(1 + int(np.ceil(np.log2(self.cells.nlist))))
        for self.n_candidates, doubling in product((CANDIDATES, 2 * CANDIDATES, 4 * CANDIDATES), doublings):
            self.n_probe = min(self.cells.nlist, 2**doubling)
            self.recall = self._recall(queries, truth)
            if self.recall >= AIMED_RECALL:
                return

    def _recall(self, queries: Array, truth: NDArray[np.int64]) -> float:
        shares = [np.isin(true, self.near(query, JUDGED_AT)).mean() for query, true in zip(queries, truth, strict=True)]
        return float(np.mean(shares))


def _empty_cells(dimensions: int, n_cells: int, seed: int) -> Any:
    import faiss

    cells = faiss.index_factory(dimensions, f"IVF{n_cells},PQ{dimensions // 2}x4fs", faiss.METRIC_INNER_PRODUCT)
    cells.cp.niter, cells.cp.seed, cells.pq.cp.seed = 8, seed, seed
    return cells


def _turns(vectors: Array, queries: Array) -> tuple[Array, Array]:
    """Maps of queries and of vectors into one space, inner products kept but for what is cut off.

    Both are stretched so that queries point everywhere alike; the directions in which
    the vectors then vary most are those that decide the scores.
    """
    moment = queries.T.astype(np.float64) @ queries / len(queries)
    moment += _RIDGE * np.trace(moment) / len(moment) * np.eye(len(moment))
    values, axes = np.linalg.eigh(moment)
    stretch, back = (axes * np.sqrt(values)) @ axes.T, (axes / np.sqrt(values)) @ axes.T
    stretched = vectors @ stretch
    _, principal = np.linalg.eigh(stretched.T @ stretched)
    kept = min(MOST_DIMENSIONS, len(principal) // 2 * 2)
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
