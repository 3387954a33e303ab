"""Libraries for approximate search by inner product, behind one interface.

Only faiss is a dependency; each library is imported when it is used.
"""

from __future__ import annotations

import importlib
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from hybridrec.data.arrays import Array, Mask, Rows

CENTRING_ROUNDS, TRAINED_PER_CELL = 8, 48
"""For the centres of cells: iterations of k-means, and sampled tracks for each cell."""

SEED = 0


class ComparedIndex(ABC):
    """An index of one library, not yet built.

    Args:
        links: of a node in a graph, twice as many on the lowest level; often called M.
        build_effort: nodes visited to insert a new one; often called ef_construction.

    Attributes:
        package: the distribution to install.
        efforts: settings of the search, ascending, as multiples of the number of candidates.
        filters: whether `find` accepts the rows that it may return.
        index: the library's own object, once built or loaded.
    """

    package: ClassVar[str]
    module: ClassVar[str]
    efforts: ClassVar[tuple[float, ...]] = (1, 1.4, 2, 3, 4, 6, 8)
    filters: ClassVar[bool] = False

    def __init__(self, links: int = 16, build_effort: int = 200) -> None:
        self.links, self.build_effort = links, build_effort
        try:
            self.library: Any = importlib.import_module(self.module)
        except ImportError:
            sys.exit(f"{self.package} is not installed: pip install {self.package}")
        self.index: Any = None

    def prepared(self, tracks: Array, longest: float) -> Array:
        """Tracks `(n, d)`, or queries with `longest` 0, as the index needs them; here unchanged."""
        return tracks

    def effort(self, step: float, n: int) -> int:
        """The setting of the search for a step of `efforts` and n candidates."""
        return int(step * n)

    @abstractmethod
    def build(self, tracks: Array, threads: int) -> None:
        """Index tracks `(n, d)`."""

    @abstractmethod
    def save(self, path: Path) -> None:
        """Write the index to a file."""

    @abstractmethod
    def load(self, path: Path, dimensions: int) -> None:
        """Read the file, or memory-map it where the library can."""

    @abstractmethod
    def find(self, queries: Array, n: int, effort: int, allowed: Mask | None = None) -> Rows:
        """Rows `(m, n)` with probably great inner products with queries `(m, d)`, on one thread."""


class Augmented(ComparedIndex):
    """Reduces inner product to distance by a coordinate that makes all tracks equally long.

    Bachrach et al. 2014, Speeding up the Xbox recommender system using a Euclidean transformation
    for inner-product spaces.
    """

    def prepared(self, tracks: Array, longest: float) -> Array:
        squares = np.square(tracks).sum(axis=1)
        missing = np.maximum(longest**2 - squares, 0.0) if longest else np.zeros(len(tracks))
        return np.hstack([tracks, np.sqrt(missing)[:, None]]).astype(np.float32)


class Faiss(ComparedIndex):
    """What the indexes of faiss have in common."""

    package, module, filters = "faiss-cpu", "faiss", True

    def save(self, path: Path) -> None:
        self.library.write_index(self.index, str(path))

    def load(self, path: Path, dimensions: int) -> None:
        self.library.omp_set_num_threads(1)
        self.index = self.library.read_index(str(path), self.library.IO_FLAG_MMAP_IFC)

    def selector(self, allowed: Mask | None) -> Any:
        """The filter for faiss; None allows all rows."""
        if allowed is None:
            return None
        return self.library.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))


class FaissInverted(Faiss):
    """An inverted file of residuals at 2 bits a dimension, as in `hybridrec.index.ann`."""

    efforts = (4, 8, 16, 32, 64, 128, 256)

    def codes(self, dimensions: int) -> str:
        """The name of the codes in the recipes of faiss."""
        return f"PQ{dimensions // 2}x4fsr"

    def effort(self, step: float, n: int) -> int:
        return int(step)

    def build(self, tracks: Array, threads: int) -> None:
        cells = round(2 * np.sqrt(len(tracks)))
        self.library.omp_set_num_threads(threads)
        dimensions = tracks.shape[1]
        recipe = f"IVF{cells},{self.codes(dimensions)}"
        self.index = self.library.index_factory(
            dimensions, recipe, self.library.METRIC_INNER_PRODUCT
        )
        self.index.cp.niter = CENTRING_ROUNDS
        sample = np.random.default_rng(SEED).permutation(len(tracks))[: TRAINED_PER_CELL * cells]
        self.index.train(tracks[sample])
        self.index.add(tracks)

    def find(self, queries: Array, n: int, effort: int, allowed: Mask | None = None) -> Rows:
        cells = min(
            effort, self.index.nlist
        )  # faiss 1.15 returns poor results for more than there are
        settings = self.library.SearchParametersIVF(nprobe=cells, sel=self.selector(allowed))
        return np.asarray(self.index.search(queries, n, params=settings)[1])


class FaissInvertedBytes(FaissInverted):
    """The same with a byte a dimension."""

    def codes(self, dimensions: int) -> str:
        return "SQ8"


