"""Ingest of a file of embeddings that another encoder made."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
from numpy.typing import NDArray

from hybridrec.data.embeddings import Embeddings, unit_length
from hybridrec.errors import InvalidInput, NotFound
from hybridrec.storage.library import Library

_ID_COLUMN = "id"

Vectors = NDArray[np.float64]
"""As read, before they are scaled to single precision and unit length."""


def ingest_embeddings(library: Library, path: str | Path, *, name: str) -> int:
    """Store audio vectors of any dimension from a file, scaled to unit length.

    An `.npz` has two arrays: `ids` `(n,)` text and `vectors` `(n, d)` numbers. A `.parquet` has a
    column `id` and either one column of lists or numeric columns. Unknown tracks are created. The
    fingerprint is `external:NAME`; it is set for a library that has none yet.

    Args:
        library: where the vectors go.
        path: the file.
        name: of the encoder that made the vectors, such as "vggish".

    Returns:
        How many vectors were stored.

    Raises:
        NotFound: if there is no such file.
        InvalidInput: if the file has another form, a vector that is zero or not finite, or an id
            twice.
        FingerprintMismatch: if vectors of that name have another dimension.
    """
    if not name.strip():
        raise InvalidInput(
            "the vectors need a name",
            got=name,
            fix="name the encoder that made them, such as vggish",
        )
    ids, vectors = _read(Path(path))
    _check(ids, vectors)
    fingerprint = f"external:{name.strip()}"
    library.put_embeddings(Embeddings(fingerprint, tuple(ids), unit_length(vectors)))
    if library.fingerprint() is None:
        library.set_fingerprint(fingerprint)
    return len(ids)


def _read(path: Path) -> tuple[list[str], Vectors]:
    readers = {".npz": _from_npz, ".parquet": _from_parquet, ".pq": _from_parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InvalidInput(
            "vectors of this kind are not known", got=path.name, fix=f"use {', '.join(readers)}"
        )
    try:
        return reader(path)
    except FileNotFoundError:
        raise NotFound("no such file", got=str(path), fix="check its path") from None
    except (OSError, ValueError, TypeError, zipfile.BadZipFile, pyarrow.ArrowException) as error:
        if isinstance(error, InvalidInput):
            raise
        reason = str(error).partition("\n")[0]
        raise InvalidInput(
            f"{path.name} cannot be read as vectors", got=reason, fix="write it again"
        ) from error


def _from_npz(path: Path) -> tuple[list[str], Vectors]:
    with np.load(path, allow_pickle=False) as arrays:
        missing = {"ids", "vectors"} - set(arrays)
        if missing:
            fix = "write it with numpy.savez(path, ids=..., vectors=...), ids as text"
            raise InvalidInput(
                f"{path.name} has no array {min(missing)}", got=",".join(arrays), fix=fix
            )
        ids = arrays["ids"]
        if ids.ndim != 1 or ids.dtype.kind not in "Uiu":
            raise InvalidInput(
                "ids must be one row of text or whole numbers", got=f"{ids.dtype} {ids.shape}"
            )
        return [str(id_) for id_ in ids], np.asarray(arrays["vectors"], dtype=np.float64)


def _from_parquet(path: Path) -> tuple[list[str], Vectors]:
    table = pyarrow.parquet.read_table(path)
    if _ID_COLUMN not in table.column_names:
        fix = f"name the column of track ids {_ID_COLUMN}"
        raise InvalidInput(
            f"{path.name} has no column {_ID_COLUMN}",
            got=",".join(table.column_names)[:80],
            fix=fix,
        )
    ids = [str(id_) for id_ in table.column(_ID_COLUMN).to_pylist()]
    columns = [table.column(column) for column in table.column_names if column != _ID_COLUMN]
    if len(columns) == 1 and pyarrow.types.is_nested(columns[0].type):
        return ids, np.array(columns[0].to_pylist(), dtype=np.float64)
    return ids, np.column_stack([np.asarray(column, dtype=np.float64) for column in columns])


def _check(ids: list[str], vectors: Vectors) -> None:
    if vectors.ndim != 2 or len(vectors) != len(ids) or vectors.shape[1] == 0:
        raise InvalidInput(
            "one vector a track is needed", got=f"{len(ids)} ids, vectors of shape {vectors.shape}"
        )
    if len(set(ids)) < len(ids):
        twice = next(id_ for row, id_ in enumerate(ids) if id_ in ids[:row])
        raise InvalidInput(
            "an id stands twice in the file", got=twice, fix="keep one vector a track"
        )
    usable = np.isfinite(vectors).all(axis=1) & (vectors != 0).any(axis=1)
    if not usable.all():
        fix = "leave the track out; it will be recommended by its plays"
        raise InvalidInput(
            "a vector is zero or not finite", got=ids[int(np.argmin(usable))], fix=fix
        )
