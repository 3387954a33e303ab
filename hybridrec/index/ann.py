"""Approximate search in a large catalogue: some hundred candidates, to be ranked by exact scores.

Vectors are projected to the directions that matter for the queries' scores and kept by `faiss`
as an inverted file (Jegou, Douze and Schmid 2011) of 4-bit codes that are compared in registers
(Andre, Kermarrec and Le Scouarnec 2015). How many cells a query must probe is measured when the
index is built.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from hybridrec.data.arrays import Array, Mask, Rows
from hybridrec.data.top_k import top_k

if TYPE_CHECKING:
    import faiss

Vectors = Callable[[Rows], Array]
"""Gives the vectors of some rows, `(k,)` int64 to `(k, d)` float32."""

MOST_DIMENSIONS = 256
MOST_CODES = 128
"""Codes of 4 bits a vector: one for each dimension, or for each two where there are more."""

TARGET_RECALL = 0.995
RECALL_AT = 20
"""Recall is measured over this many best rows: an answer of ten leaves out played tracks."""

_CANDIDATES = (500, 1000, 2000)
_CODES_A_CANDIDATE = 100
"""Scoring a candidate exactly takes as long as comparing this many codes."""

_LEAST_CHOICE = 10
"""Codes to compare for each candidate, at least; fewer would leave no choice among them."""

_NEARLY = 0.005  # of recall: a setting this close to the best one found is good enough
_BLOCK_ROWS = 50_000  # rows whose vectors are in memory at a time
_TRAINED_PER_CELL = 48  # faiss warns below 39 vectors a centroid
_RIDGE = 1e-2  # share of the queries' mean variance, so that no direction is stretched without end


@dataclass(frozen=True)
class SearchParameters:
    """How much of the index a query searches, and the recall that this gives.

    Attributes:
        n_probe: number of cells that are searched.
        n_candidates: number of rows returned.
        recall: share of the true best rows among them, as measured when the index was built.
    """

    n_probe: int
    n_candidates: int
    recall: float


@dataclass
class AnnIndex:
    """An index of vectors by row, for queries of inner product.

    Attributes:
        turn_queries: `(d, k)` float32, projects queries to the searched space.
        turn_vectors: `(d, k)` float32, projects vectors to that space.
        cells: the inverted file of `faiss`.
        search_parameters: for each kind of query that it was built for.
    """

    turn_queries: Array
    turn_vectors: Array
    cells: faiss.IndexIVF
    search_parameters: list[SearchParameters]

    @classmethod
    def build(
        cls, vectors: Vectors, rows: Rows, queries: Sequence[Array], *, seed: int = 0
    ) -> Self:
        """Index some rows, and measure how much of the index each kind of query must search.

        Args:
            vectors: gives the vectors of some rows.
            rows: `(n,)`, which to index.
            queries: of each kind that will be asked, `(m, d)` float32, some hundreds; half of
                them shape the index, the others measure its recall.
            seed: same seed, same index.
        """
        rng = np.random.default_rng(seed)
        n_cells = max(1, min(round(2 * len(rows) ** 0.5), len(rows) // 40))
        sample = vectors(np.sort(rng.permutation(rows)[: _TRAINED_PER_CELL * n_cells]))
        # Even queries shape the index, odd ones measure it: none does both.
        turn_queries, turn_vectors = turns(sample, np.vstack([kind[::2] for kind in queries]))
        cells = _empty_cells(turn_vectors.shape[1], n_cells, seed)
        cells.train(sample @ turn_vectors)
        index = cls(turn_queries, turn_vectors, cells, [])
        for block in _blocks(rows):
            index.add(block, vectors(block))
        index._measure(vectors, rows, [kind[1::2] for kind in queries])
        return index

    def _measure(self, vectors: Vectors, rows: Rows, kinds: Sequence[Array]) -> None:
        """Choose the search parameters of each kind of query, `(m, d)` float32 each."""
        ends = np.cumsum([len(kind) for kind in kinds])[:-1]
        truth = np.split(_true_best(vectors, rows, np.vstack(kinds)), ends)
        pairs = zip(kinds, truth, strict=True)
        self.search_parameters = [self._sufficient(kind, best_rows) for kind, best_rows in pairs]

    def __len__(self) -> int:
        return int(self.cells.ntotal)

    def add(self, rows: Rows, vectors: Array) -> None:
        """Index rows `(k,)` by vectors `(k, d)` float32; earlier vectors of a row stay, too."""
        self.cells.add_with_ids(vectors @ self.turn_vectors, rows)

    def near(
        self,
        query: Array,
        search: SearchParameters,
        spare: int = 0,
        wanted: Mask | None = None,
    ) -> Rows:
        """Candidates for the best rows of a query.

        Args:
            query: `(d,)` float32.
            search: how much of the index to search.
            spare: how many more candidates to return than `search` says.
            wanted: `(rows,)` bool, the only rows that may be returned; None: all. The fewer they
                are, the more cells are searched.

        Returns:
            `(k,)` int64; a row that was added twice may be returned twice.
        """
        import faiss

        n_probe, selector = search.n_probe, None
        if wanted is not None:
            # Unwanted rows fill the nearest cells too: the fewer are wanted, the more cells.
            share = max(1, int(np.count_nonzero(wanted))) / max(1, len(wanted))
            n_probe = min(self.cells.nlist, round(n_probe / share))
            selector = faiss.IDSelectorBitmap(np.packbits(wanted, bitorder="little"))
        faiss.omp_set_num_threads(1)  # requests run in parallel already
        parameters = faiss.SearchParametersIVF(nprobe=n_probe, sel=selector)
        turned = (query @ self.turn_queries)[None, :]
        _, found = self.cells.search(turned, search.n_candidates + spare, params=parameters)
        return np.asarray(found[0][found[0] >= 0])  # faiss fills up with -1

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that makes the index but the cells, which `faiss` writes."""
        parameters = np.array([dataclasses.astuple(search) for search in self.search_parameters])
        return {
            "turn_queries": self.turn_queries,
            "turn_vectors": self.turn_vectors,
            "search_parameters": parameters,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], cells: faiss.IndexIVF) -> Self:
        """The index that `to_arrays` took apart."""
        search_parameters = [
            SearchParameters(int(n_probe), int(n_candidates), recall)
            for n_probe, n_candidates, recall in arrays["search_parameters"]
        ]
        return cls(arrays["turn_queries"], arrays["turn_vectors"], cells, search_parameters)

    def _sufficient(self, queries: Array, truth: Rows) -> SearchParameters:
        """The cheapest parameters with the target recall, or else nearly the best recall found."""
        tried = []
        for n_probe, n_candidates in self._settings_by_cost():
            tried.append(self._measured(n_probe, n_candidates, queries, truth))
            if tried[-1].recall >= TARGET_RECALL:
                return tried[-1]
        highest = max(search.recall for search in tried)
        return next(search for search in tried if search.recall >= highest - _NEARLY)

    def _settings_by_cost(self) -> list[tuple[int, int]]:
        """Numbers of cells and of candidates to try, cheapest first."""
        n_cells, codes_a_cell = self.cells.nlist, len(self) / self.cells.nlist
        doublings = range(1 + int(np.ceil(np.log2(n_cells))))
        probes = [min(n_cells, 2**doubling) for doubling in doublings]
        settings = [
            (n_probe, n_candidates)
            for n_probe, n_candidates in product(probes, _CANDIDATES)
            if n_probe == n_cells or n_probe * codes_a_cell >= _LEAST_CHOICE * n_candidates
        ]
        return sorted(settings, key=lambda s: s[0] * codes_a_cell / _CODES_A_CANDIDATE + s[1])

    def _measured(
        self, n_probe: int, n_candidates: int, queries: Array, truth: Rows
    ) -> SearchParameters:
        """The recall of some parameters: queries `(m, d)` and their true best rows `(m, k)`."""
        search = SearchParameters(n_probe, n_candidates, 0.0)
        found = [
            np.isin(best_rows, self.near(query, search)).mean()
            for query, best_rows in zip(queries, truth, strict=True)
        ]
        return dataclasses.replace(search, recall=float(np.mean(found)))


