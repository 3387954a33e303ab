"""Vectors of audio files, kept on disk so that each extractor reads a file once."""

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

Vector = NDArray[np.float32]
"""`(d,)` float32."""

Extractor = Callable[[Path], Vector]
"""From a file to its vector; may be called from several threads."""

KEEP_EVERY = 100
"""Files after which new vectors are written, so that an interrupted run loses few."""


class VectorCache:
    """Vectors by extractor and file, in a folder that may be deleted between runs.

    A file is identified by its path, size and modification time; a changed file is read again.

    Args:
        directory: for one npz file per extractor.
        show_progress: draw a bar on standard error while files are read.

    Attributes:
        directory, show_progress: as given.
        failed: the reason for each file that could not be decoded.
    """

    def __init__(self, directory: Path, *, show_progress: bool = False) -> None:
        self.failed: dict[Path, str] = {}
        self.directory = directory
        self.show_progress = show_progress

    def vectors(self, name: str, files: Sequence[Path], extract: Extractor) -> dict[Path, Vector]:
        """A vector for each file that can be decoded, in the order given.

        Args:
            name: of the extractor, part of a file name; each extractor needs its own.
            files: audio files.
            extract: called for the files that are not in the cache.
        """
        place = self.directory / f"{name}.npz"
        cached = _read(place)
        stamps = {path: stamp_of(path) for path in files}
        # Reading is the slow part, so it is done for the files that are missing alone.
        missing = [path for path in files if stamps[path] not in cached]
        bar = tqdm(missing, name, unit="file", disable=not (missing and self.show_progress))
        for start in range(0, len(missing), KEEP_EVERY):
            found = self._extract(missing[start : start + KEEP_EVERY], extract, bar)
            cached |= {stamps[path]: vector for path, vector in found.items()}
            _write(place, cached)
        bar.close()
        return {path: cached[stamps[path]] for path in files if stamps[path] in cached}

    def _extract(self, files: Sequence[Path], extract: Extractor, bar: tqdm) -> dict[Path, Vector]:
        def one(path: Path) -> Vector | None:
            try:
                return extract(path)
            except AudioError as error:
                # One broken file must not end the evaluation of a folder.
                self.failed[path] = str(error)
                return None
            finally:
                bar.update()

        # Threads suffice: decoding and the encoder release the interpreter lock.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            answers = zip(files, pool.map(one, files), strict=True)
            return {path: vector for path, vector in answers if vector is not None}


def stamp_of(path: Path) -> str:
    """32 hex digits that identify a file by its path, size and modification time."""
    facts = path.stat()
    text = f"{path.resolve()} {facts.st_size} {facts.st_mtime_ns}"
    return sha256_of(text.encode())[:32]


def _read(place: Path) -> dict[str, Vector]:
    """Vectors by stamp; none if the file is missing or damaged, as they can be computed again."""
    try:
        with np.load(place, allow_pickle=False) as arrays:
            return dict(zip(arrays["stamps"].tolist(), arrays["vectors"], strict=True))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return {}


def _write(place: Path, vectors: dict[str, Vector]) -> None:
    if not vectors:
        return
    packed = io.BytesIO()
    np.savez(packed, stamps=np.array(list(vectors)), vectors=np.stack(list(vectors.values())))
    write_atomically(place, packed.getvalue())
