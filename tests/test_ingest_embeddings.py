"""Embeddings of other encoders, from files."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_allclose

from hybridrec.data.embeddings import unit_length
from hybridrec.data.tracks import Track
from hybridrec.errors import FingerprintMismatch, InvalidInput, NotFound
from hybridrec.storage.library import Library
from hybridrec.workflows.ingest.embeddings import ingest_embeddings

VECTORS = np.random.default_rng(1).normal(size=(3, 9)) * 5


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library.open(tmp_path / "library", create=True) as opened:
        yield opened


def npz(tmp_path: Path, **arrays: Any) -> Path:
    np.savez(tmp_path / "vectors.npz", **arrays)
    return tmp_path / "vectors.npz"


@pytest.mark.parametrize("form", ["npz", "parquet of lists", "parquet of numbers"])
def test_vectors_come_in_at_unit_length(library: Library, tmp_path: Path, form: str) -> None:
    library.put_tracks([Track("b", title="known")])
    ids = ["a", "b", "c"]
    if form == "npz":
        path = npz(tmp_path, ids=np.array(ids), vectors=VECTORS)
    else:
        path = tmp_path / "vectors.parquet"
        columns = (
            {"vector": VECTORS.tolist()}
            if form.endswith("lists")
            else {f"x{n}": VECTORS[:, n] for n in range(9)}
        )
        pq.write_table(pa.table({"id": ids, **columns}), path)

    assert ingest_embeddings(library, path, name="descriptors") == 3

    found = library.embeddings("external:descriptors")
    by_id = dict(zip(found.ids, found.vectors, strict=True))
    assert_allclose([by_id[id_] for id_ in ids], unit_length(VECTORS), rtol=1e-6)
    assert library.track("b").title == "known"
    assert library.fingerprint() == "external:descriptors"


def test_whole_numbers_are_ids_too(library: Library, tmp_path: Path) -> None:
    ingest_embeddings(library, npz(tmp_path, ids=np.arange(3), vectors=VECTORS), name="x")
    assert library.track_ids() == ["0", "1", "2"]


def test_ears_that_were_chosen_before_stay(library: Library, tmp_path: Path) -> None:
    library.set_fingerprint("mine")
    ingest_embeddings(library, npz(tmp_path, ids=np.arange(3), vectors=VECTORS), name="x")
    assert library.fingerprint() == "mine"


def test_a_name_stands_for_one_dimension(library: Library, tmp_path: Path) -> None:
    ingest_embeddings(library, npz(tmp_path, ids=np.arange(3), vectors=VECTORS), name="x")
    with pytest.raises(FingerprintMismatch, match="vectors of external:x have 9 numbers; got 8"):
        ingest_embeddings(
            library, npz(tmp_path, ids=np.arange(3), vectors=VECTORS[:, :8]), name="x"
        )


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"ids": np.arange(3)}, "has no array vectors; got 'ids'"),
        ({"ids": np.arange(2), "vectors": VECTORS}, "one vector a track is needed; got '2 ids"),
        ({"ids": np.arange(3), "vectors": VECTORS[0]}, "one vector a track is needed"),
        ({"ids": np.arange(3), "vectors": VECTORS[:, :0]}, "one vector a track is needed"),
        (
            {"ids": np.array(["a", "b", "a"]), "vectors": VECTORS},
            "an id stands twice in the file; got 'a'",
        ),
        (
            {"ids": np.arange(3), "vectors": VECTORS * [[1], [0], [1]]},
            "zero or not finite; got '1'",
        ),
        (
            {"ids": np.arange(3), "vectors": VECTORS * [[1], [1], [np.nan]]},
            "zero or not finite; got '2'",
        ),
        (
            {"ids": np.arange(3) / 2, "vectors": VECTORS},
            "ids must be one row of text or whole numbers",
        ),
        (
            {"ids": np.arange(3), "vectors": VECTORS.astype(str).astype(object)},
            "cannot be read as vectors.*pickle",
        ),
        (
            {"ids": np.arange(3), "vectors": np.array([["x"]] * 3)},
            "cannot be read as vectors; got .could not convert",
        ),
        ({"ids": np.array(["a", "", "c"]), "vectors": VECTORS}, "an id must be Unicode text"),
    ],
)
def test_files_of_another_form_are_refused(
    library: Library, tmp_path: Path, arrays: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        ingest_embeddings(library, npz(tmp_path, **arrays), name="x")
    assert library.track_ids() == []


def test_parquet_of_another_form_is_refused(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "vectors.parquet"
    for columns, message in (
        ({"track": ["a"], "x": [1.0]}, "has no column id; got 'track,x'"),
        ({"id": ["a"]}, "cannot be read as vectors|one vector a track"),
        ({"id": ["a", "b"], "x": [[1.0], [1.0, 2.0]]}, "cannot be read as vectors"),
        ({"id": ["a"], "x": ["text"]}, "cannot be read as vectors"),
        ({"id": ["a"], "x": pa.array([None], pa.float64())}, "zero or not finite; got 'a'"),
    ):
        pq.write_table(pa.table(columns), path)
        with pytest.raises(InvalidInput, match=message):
            ingest_embeddings(library, path, name="x")


def test_pickles_are_never_opened(library: Library, tmp_path: Path) -> None:
    (tmp_path / "evil.npz").write_bytes(pickle.dumps(VECTORS))
    with pytest.raises(InvalidInput, match="cannot be read as vectors"):
        ingest_embeddings(library, tmp_path / "evil.npz", name="x")


def test_missing_files_unknown_endings_and_empty_names_are_said(
    library: Library, tmp_path: Path
) -> None:
    with pytest.raises(NotFound, match="no such file"):
        ingest_embeddings(library, tmp_path / "none.npz", name="x")
    with pytest.raises(InvalidInput, match=r"of this kind are not known; got 'x.npy'; use .npz"):
        ingest_embeddings(library, tmp_path / "x.npy", name="x")
    with pytest.raises(InvalidInput, match="the vectors need a name"):
        ingest_embeddings(library, tmp_path / "x.npz", name=" ")
