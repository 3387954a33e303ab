"""Vectors of files, kept so that a file is heard once by each listener."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from hybridrec.errors import AudioError
from hybridrec.files import sha256_of, write_atomically

Listen = Callable[[Path], NDArray[np.float32]]
"""From a file to its `(d,)` float32 vector; may be called from several threads."""

KEEP_EVERY = 100
"""Files after which what was heard is written down."""


class VectorCache:
    """Vectors by listener and file, in a folder that may be deleted between runs.

    A file is known by its path, size and time; one that changed is heard anew.

    Args:
        directory: one npz file a listener goes here.
        show_progress: a bar on standard error while files are heard.

    Attributes:
        directory, show_progress: as given.
        failed: the reason for each file that could not be heard.
    """

    def __init__(self, directory: Path, *, show_progress: bool = False) -> None:
        self.failed: dict[Path, str] = {}
        self.directory = directory
        self.show_progress = show_progress

    def vectors(self, name: str, files: Sequence[Path], listen: Listen) -> dict[Path, NDArray[np.float32]]:
        """A vector for each file that can be heard, in the order given.

        Args:
            name: of the listener, part of a file name; another listener needs another name.
            files: audio files.
            listen: asked for what is not kept.
        """
        place = self.directory / f"{name}.npz"
        kept = _read(place)
        stamps = {path: stamp_of(path) for path in files}
        missing = [path for path in files if stamps[path] not in kept]
        bar = tqdm(missing, name, unit="file", disable=not (missing and self.show_progress))
        for start in range(0, len(missing), KEEP_EVERY):
            embedded = self._embed(missing[start : start + KEEP_EVERY], listen, bar)
            kept |= {stamps[path]: vector for path, vector in embedded.items()}
            _write(place, kept)
        bar.close()
        return {path: kept[stamps[path]] for path in files if stamps[path] in kept}

    def _embed(self, files: Sequence[Path], listen: Listen, bar: tqdm) -> dict[Path, NDArray[np.float32]]:
        def embed(path: Path) -> NDArray[np.float32] | None:
            try:
                return listen(path)
            except AudioError as error:
                self.failed[path] = str(error)
                return None
            finally:
                bar.update()

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            answers = zip(files, pool.map(embed, files), strict=True)
            return {path: vector for path, vector in answers if vector is not None}


def stamp_of(path: Path) -> str:
    """32 hex digits that stand for a file's path, size and time."""
    facts = path.stat()
    return sha256_of(f"{path.resolve()} {facts.st_size} {facts.st_mtime_ns}".encode())[:32]


def _read(place: Path) -> dict[str, NDArray[np.float32]]:
    """What is kept; nothing where the file is missing or damaged."""
    try:
        with np.load(place, allow_pickle=False) as arrays:
            return dict(zip(arrays["stamps"].tolist(), arrays["vectors"], strict=True))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return {}


def _write(place: Path, kept: dict[str, NDArray[np.float32]]) -> None:
    if not kept:
        return
    packed = io.BytesIO()
    np.savez(packed, stamps=np.array(list(kept)), vectors=np.stack(list(kept.values())))
    write_atomically(place, packed.getvalue())
