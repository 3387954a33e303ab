"""Embeddings by fingerprint, embedded files, and the fingerprint in use."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from hybridrec.data.embeddings import Embeddings, unit_length
from hybridrec.data.tracks import Track
from hybridrec.errors import FingerprintMismatch, InvalidInput
from hybridrec.storage.embeddings import EmbeddedTrack, FileStamp
from hybridrec.storage.library import Library


def vectors(n: int, dimension: int, seed: int = 0) -> NDArray[np.float32]:
    return unit_length(np.random.default_rng(seed).normal(size=(n, dimension)))


@pytest.mark.parametrize("dimension", [1, 9, 128, 2048])
def test_vectors_of_any_dimension_come_back_bit_for_bit(library: Library, dimension: int) -> None:
    given = Embeddings("encoder-1", ("b", "a", "c"), vectors(3, dimension))
    library.put_embeddings(given)
    found = library.embeddings("encoder-1")
    assert found.ids == ("b", "a", "c")
    assert found.vectors.dtype == np.float32
    assert_array_equal(found.vectors, given.vectors)


def test_fingerprints_never_mix(library: Library) -> None:
    library.put_embeddings(Embeddings("one", ("a", "b"), vectors(2, 4)))
    library.put_embeddings(Embeddings("two", ("b",), vectors(1, 8)))
    assert library.fingerprints() == {"one": 2, "two": 1}
    assert library.embeddings("two").ids == ("b",)
    assert library.embeddings("three").vectors.shape == (0, 0)


def test_embeddings_of_some_tracks_leave_out_tracks_without(library: Library) -> None:
    library.put_embeddings(Embeddings("encoder-1", ("b", "a", "c"), vectors(3, 4)))
    found = library.embeddings("encoder-1", ["not-embedded", "c", "b"])
    assert found.ids == ("b", "c")
    assert_array_equal(found.vectors, vectors(3, 4)[[0, 2]])
    assert library.embeddings("encoder-1", []).vectors.shape == (0, 4)


def test_a_vector_that_is_stored_again_is_replaced(library: Library) -> None:
    library.put_embeddings(Embeddings("encoder-1", ("a",), vectors(1, 4, seed=1)))
    library.put_embeddings(Embeddings("encoder-1", ("a",), vectors(1, 4, seed=2)))
    assert_array_equal(library.embeddings("encoder-1").vectors, vectors(1, 4, seed=2))


def test_a_fingerprint_has_one_dimension(library: Library) -> None:
    library.put_embeddings(Embeddings("encoder-1", ("a",), vectors(1, 4)))
    with pytest.raises(FingerprintMismatch, match="vectors of encoder-1 have 4 numbers; got 5"):
        library.put_embeddings(Embeddings("encoder-1", ("b",), vectors(1, 5)))
    assert library.track_ids() == ["a"]


def test_vectors_that_are_not_finite_are_refused(library: Library) -> None:
    with pytest.raises(InvalidInput, match="vectors must be finite"):
        library.put_embeddings(Embeddings("encoder-1", ("a",), np.array([[np.nan]], np.float32)))


def test_an_embedded_file_brings_track_stamp_and_embedding(library: Library) -> None:
    track = Track("t", title="Blue", path="/music/blue.flac", content_hash="ab")
    stamp = FileStamp(
        size_bytes=5, mtime_ns=1_700_000_000_123_456_789, content_hash="ab", track_id="t"
    )
    library.put_embedded([EmbeddedTrack(track, stamp, "encoder-1", vectors(1, 4)[0])])
    assert library.track("t") == track
    assert library.file_stamps() == {"/music/blue.flac": stamp}
    assert_array_equal(library.embeddings("encoder-1").vectors, vectors(1, 4))


def test_a_batch_of_embedded_files_is_stored_whole_or_not_at_all(library: Library) -> None:
    good = EmbeddedTrack(Track("good"), None, "encoder-1", vectors(1, 4)[0])
    bad = EmbeddedTrack(Track("bad"), None, "encoder-1", np.array([np.inf] * 4, np.float32))
    with pytest.raises(InvalidInput, match="vectors must be finite"):
        library.put_embedded([good, bad])
    assert library.track_ids() == []
    assert library.fingerprints() == {}


def test_a_file_that_was_embedded_again_has_its_new_stamp_only(library: Library) -> None:
    for size_bytes in (5, 6):
        stamp = FileStamp(size_bytes, 1, "ab", "t")
        library.put_embedded(
            [EmbeddedTrack(Track("t", path="/a.mp3"), stamp, "encoder-1", vectors(1, 4)[0])]
        )
    assert library.file_stamps() == {"/a.mp3": FileStamp(6, 1, "ab", "t")}


def test_two_files_may_be_one_track(library: Library) -> None:
    for path in ("/a.mp3", "/copy of a.mp3"):
        stamp = FileStamp(5, 1, "ab", "t")
        library.put_embedded(
            [EmbeddedTrack(Track("t", path=path), stamp, "encoder-1", vectors(1, 4)[0])]
        )
    assert set(library.file_stamps()) == {"/a.mp3", "/copy of a.mp3"}
    assert library.track_ids() == ["t"]


def test_a_library_uses_the_fingerprint_it_is_given(library: Library) -> None:
    assert library.fingerprint() is None
    library.set_fingerprint("external:vggish")
    assert library.fingerprint() == "external:vggish"
    library.save_artefact("encoder", b"weights", "encoder-1", {})
    assert library.fingerprint() == "encoder-1"
