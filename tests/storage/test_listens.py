"""Listens find their tracks by what they are called, and wait for those that are not there."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from hybridrec.data.listens import Listen
from hybridrec.data.names import Name
from hybridrec.data.plays import Play
from hybridrec.data.tracks import Track
from hybridrec.errors import InvalidInput
from hybridrec.storage import listens
from hybridrec.storage.library import Library
from hybridrec.storage.listen_matching import KnownTrack, match
from hybridrec.storage.plays import PlaysAdded

EMBEDDED = Listen("ann", 1_700_000_000.0, "Björk", "Jóga")


@pytest.mark.parametrize(
    ("artist", "title"),
    [
        ("Bjork", "Joga"),
        ("BJÖRK", "jóga"),
        ("Björk", "Jóga - Remastered 2011"),
        ("Björk feat. Somebody", "Jóga (feat. Somebody Else)"),
        ("The Björk", "  Jóga! "),
        ("Björk & Friends", "Joga"),
    ],
)
def test_the_same_recording_is_found_however_it_is_spelt(
    library: Library, artist: str, title: str
) -> None:
    library.put_tracks(
        [
            Track("right", title="Jóga", artist="Björk"),
            Track("wrong", title="Hunter", artist="Björk"),
        ]
    )
    added = library.add_listens([dataclasses.replace(EMBEDDED, artist=artist, title=title)])
    assert (added.added, added.waiting) == (1, 0)
    assert library.user_weights("ann") == {"right": 1.0}


@pytest.mark.parametrize(
    ("artist", "title"),
    [
        ("Ludwig van Beethoven", "Symphonie No. 6"),
        ("Somebody", "Symphony No. 5"),
        ("Ludwig van Beethoven", "Symphony II"),
    ],
)
def test_another_recording_is_not_taken_for_it(library: Library, artist: str, title: str) -> None:
    library.put_tracks([Track("fifth", title="Symphony No. 5", artist="Ludwig van Beethoven")])
    added = library.add_listens([dataclasses.replace(EMBEDDED, artist=artist, title=title)])
    assert (added.added, added.waiting) == (0, 1)


def test_misspelt_names_find_their_track_among_many(library: Library) -> None:
    library.put_tracks(
        Track(str(n), title=f"song of the year {1900 + n}", artist=f"the band {n}")
        for n in range(300)
    )
    library.put_tracks([Track("right", title="Bohemian Rhapsody", artist="Queen")])
    spelt = [
        ("Quen", "Bohemian Rhapsody"),
        ("Queen", "Bohemian Rapsody"),
        ("Queeen", "Bohemian Rhapsodie"),
    ]
    listens = [Listen("ann", float(n), *names) for n, names in enumerate(spelt)]
    assert library.add_listens(listens).added == 3
    assert library.user_weights("ann") == {"right": 3.0}


def test_of_several_the_one_of_the_album_is_taken(library: Library) -> None:
    library.put_tracks(
        [
            Track(album, title="Jóga", artist="Björk", album=album)
            for album in ("a", "Homogenic", "z")
        ]
    )
    library.add_listens([dataclasses.replace(EMBEDDED, album="homogenic")])
    assert library.user_weights("ann") == {"Homogenic": 1.0}


def test_what_waits_is_kept_once_and_joins_the_track_that_comes(library: Library) -> None:
    assert (
        library.add_listens(
            [EMBEDDED, EMBEDDED, dataclasses.replace(EMBEDDED, user="bob", heard_seconds=30.0)]
        ).waiting
        == 2
    )
    assert library.add_listens([EMBEDDED]).repeated == 1
    assert library.status()["waiting_listens"] == 2
    library.put_tracks([Track("other", title="Hunter", artist="Björk")])
    assert library.waiting_listens() == 2
    library.put_tracks([Track("t", title="Joga", artist="Bjork", duration_seconds=120.0)])
    assert library.waiting_listens() == 0
    assert library.user_plays("ann") == [Play("ann", "t", EMBEDDED.listened_at)]
    assert library.user_plays("bob") == [Play("bob", "t", EMBEDDED.listened_at, fraction=0.25)]
    assert library.add_listens([EMBEDDED]).repeated == 1


def test_a_track_that_is_named_later_takes_its_listens_too(library: Library) -> None:
    library.add_plays([Play("bob", "t")])
    library.add_listens([EMBEDDED])
    library.put_tracks([Track("t", title="Jóga", artist="Björk")])
    assert library.user_plays("ann") == [Play("ann", "t", EMBEDDED.listened_at)]


def test_a_renamed_track_is_found_by_its_new_name(library: Library) -> None:
    library.put_tracks([Track("t", title="Untitled", artist="Unknown")])
    library.put_tracks([Track("t", title="Jóga", artist="Björk")])
    assert library.add_listens([EMBEDDED]).added == 1
    assert (
        library.add_listens(
            [dataclasses.replace(EMBEDDED, artist="Unknown", title="Untitled")]
        ).waiting
        == 1
    )


@given(artist=st.text(max_size=40), title=st.text(max_size=40))
def test_any_name_is_like_itself_or_like_nothing(artist: str, title: str) -> None:
    name = Name.of(artist, title)
    assert name.similarity(name) in {0.0, 200.0} or not name.artist


@pytest.mark.parametrize("piece", [" feat ", " (feat ", "( with ", "a - ", "\ufdfa"])
def test_a_name_costs_no_more_the_longer_it_is(piece: str) -> None:
    def seconds(repeats: int) -> float:
        start = time.process_time()
        for _ in range(20):
            Name.of(piece * repeats, piece * repeats)
        return time.process_time() - start

    assert min(seconds(20_000) for _ in range(3)) < 10 * min(seconds(2000) for _ in range(3))


def test_a_listen_is_compared_with_a_bounded_number_of_tracks(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles = ["song of the sea", "song of the tree", "another evening"]
    library.put_tracks(
        Track(
            f"t{n}",
            title=f"{titles[n % 3]} {chr(97 + n % 26)}{chr(97 + n // 26 % 26)}",
            artist="the band",
        )
        for n in range(2000)
    )
    compared = 0
    similarity = Name.similarity

    def counted(self: Name, other: Name) -> float:
        nonlocal compared
        compared += 1
        return similarity(self, other)

    monkeypatch.setattr(Name, "similarity", counted)
    listens = [Listen("ann", float(n), "The Band", f"song of the {n:03d}") for n in range(49)]
    library.add_listens([*listens, Listen("ann", 100.0, "The Band", "Another Evening ab")])
    assert compared < 50 * 6 * 50
    assert library.user_plays("ann")[0].played_at == 100.0


def test_listens_are_matched_while_others_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added: list[PlaysAdded] = []
    with Library.open(tmp_path, create=True) as library, Library.open(tmp_path) as other:

        def meanwhile(
            connection: Connection, told: Sequence[Listen]
        ) -> Mapping[Listen, KnownTrack | None]:
            found = match(connection, told)
            if not added:
                added.append(other.add_plays([Play("bob", "elsewhere", 1.0)]))
                other.put_tracks([Track("new", title="Jóga", artist="Björk")])
            return found

        monkeypatch.setattr(listens, "match", meanwhile)
        assert library.add_listens([EMBEDDED]).added == 1
        assert added[0].added == 1
        assert library.user_weights("ann") == {"new": 1.0}


def test_a_track_that_is_deleted_meanwhile_takes_no_listen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Library.open(tmp_path, create=True) as library, Library.open(tmp_path) as other:
        library.put_tracks([Track("t", title="Jóga", artist="Björk")])

        def meanwhile(
            connection: Connection, told: Sequence[Listen]
        ) -> Mapping[Listen, KnownTrack | None]:
            found = match(connection, told)
            if other.track_ids():
                other.delete_track("t")
            return found

        monkeypatch.setattr(listens, "match", meanwhile)
        assert library.add_listens([EMBEDDED]).waiting == 1
        assert library.track_ids() == []


def named(field: str, name: str) -> Listen:
    """The listen with another name."""
    changed: dict[str, Any] = {field: name}
    return dataclasses.replace(EMBEDDED, **changed)


@pytest.mark.parametrize("field", ["artist", "title", "album"])
def test_names_that_are_too_long_for_a_database_are_refused_whole(
    library: Library, field: str
) -> None:
    long = dataclasses.replace(named(field, "\U0001f3b5" * 10_240), listened_at=5.0)
    assert library.add_listens([long]).waiting == 1
    with pytest.raises(
        InvalidInput, match=rf"{field} may have at most 10240 characters; .*of 10241.*shorten it"
    ):
        library.add_listens([EMBEDDED, named(field, "x" * 10_241)])
    assert library.waiting_listens() == 1