def _empty_cells(dimensions: int, n_cells: int, seed: int) -> Any:
    import faiss

    codes = dimensions if dimensions <= MOST_CODES else dimensions // 2
    recipe = f"IVF{n_cells},PQ{codes}x4fsr"
    cells = faiss.index_factory(dimensions, recipe, faiss.METRIC_INNER_PRODUCT)
    cells.cp.niter, cells.cp.seed, cells.pq.cp.seed = 8, seed, seed
    return cells


def turns(vectors: Array, queries: Array, dimensions: int = MOST_DIMENSIONS) -> tuple[Array, Array]:
    """Projections of queries and of vectors to one smaller space that keeps inner products.

    Queries are whitened and vectors stretched inversely, which leaves inner products as they
    are; the directions in which the vectors then vary most are those that decide the scores,
    and only they are kept.

    Args:
        vectors: `(n, d)` float32, a sample.
        queries: `(m, d)` float32, a sample.
        dimensions: how many are kept at most.

    Returns:
        `(d, k)` float32 for queries, and for vectors; k is even, as the codes need it.
    """
    moment = queries.T.astype(np.float64) @ queries / len(queries)
    moment += _RIDGE * np.trace(moment) / len(moment) * np.eye(len(moment))
    values, axes = np.linalg.eigh(moment)
    stretch = (axes * np.sqrt(values)) @ axes.T
    whiten = (axes / np.sqrt(values)) @ axes.T
    stretched = vectors @ stretch
    _, principal = np.linalg.eigh(stretched.T @ stretched)
    n_kept = min(dimensions, len(principal) // 2 * 2)
    principal = principal[:, ::-1][:, :n_kept]
    return (whiten @ principal).astype(np.float32), (stretch @ principal).astype(np.float32)


def _true_best(vectors: Vectors, rows: Rows, queries: Array) -> Rows:
    """The best `RECALL_AT` rows for each query by exact search, `(m, k)`, block by block."""
    found = np.zeros((len(queries), 0), dtype=np.int64)
    scores = np.zeros((len(queries), 0), dtype=np.float32)
    # Only the best so far are kept: memory must not grow with the catalogue.
    for block in _blocks(rows):
        scores = np.hstack([scores, queries @ vectors(block).T])
        found = np.hstack([found, np.tile(block, (len(queries), 1))])
        places, scores = top_k(scores, RECALL_AT)
        found = np.take_along_axis(found, places, axis=1)
    return found


def _blocks(rows: Rows) -> Iterator[Rows]:
    for start in range(0, len(rows), _BLOCK_ROWS):
        yield rows[start : start + _BLOCK_ROWS]
