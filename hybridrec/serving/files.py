"""The files that the processes of one machine serve from: written once, mapped by each of them.

They are a cache of what the library stores. Whatever of them cannot be read, or is of another
release, is written again. What a process changes in its mapped arrays stays in that process.
Large catalogues are in half precision.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from hybridrec.blend.tracks import SPARE_SHARE
from hybridrec.data.arrays import Rows
from hybridrec.data.ids import IdMap
from hybridrec.errors import HybridrecError
from hybridrec.index.ann import AnnIndex
from hybridrec.model.ranking import Indexes
from hybridrec.model.recommender import HybridRecommender

FORMAT_VERSION = 2
"""Files of any other version are not read."""

HALF_PRECISION = ("factors", "features", "embeddings")
MIN_SPARE_ROWS = 1000

_UNREADABLE = (OSError, EOFError, ValueError, TypeError, KeyError, BadZipFile, HybridrecError)
_UNREADABLE_INDEX = RuntimeError  # as faiss has it


@dataclass
class State:
    """What a process serves from.

    Attributes:
        model: the recommender.
        ids: track ids by row; the rows of deleted tracks stay, but cannot be scored.
        listeners: `(n,)` int64, how many distinct users have played each track.
        version: of the model, or None before the first fit.
        fingerprint: of the encoder whose embeddings are used, or None.
        seq: the sequence number of the change feed up to which all changes are applied.
    """

    model: HybridRecommender
    ids: IdMap
    listeners: Rows
    version: int | None
    fingerprint: str | None
    seq: int


class ServingFiles:
    """A folder with the newest state of one library.

    Args:
        folder: made when something is written.
        library: names the library; files of another one are not read.
    """

    def __init__(self, folder: Path, library: str) -> None:
        self._folder = folder
        self._current = folder / "now"
        self._library = library

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from writing; they wait.

        Raises:
            OSError: if nothing can be written in the folder.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def write(self, state: State) -> None:
        """Replace the files as a whole; processes that have the former ones mapped keep them.

        Raises:
            OSError: if they cannot be written.
        """
        for unfinished in self._folder.glob("next-*"):  # of a process that was killed
            shutil.rmtree(unfinished)
        scratch = Path(tempfile.mkdtemp(prefix="next-", dir=self._folder))
        self._write_into(scratch, state)
        shutil.rmtree(self._current, ignore_errors=True)
        scratch.rename(self._current)

    def read(self, *, mapped: bool = True) -> State | None:
        """The state that was written last; None if there is none of this library and release.

        Args:
            mapped: share the memory of an index with other processes; it cannot be added to then.
        """
        try:
            return self._read(mapped)
        except (*_UNREADABLE, _UNREADABLE_INDEX):
            return None

    def _read(self, mapped: bool) -> State | None:
        folder = self._current
        header = json.loads((folder / "about.json").read_text())
        if (header["format"], header["library"]) != (FORMAT_VERSION, self._library):
            return None
        ids = IdMap(json.loads((folder / "ids.json").read_text()))
        model = HybridRecommender.load(str(folder / "model.npz"))
        # "c": copy on write, so that a process may change what it has mapped.
        columns = {
            path.stem: np.asarray(np.load(path, mmap_mode="c"))
            for path in (folder / "tracks").iterdir()
        }
        model.tracks.adopt(columns, len(ids))
        model.fitted_model.indexes = _read_indexes(folder, mapped) if header["indexed"] else None
        listeners = np.load(folder / "listeners.npy")
        if len(listeners) != len(ids):
            return None
        version, fingerprint = header["version"], header["fingerprint"]
        return State(model, ids, listeners, version, fingerprint, header["seq"])

    def _write_into(self, folder: Path, state: State) -> None:
        indexes = state.model.fitted_model.indexes
        (folder / "tracks").mkdir()
        for name, column in state.model.tracks.to_arrays().items():
            halved = indexes is not None and name in HALF_PRECISION
            dtype = np.dtype(np.float16) if halved else column.dtype
            _write_column(folder / "tracks" / f"{name}.npy", column, dtype)
        state.model.save(str(folder / "model.npz"), without=("users", "tracks", "indexes"))
        np.save(folder / "listeners.npy", state.listeners)
        (folder / "ids.json").write_text(json.dumps(list(state.ids)))
        if indexes is not None:
            _write_indexes(folder, indexes)
        header = {
            "format": FORMAT_VERSION,
            "library": self._library,
            "seq": state.seq,
            "indexed": indexes is not None,
            "version": state.version,
            "fingerprint": state.fingerprint,
        }
        (folder / "about.json").write_text(json.dumps(header))


def _write_column(path: Path, column: NDArray[Any], dtype: np.dtype[Any]) -> None:
    """Write a column `(n, ...)` with spare rows at its end, which take no room on the disk."""
    is_square = path.stem == "gram"  # the only array that is not by row
    spare = 0 if is_square else max(MIN_SPARE_ROWS, len(column) // SPARE_SHARE)
    shape = (len(column) + spare, *column.shape[1:])
    file = np.lib.format.open_memmap(path, "w+", dtype, shape)
    file[: len(column)] = column
    file.flush()


def _write_indexes(folder: Path, indexes: Indexes) -> None:
    import faiss

    for name, index in {"users": indexes.users, "seeds": indexes.seeds}.items():
        np.savez(folder / f"{name}.npz", allow_pickle=False, **index.to_arrays())
        faiss.write_index(index.cells, str(folder / f"{name}.faiss"))


def _read_indexes(folder: Path, mapped: bool) -> Indexes:
    return Indexes(_read_index(folder / "users", mapped), _read_index(folder / "seeds", mapped))


def _read_index(path: Path, mapped: bool) -> AnnIndex:
    import faiss

    flags = faiss.IO_FLAG_MMAP_IFC if mapped else 0
    cells = faiss.read_index(str(path.with_suffix(".faiss")), flags)
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as arrays:
        return AnnIndex.from_arrays(arrays, cells)
