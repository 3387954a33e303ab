"""Encoders and models by version."""

from __future__ import annotations

import os

import pytest
from sqlalchemy import text

from hybridrec.errors import LibraryError, NotFound
from hybridrec.storage.artefacts import PART_BYTES
from hybridrec.storage.library import Library


def test_a_saved_artefact_is_current_at_once(library: Library) -> None:
    assert library.current("model") is None
    assert library.save_artefact("model", b"first", "encoder-1", {"factors": 64, "note": "é"}) == 1
    current = library.current("model")
    assert current is not None
    assert (current.version, current.fingerprint, current.summary) == (
        1,
        "encoder-1",
        {"factors": 64, "note": "é"},
    )
    assert current.size_bytes == 5
    assert library.artefact_bytes("model") == b"first"


def test_versions_are_kept_and_can_be_switched_back_to(library: Library) -> None:
    library.save_artefact("model", b"first", "encoder-1", {})
    library.save_artefact("model", b"second", "encoder-2", {})
    library.save_artefact("encoder", b"weights", "encoder-2", {})
    assert [artefact.version for artefact in library.artefacts("model")] == [1, 2]
    assert library.artefact_bytes("model") == b"second"

    library.use_artefact("model", 1)

    assert library.artefact_bytes("model") == b"first"
    assert library.artefact_bytes("model", version=2) == b"second"
    assert library.save_artefact("model", b"third", "encoder-2", {}) == 3


def test_a_stored_encoder_sets_the_fingerprint_in_use(library: Library) -> None:
    library.save_artefact("encoder", b"a", "encoder-1", {})
    library.save_artefact("encoder", b"b", "encoder-2", {})
    assert library.fingerprint() == "encoder-2"
    library.use_artefact("encoder", 1)
    assert library.fingerprint() == "encoder-1"


@pytest.mark.parametrize("size_bytes", [0, 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES + 7])
def test_payloads_of_any_size_come_back(library: Library, size_bytes: int) -> None:
    payload = os.urandom(size_bytes)
    library.save_artefact("model", payload, "encoder-1", {})
    assert library.artefact_bytes("model") == payload


def test_what_is_missing_is_said_with_the_command_that_makes_it(library: Library) -> None:
    with pytest.raises(NotFound, match=r"no such model; make one with `hybridrec fit`"):
        library.artefact_bytes("model")
    with pytest.raises(
        NotFound, match=r"no such encoder; got 7; make one with `hybridrec train-encoder`"
    ):
        library.use_artefact("encoder", 7)
    assert library.artefacts("encoder") == []


def test_a_damaged_payload_is_never_handed_out(library: Library) -> None:
    library.save_artefact("model", b"precious", "encoder-1", {})
    with library.engine.begin() as connection:
        connection.execute(
            text("UPDATE artefact_parts SET payload = :other"), {"other": b"pretious"}
        )
    with pytest.raises(
        LibraryError, match="version 1 of the model is damaged; use another version"
    ):
        library.artefact_bytes("model")
