"""Samples of the users of many tracks and the tracks of many users have a bounded size."""

from __future__ import annotations

from hybridrec.data.plays import Play
from hybridrec.storage.library import Library


def test_listeners_and_tracks_are_those_of_the_plays_summed_up(library: Library) -> None:
    library.add_plays(
        [
            Play("u", "a"),
            Play("u", "a", 1.0),
            Play("v", "a", weight=-1.0),
            Play("v", "b"),
            Play("w", "c"),
        ]
    )
    listeners = library.listeners_of(["a", "b", "unknown"], 10)
    weights = {(id_, weight) for id_, _, weight in listeners}
    assert weights == {("a", 2.0), ("a", -1.0), ("b", 1.0)}
    keys = {user for _, user, _ in listeners}
    assert len(keys) == 2
    assert sorted((id_, weight) for _, id_, weight in library.tracks_of(keys, 10)) == [
        ("a", -1.0),
        ("a", 2.0),
        ("b", 1.0),
    ]


def test_of_many_the_same_few_are_taken_and_they_change_little_as_more_come(
    library: Library,
) -> None:
    library.add_plays([Play(f"u{user}", track) for user in range(200) for track in ("a", "b")])
    before = library.listeners_of(["a", "b"], 20)
    assert sorted(id_ for id_, _, _ in before) == ["a"] * 20 + ["b"] * 20
    assert library.listeners_of(["a", "b"], 20) == before
    library.add_plays([Play(f"late{user}", "a") for user in range(20)])
    after = {user for id_, user, _ in library.listeners_of(["a"], 20)}
    assert len(after & {user for id_, user, _ in before if id_ == "a"}) >= 10
    tracks = library.tracks_of([user for _, user, _ in before], 1)
    assert len(tracks) == len({user for _, user, _ in before})
