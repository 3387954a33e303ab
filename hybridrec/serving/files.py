"""The files that the processes of one machine serve from: written once, mapped into each of them.

What a process changes of them stays its own, until files of the newer state
are written. Large catalogues lie there in half precision.
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
from hybridrec.data.ids import IdMap
from hybridrec.errors import LibraryError
from hybridrec.index.ann import AnnIndex
from hybridrec.model.ranking import Indexes
from hybridrec.model.recommender import HybridRecommender

FORMAT_VERSION = 1
HALVED = ("factors", "features", "embeddings")
SPARE_ROWS = 1000


@dataclass
class State:
    """What a process serves from.

    Attributes:
        model: the recommender.
        ids: track ids by row; the rows of deleted tracks stay, unscorable.
        listeners: `(n,)` int64, how many distinct users have played each track.
        version: of the model, or None before the first fit.
        fingerprint: the ears whose embeddings are used, or None.
        seq: the number of the feed of changes up to which all is taken in.
    """

    model: HybridRecommender
    ids: IdMap
    listeners: NDArray[np.int64]
    version: int | None
    fingerprint: str | None
    seq: int


class ServingFiles:
    """A folder with the newest state of one library.

    Args:
        folder: made when something is written.
        library: names the library; files of another one are never read.
    """

    def __init__(self, folder: Path, library: str) -> None:
        self._folder = folder
        self._place = folder / "now"
        self._library = library

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time looks after the folder; the others wait.

        Raises:
            OSError: if nothing can be written there.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def write(self, state: State) -> None:
        """Replace what is there, whole or not at all; processes that have it mapped keep it.

        Raises:
            OSError: if it cannot be written.
        """
        for left_behind in self._folder.glob("next-*"):
            shutil.rmtree(left_behind)
        scratch = Path(tempfile.mkdtemp(prefix="next-", dir=self._folder))
        self._write_into(scratch, state)
        shutil.rmtree(self._place, ignore_errors=True)
        scratch.rename(self._place)

    def read(self, *, mapped: bool = True) -> State | None:
        """What was written last; None if nothing of this library and program is there.

        Args:
            mapped: share the memory with other processes; an index can then not be added to.
        """
        place = self._place
        try:
            about = json.loads((place / "about.json").read_text())
            if (about["format"], about["library"]) != (FORMAT_VERSION, self._library):
                return None
            ids = IdMap(json.loads((place / "ids.json").read_text()))
            model = HybridRecommender.load(str(place / "model.npz"))
            columns = {
                path.stem: np.asarray(np.load(path, mmap_mode="c"))
                for path in (place / "tracks").iterdir()
            }
            model.tracks.adopt(columns, len(ids))
            model.fitted_model.indexes = _read_indexes(place, mapped) if about["indexed"] else None
            listeners = np.load(place / "listeners.npy")
        except (
            OSError,
            ValueError,
            KeyError,
            BadZipFile,
            LibraryError,
            RuntimeError,
        ):  # the last is faiss'
            return None
        return State(model, ids, listeners, about["version"], about["fingerprint"], about["seq"])

    def _write_into(self, scratch: Path, state: State) -> None:
        indexes = state.model.fitted_model.indexes
        (scratch / "tracks").mkdir()
        for name, column in state.model.tracks.to_arrays().items():
            halved = indexes is not None and name in HALVED
            _write_with_room(
                scratch / "tracks" / f"{name}.npy",
                column,
                np.dtype(np.float16) if halved else column.dtype,
            )
        state.model.save(str(scratch / "model.npz"), without=("users", "tracks", "indexes"))
        np.save(scratch / "listeners.npy", state.listeners)
        (scratch / "ids.json").write_text(json.dumps(list(state.ids)))
        if indexes is not None:
            _write_indexes(scratch, indexes)
        about = {
            "format": FORMAT_VERSION,
            "library": self._library,
            "seq": state.seq,
            "indexed": indexes is not None,
        }
        about |= {"version": state.version, "fingerprint": state.fingerprint}
        (scratch / "about.json").write_text(json.dumps(about))


def _write_with_room(path: Path, column: NDArray[Any], dtype: np.dtype[Any]) -> None:
    """Write a column with room for more rows at its end, which takes none on the disk."""
    rows = (
        len(column)
        if path.stem == "gram"
        else len(column) + max(SPARE_ROWS, len(column) // SPARE_SHARE)
    )
    file = np.lib.format.open_memmap(path, "w+", dtype, (rows, *column.shape[1:]))
    file[: len(column)] = column
    file.flush()


def _write_indexes(scratch: Path, indexes: Indexes) -> None:
    import faiss

    for name, index in {"users": indexes.users, "seeds": indexes.seeds}.items():
        np.savez(scratch / f"{name}.npz", allow_pickle=False, **index.to_arrays())
        faiss.write_index(index.cells, str(scratch / f"{name}.faiss"))


def _read_indexes(place: Path, mapped: bool) -> Indexes:
    return Indexes(_read_index(place / "users", mapped), _read_index(place / "seeds", mapped))


def _read_index(place: Path, mapped: bool) -> AnnIndex:
    import faiss

    cells = faiss.read_index(
        str(place.with_suffix(".faiss")), faiss.IO_FLAG_MMAP_IFC if mapped else 0
    )
    with np.load(place.with_suffix(".npz"), allow_pickle=False) as arrays:
        return AnnIndex.from_arrays(arrays, cells)
