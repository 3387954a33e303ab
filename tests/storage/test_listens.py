"""Listens find their tracks by what they are called, and wait for those that are not there."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridrec.data.listens import Listen
from hybridrec.data.names import Name
from hybridrec.data.plays import Play
from hybridrec.data.tracks import Track
from hybridrec.storage.library import Library

HEARD = Listen("ann", 1_700_000_000.0, "Björk", "Jóga")


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
def test_the_same_recording_is_found_however_it_is_spelt(library: Library, artist: str, title: str) -> None:
    library.put_tracks([Track("right", title="Jóga", artist="Björk"), Track("wrong", title="Hunter", artist="Björk")])
    added = library.add_listens([dataclasses.replace(HEARD, artist=artist, title=title)])
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
    added = library.add_listens([dataclasses.replace(HEARD, artist=artist, title=title)])
    assert (added.added, added.waiting) == (0, 1)


def test_misspelt_names_find_their_track_among_many(library: Library) -> None:
    library.put_tracks(Track(str(n), title=f"song of the year {1900 + n}", artist=f"the band {n}") for n in range(300))
    library.put_tracks([Track("right", title="Bohemian Rhapsody", artist="Queen")])
    spelt = [("Quen", "Bohemian Rhapsody"), ("Queen", "Bohemian Rapsody"), ("Queeen", "Bohemian Rhapsodie")]
    listens = [Listen("ann", float(n), *names) for n, names in enumerate(spelt)]
    assert library.add_listens(listens).added == 3
    assert library.user_weights("ann") == {"right": 3.0}


def test_of_several_the_one_of_the_album_is_taken(library: Library) -> None:
    library.put_tracks([Track(album, title="Jóga", artist="Björk", album=album) for album in ("a", "Homogenic", "z")])
    library.add_listens([dataclasses.replace(HEARD, album="homogenic")])
    assert library.user_weights("ann") == {"Homogenic": 1.0}


def test_what_waits_is_kept_once_and_joins_the_track_that_comes(library: Library) -> None:
    assert library.add_listens([HEARD, HEARD, dataclasses.replace(HEARD, user="bob", heard_seconds=30.0)]).waiting == 2
    assert library.add_listens([HEARD]).repeated == 1
    assert library.status()["waiting_listens"] == 2
    library.put_tracks([Track("other", title="Hunter", artist="Björk")])
    assert library.waiting_listens() == 2
    library.put_tracks([Track("t", title="Joga", artist="Bjork", duration_seconds=120.0)])
    assert library.waiting_listens() == 0
    assert library.user_plays("ann") == [Play("ann", "t", HEARD.listened_at)]
    assert library.user_plays("bob") == [Play("bob", "t", HEARD.listened_at, fraction=0.25)]
    assert library.add_listens([HEARD]).repeated == 1


def test_a_track_that_is_named_later_takes_its_listens_too(library: Library) -> None:
    library.add_plays([Play("bob", "t")])
    library.add_listens([HEARD])
    library.put_tracks([Track("t", title="Jóga", artist="Björk")])
    assert library.user_plays("ann") == [Play("ann", "t", HEARD.listened_at)]


def test_a_renamed_track_is_found_by_its_new_name(library: Library) -> None:
    library.put_tracks([Track("t", title="Untitled", artist="Unknown")])
    library.put_tracks([Track("t", title="Jóga", artist="Björk")])
    assert library.add_listens([HEARD]).added == 1
    assert library.add_listens([dataclasses.replace(HEARD, artist="Unknown", title="Untitled")]).waiting == 1


@given(artist=st.text(max_size=40), title=st.text(max_size=40))
def test_any_name_is_like_itself_or_like_nothing(artist: str, title: str) -> None:
    name = Name.of(artist, title)
    assert name.likeness(name) in {0.0, 200.0} or not name.artist