class FaissGraph(Faiss):
    """A graph of tracks in half precision, linked by inner product."""

    def build(self, tracks: Array, threads: int) -> None:
        self.library.omp_set_num_threads(threads)
        self.index = self.library.IndexHNSWSQ(
            tracks.shape[1], self.library.ScalarQuantizer.QT_fp16, self.links, self.metric
        )
        self.index.hnsw.efConstruction = self.build_effort
        self.index.train(tracks[:1000])
        self.index.add(tracks)

    @property
    def metric(self) -> int:
        """The number of the metric in faiss."""
        return int(self.library.METRIC_INNER_PRODUCT)

    def find(self, queries: Array, n: int, effort: int, allowed: Mask | None = None) -> Rows:
        settings = self.library.SearchParametersHNSW(efSearch=effort, sel=self.selector(allowed))
        return np.asarray(self.index.search(queries, n, params=settings)[1])


class FaissGraphByDistance(Augmented, FaissGraph):
    """The same graph, linked by distance."""

    @property
    def metric(self) -> int:
        return int(self.library.METRIC_L2)


class Usearch(ComparedIndex):
    """A graph of tracks in half precision, linked by inner product."""

    package, module = "usearch", "usearch.index"
    metric: ClassVar[str] = "ip"
    kind: ClassVar[str] = "f16"

    def _empty(self, dimensions: int) -> Any:
        return self.library.Index(
            ndim=dimensions,
            metric=self.metric,
            dtype=self.kind,
            connectivity=self.links,
            expansion_add=self.build_effort,
            enable_key_lookups=False,
        )

    def build(self, tracks: Array, threads: int) -> None:
        self.index = self._empty(tracks.shape[1])
        self.index.add(np.arange(len(tracks)), tracks, threads=threads)

    def save(self, path: Path) -> None:
        self.index.save(str(path))

    def load(self, path: Path, dimensions: int) -> None:
        self.index = self._empty(dimensions)
        self.index.view(str(path))

    def find(self, queries: Array, n: int, effort: int, allowed: Mask | None = None) -> Rows:
        self.index.expansion_search = effort
        return np.atleast_2d(self.index.search(queries, n, threads=1).keys.astype(np.int64))


class UsearchByDistance(Augmented, Usearch):
    """The same graph, linked by distance."""

    metric = "l2sq"


class UsearchBytes(Augmented, Usearch):
    """A graph of tracks in a byte a dimension, which usearch supports for cosines only."""

    metric, kind = "cos", "i8"


class Hnswlib(ComparedIndex):
    """A graph of tracks in single precision, linked by inner product."""

    package, module, filters = "hnswlib", "hnswlib", True
    space: ClassVar[str] = "ip"

    def build(self, tracks: Array, threads: int) -> None:
        self.index = self.library.Index(self.space, tracks.shape[1])
        self.index.init_index(
            len(tracks), M=self.links, ef_construction=self.build_effort, random_seed=SEED
        )
        self.index.add_items(tracks, num_threads=threads)

    def save(self, path: Path) -> None:
        self.index.save_index(str(path))

    def load(self, path: Path, dimensions: int) -> None:
        self.index = self.library.Index(self.space, dimensions)
        self.index.load_index(str(path))

    def find(self, queries: Array, n: int, effort: int, allowed: Mask | None = None) -> Rows:
        self.index.set_ef(effort)
        may = None if allowed is None else allowed.tolist().__getitem__
        try:
            found = self.index.knn_query(queries, n, num_threads=1, filter=may)[0]
        except RuntimeError:  # hnswlib raises it where it finds fewer than n
            return np.zeros((len(queries), 0), dtype=np.int64)
        return np.asarray(found, dtype=np.int64)


class HnswlibByDistance(Augmented, Hnswlib):
    """The same graph, linked by distance."""

    space = "l2"


class Voyager(ComparedIndex):
    """A graph of tracks in single precision; voyager reduces inner product to distance itself."""

    package, module = "voyager", "voyager"
    kind: ClassVar[str] = "Float32"

    def build(self, tracks: Array, threads: int) -> None:
        self.index = self.library.Index(
            self.library.Space.InnerProduct,
            tracks.shape[1],
            M=self.links,
            ef_construction=self.build_effort,
            random_seed=SEED,
            max_elements=len(tracks),
            storage_data_type=self.library.StorageDataType.__members__[self.kind],
        )
        self.index.add_items(tracks, ids=range(len(tracks)), num_threads=threads)

    def save(self, path: Path) -> None:
        self.index.save(str(path))

    def load(self, path: Path, dimensions: int) -> None:
        self.index = self.library.Index.load(str(path))

    def find(self, queries: Array, n: int, effort: int, allowed: Mask | None = None) -> Rows:
        found = self.index.query(queries, n, num_threads=1, query_ef=effort)[0]
        return np.asarray(found, dtype=np.int64)


class VoyagerBytes(Voyager):
    """The same graph of tracks in a floating-point byte a dimension."""

    kind = "E4M3"


COMPARED_INDEXES: dict[str, type[ComparedIndex]] = {
    "faiss-ivfpq": FaissInverted,
    "faiss-ivfsq8": FaissInvertedBytes,
    "faiss-hnsw": FaissGraph,
    "faiss-hnsw-l2": FaissGraphByDistance,
    "usearch-f16": Usearch,
    "usearch-f16-l2": UsearchByDistance,
    "usearch-i8": UsearchBytes,
    "voyager": Voyager,
    "voyager-e4m3": VoyagerBytes,
    "hnswlib": Hnswlib,
    "hnswlib-l2": HnswlibByDistance,
}
