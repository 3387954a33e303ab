"""The feed of changes, by which long-running readers catch up."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from hybridrec.data.embeddings import Embeddings
from hybridrec.data.plays import Play
from hybridrec.data.tracks import Track
from hybridrec.errors import InvalidInput
from hybridrec.storage.changes import Changes
from hybridrec.storage.library import Library


def news(library: Library, act: Callable[[], object]) -> tuple[set[str], set[str], bool, bool]:
    seq = library.seq()
    act()
    found = library.changes_since(seq)
    assert found.seq > seq
    assert library.changes_since(found.seq) == Changes(found.seq)
    return set(found.tracks), set(found.plays), found.models, found.encoder


def test_nothing_has_happened_in_a_new_library(library: Library) -> None:
    assert library.changes_since(0) == Changes(0)


def test_each_kind_of_change_is_told(library: Library) -> None:
    vector = np.ones((1, 2), np.float32)
    assert news(library, lambda: library.put_tracks([Track("a"), Track("b")])) == (
        {"a", "b"},
        set(),
        False,
        False,
    )
    assert news(library, lambda: library.put_tracks([Track("a", title="A")])) == (
        {"a"},
        set(),
        False,
        False,
    )
    embedded = Embeddings("encoder-1", ("b",), vector)
    assert news(library, lambda: library.put_embeddings(embedded)) == ({"b"}, set(), False, False)
    plays = [Play("u", "a"), Play("u", "new"), Play("v", "a")]
    assert news(library, lambda: library.add_plays(plays)) == ({"new"}, {"a", "new"}, False, False)
    assert news(library, lambda: library.add_plays([Play("u", "a", weight=5.0)])) == (
        set(),
        {"a"},
        False,
        False,
    )
    assert news(library, lambda: library.save_artefact("model", b"", "encoder-1", {})) == (
        set(),
        set(),
        True,
        False,
    )
    assert news(library, lambda: library.use_artefact("model", 1)) == (set(), set(), True, False)
    assert news(library, lambda: library.save_artefact("encoder", b"", "encoder-1", {})) == (
        set(),
        set(),
        False,
        True,
    )
    assert news(library, lambda: library.set_fingerprint("external:x")) == (
        set(),
        set(),
        False,
        True,
    )
    assert news(library, lambda: library.forget_user("u")) == (set(), {"a", "new"}, False, False)
    assert news(library, lambda: library.delete_track("a")) == ({"a"}, set(), False, False)


def test_a_reader_that_was_away_for_long_gets_all_of_it_once(library: Library) -> None:
    for number in range(5):
        library.put_tracks([Track("often", title=str(number))])
        library.add_plays([Play("u", f"t{number}")])
    found = library.changes_since(0)
    assert found.tracks == {"often", "t0", "t1", "t2", "t3", "t4"}
    assert found.plays == {"t0", "t1", "t2", "t3", "t4"}


def test_what_was_told_before_and_is_the_same_is_no_news(library: Library) -> None:
    library.put_tracks([Track("a", title="A")])
    library.add_plays([Play("u", "a")])
    library.set_fingerprint("encoder-1")
    seq = library.seq()
    library.put_tracks([Track("a", title="A"), Track("a")])
    library.set_fingerprint("encoder-1")
    library.add_plays([Play("u", "a")])
    found = library.changes_since(seq)
    assert (found.tracks, found.plays, found.models, found.encoder) == (
        frozenset(),
        frozenset(),
        False,
        False,
    )


def test_a_transaction_that_fails_is_no_news(library: Library) -> None:
    seq = library.seq()
    with pytest.raises(InvalidInput, match="an id must be"):
        library.add_plays([Play("u", "a"), Play("u", "\0")])
    assert library.changes_since(seq) == Changes(seq)
