"""Tracks: adding, finding and deleting them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hybridrec.data.listens import Listen
from hybridrec.data.plays import Play
from hybridrec.data.tracks import Track
from hybridrec.errors import InvalidInput, NotFound
from hybridrec.storage.embeddings import EmbeddedTrack, FileStamp
from hybridrec.storage.library import Library

FULL = Track("t", "Blue", "Joni", "Blue", "folk", 183.5, "/music/blue.flac", "ab" * 32)
STORABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def test_a_track_comes_back_as_it_was_given(library: Library) -> None:
    library.put_tracks([FULL])
    assert library.track("t") == FULL


def test_many_tracks_are_looked_up_at_once(library: Library) -> None:
    library.put_tracks(Track(f"t{number}") for number in range(2500))
    asked = [f"t{number}" for number in range(0, 5000, 2)]
    assert library.tracks(asked) == {id_: Track(id_) for id_ in asked[:1250]}
    assert library.tracks([]) == {}


def test_a_later_record_adds_and_changes_but_never_empties(library: Library) -> None:
    library.put_tracks([FULL])
    library.put_tracks([Track("t", artist="Joni Mitchell")])
    assert library.track("t") == dataclasses.replace(FULL, artist="Joni Mitchell")


def test_of_two_records_of_one_id_in_a_batch_both_count(library: Library) -> None:
    library.put_tracks([Track("t", title="Blue"), Track("t", artist="Joni")])
    assert library.track("t") == Track("t", title="Blue", artist="Joni")


def test_unknown_tracks_are_said(library: Library) -> None:
    with pytest.raises(NotFound, match="unknown track; got 'x'"):
        library.track("x")
    with pytest.raises(NotFound, match="unknown track; got 'x'"):
        library.delete_track("x")


@pytest.mark.parametrize("id_", ["", "zero\0byte", "half\ud83d"])
def test_ids_that_no_database_holds_are_refused_everywhere(library: Library, id_: str) -> None:
    for call in (
        lambda: library.put_tracks([Track("good"), Track(id_)]),
        lambda: library.track(id_),
        lambda: library.delete_track(id_),
        lambda: library.user_weights(id_),
        lambda: library.forget_user(id_),
        lambda: library.support([id_]),
        lambda: library.find_tracks(after=id_),
    ):
        with pytest.raises(InvalidInput, match="an id must be Unicode text"):
            call()
    assert library.track_ids() == []


def test_odd_characters_in_tags_are_stored_as_well_as_can_be(library: Library) -> None:
    library.put_tracks([Track("t", title="a\0b", artist="x\ud800y")])
    assert library.track("t") == Track("t", title="a b", artist="x?y")
    assert library.find_tracks("half\ud83d and zero\0") == []


def test_paths_that_are_not_utf8_come_back(library: Library) -> None:
    path = b"/music/na\xefve.mp3".decode("utf-8", "surrogateescape")
    library.put_tracks([Track("t", path=path)])
    assert library.track("t").path == path


def test_kept_files_move_with_the_library(tmp_path: Path) -> None:
    with Library.open(tmp_path / "here", create=True) as library:
        library.put_tracks([Track("t", path=str(library.files / "a.mp3"))])
    (tmp_path / "here").rename(tmp_path / "there")
    with Library.open(tmp_path / "there") as library:
        assert library.track("t").path == str(tmp_path / "there" / "files" / "a.mp3")


def test_a_track_is_found_by_the_hash_of_its_file(library: Library) -> None:
    library.put_tracks([FULL, dataclasses.replace(FULL, id="copy")])
    assert library.track_by_hash("ab" * 32) == FULL
    assert library.track_by_hash("cd" * 32) is None


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["1", "2", "3", "4"]),
        ("beyonce", ["1"]),
        ("BEYONCÉ halo", ["1"]),
        ("halo", ["1", "2"]),
        ("halo beyonce nothing", []),
        ("100%", ["3"]),
        ("_", []),
        ("strasse", ["4"]),
        ("  ", ["1", "2", "3", "4"]),
    ],
)
def test_search_wants_all_words_whatever_the_case_and_accents(
    library: Library, query: str, found: list[str]
) -> None:
    library.put_tracks(
        [
            Track("1", "Halo", "Beyoncé"),
            Track("2", "Halo", "Depeche Mode"),
            Track("3", "100% sure", "1000 names"),
            Track("4", "Kölner Straße"),
        ]
    )
    assert [track.id for track in library.find_tracks(query)] == found


def test_pages_follow_one_another_without_gap_or_overlap(library: Library) -> None:
    ids = ["B", "a", "Z", "é", "10", "9", "\U0001f3b5", "~"]
    library.put_tracks(Track(id_) for id_ in ids)
    seen: list[str] = []
    while page := library.find_tracks(after=seen[-1] if seen else None, limit=3):
        assert len(page) <= 3
        seen += [track.id for track in page]
    assert seen == sorted(ids)


def test_deleting_a_track_takes_its_plays_embeddings_stamps_and_kept_file(
    library: Library, tmp_path: Path
) -> None:
    kept, own = library.files / "kept.mp3", tmp_path / "own.mp3"
    for path in (kept, own):
        path.write_bytes(b"sound")
        stamp = FileStamp(5, 1, "ab", path.stem)
        vector = np.ones(3, np.float32)
        library.put_embedded(
            [EmbeddedTrack(Track(path.stem, path=str(path)), stamp, "encoder-1", vector)]
        )
    library.add_plays([Play("u", "kept"), Play("u", "own"), Play("u", "other")])

    library.delete_track("kept")
    library.delete_track("own")

    assert library.track_ids() == ["other"]
    assert library.user_weights("u") == {"other": 1.0}
    assert library.file_stamps() == {}
    assert library.embeddings("encoder-1").ids == ()
    assert not kept.exists()
    assert own.exists(), "a file outside the library belongs to its owner"


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.builds(
        Track,
        id=STORABLE.filter(bool),
        title=STORABLE,
        artist=STORABLE,
        album=STORABLE,
        genre=STORABLE,
        duration_seconds=st.none() | st.floats(0, 1e6),
        content_hash=st.none() | st.text("0123456789abcdef", min_size=64, max_size=64),
    )
)
def test_any_track_comes_back_and_is_found_by_its_title(library: Library, track: Track) -> None:
    library.put_tracks([track])
    assert library.track(track.id) == track
    assert track in library.find_tracks(track.title)
    library.delete_track(track.id)
    assert library.track_ids() == []


@pytest.mark.parametrize(
    "query", ["\ufdfa" * 890, "a " * 400, " ".join(f"word{n}" for n in range(150)), "x" * 1000]
)
def test_a_query_of_any_length_is_answered_by_its_first_words(library: Library, query: str) -> None:
    library.put_tracks(
        [Track(f"t{n}", title=query[:1000]) for n in range(3)] + [Track("other", title="b")]
    )
    assert [track.id for track in library.find_tracks(query)] == ["t0", "t1", "t2"]


def test_a_search_follows_a_track_that_is_renamed(library: Library) -> None:
    library.put_tracks([Track("t", title="Untitled")])
    library.put_tracks([Track("t", title="Jóga"), Track("s", title="Untitled too")])
    library.add_plays([Play("u", "untitled-3")])
    assert [track.id for track in library.find_tracks("untitled")] == ["s", "untitled-3"]
    library.delete_track("s")
    assert [track.id for track in library.find_tracks("joga")] == ["t"]
    assert [track.id for track in library.find_tracks("untitled")] == ["untitled-3"]


@pytest.mark.parametrize(
    "query", ['"', '"quoted"', "a AND b", "(near", "col:umn", "it's", "-x", "*", "^caret", "\\"]
)
def test_signs_of_a_query_language_are_looked_for_as_they_are(library: Library, query: str) -> None:
    library.put_tracks([Track("right", title=f"so {query} it is"), Track("wrong", title="nothing")])
    assert [track.id for track in library.find_tracks(query)] == ["right"]


@pytest.mark.parametrize(
    ("track", "says"),
    [
        (Track("x" * 513), "an id may have at most 512 characters; .*of 513"),
        (Track("t", recording_mbid="x" * 513), "an id may have at most 512 characters"),
        (Track("t", title="x" * 10_241), "title may have at most 10240 characters"),
        (Track("t", artist="x" * 10_241), "artist may have at most 10240 characters"),
    ],
)
def test_text_that_not_every_database_holds_is_refused(
    library: Library, track: Track, says: str
) -> None:
    with pytest.raises(InvalidInput, match=says):
        library.put_tracks([Track("good"), track])
    assert library.track_ids() == []


def test_the_longest_text_is_stored_and_found(library: Library) -> None:
    rare = "".join(chr(0x10000 + n * 7) for n in range(512))
    long = "".join(chr(0x10000 + n % 60_000) for n in range(10_240))
    track = Track(rare, long, long[::-1], long, long, recording_mbid=rare)
    library.put_tracks([track])
    library.add_plays([Play(rare, rare, 1.0)])
    assert library.track(rare) == track
    assert library.find_tracks(long[:50]) == [track]
    assert library.track_ids(artist=long[::-1]) == [rare]
    assert library.add_listens([Listen(rare, 5.0, long[::-1], long, long)]).added == 1
    assert library.add_listens([Listen(rare, 6.0, long, long, long)]).waiting == 1
    assert library.add_listens([Listen(rare, 6.0, long, long, long)]).repeated == 1
