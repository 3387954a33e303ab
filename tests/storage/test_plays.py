"""Plays: idempotent, all or nothing, and what they add up to."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from hybridrec.data.interactions import support_of
from hybridrec.data.listens import Listen
from hybridrec.data.plays import Play
from hybridrec.data.tracks import Track
from hybridrec.errors import InvalidInput, NotFound
from hybridrec.storage.library import Library
from hybridrec.storage.plays import PlaysAdded, UserSummary

PLAYS = st.lists(
    st.builds(
        Play,
        user=st.sampled_from(["u", "v", "w"]),
        track=st.sampled_from(["r", "s", "t"]),
        played_at=st.none() | st.integers(0, 3).map(float) | st.floats(0, 1e9),
        fraction=st.none() | st.floats(0, 1),
        weight=st.none() | st.integers(-3, 3).map(float),
    )
)


def test_a_play_counts_once_however_often_it_is_told(library: Library) -> None:
    plays = [Play("u", "t", 10.0), Play("u", "t", 11.0), Play("u", "t"), Play("v", "t", 10.0)]
    assert library.add_plays(plays) == PlaysAdded(added=4, repeated=0)
    assert library.add_plays(plays) == PlaysAdded(added=0, repeated=4)
    assert library.add_plays([*plays, Play("u", "t", 12.0)] * 2) == PlaysAdded(added=1, repeated=9)
    assert library.user_weights("u") == {"t": 4.0}


def test_a_play_that_is_told_again_takes_the_weight_told_last(library: Library) -> None:
    library.add_plays([Play("u", "t", weight=3.0)])
    library.add_plays([Play("u", "t", weight=57.0)])
    assert library.user_plays("u") == [Play("u", "t", weight=57.0)]


def test_a_batch_with_a_bad_id_stores_nothing(library: Library) -> None:
    with pytest.raises(InvalidInput, match="an id must be Unicode text"):
        library.add_plays([Play("u", "good"), Play("u", "zero\0byte")])
    assert library.status()["plays"] == library.status()["tracks"] == library.status()["users"] == 0


def test_no_plays_at_all_are_fine(library: Library) -> None:
    assert library.add_plays([]) == PlaysAdded(0, 0)


def test_a_user_sees_her_plays_newest_first_page_by_page(library: Library) -> None:
    plays = [Play("u", track, at) for track in ("a", "b") for at in (1.5, 2.5, 3.25, None)]
    library.add_plays([*plays, Play("v", "a", 9.0)])
    seen: list[Play] = []
    while page := library.user_plays("u", after=seen[-1] if seen else None, limit=3):
        seen += page
    assert seen == sorted(plays, key=lambda play: (-(play.played_at or -1), play.track))


def test_an_unknown_user_has_no_plays_but_cannot_be_forgotten(library: Library) -> None:
    assert library.user_plays("nobody") == []
    assert library.user_weights("nobody") == {}
    with pytest.raises(NotFound, match="unknown user; got 'nobody'"):
        library.forget_user("nobody")


def test_forgetting_a_user_leaves_nothing_of_her_and_all_of_the_others(library: Library) -> None:
    library.add_plays([Play("u", "t"), Play("v", "t")])
    library.forget_user("u")
    assert library.user_plays("u") == []
    assert library.find_users() == [UserSummary("v", 1)]
    assert library.support() == {"t": 1}


def test_users_are_found_by_part_of_their_id(library: Library) -> None:
    library.add_plays([Play("Ann", "t"), Play("anna", "t"), Play("anna", "s"), Play("B_n", "t")])
    assert library.find_users("AN") == [UserSummary("Ann", 1), UserSummary("anna", 2)]
    assert library.find_users("_") == [UserSummary("B_n", 1)]
    assert [user.id for user in library.find_users(after="Ann", limit=1)] == ["B_n"]


def test_skips_weigh_against_plays_and_give_no_support(library: Library) -> None:
    library.add_plays(
        [Play("u", "t", 1.0), Play("u", "t", 2.0, weight=-3.0), Play("v", "t", fraction=0.25)]
    )
    assert library.user_weights("u") == {"t": -2.0}
    assert library.support(["t", "unplayed"]) == {"t": 1, "unplayed": 0}


def test_interactions_cover_all_users_and_tracks_even_without_plays(library: Library) -> None:
    library.put_tracks([Track("silent")])
    library.add_plays([Play("u", "t", weight=3.0)])
    found = library.interactions()
    assert list(found.user_ids) == ["u"]
    assert list(found.track_ids) == ["silent", "t"]
    assert_allclose(found.matrix.toarray(), [[0.0, 2.0]])
    assert found.matrix.dtype == np.float32


def test_the_plays_of_the_interactions_keep_their_times(library: Library) -> None:
    library.add_plays([Play("u", "t", played_at=5.0), Play("u", "t", played_at=9.0, weight=-1.0)])
    table = library.interactions().plays
    assert sorted(zip(table.played_at, table.weights, strict=True)) == [(5.0, 1.0), (9.0, -1.0)]
    assert table.has_times
    library.add_plays([Play("u", "s")])
    assert not library.interactions().plays.has_times


def test_an_empty_library_has_empty_interactions(library: Library) -> None:
    assert library.interactions().matrix.shape == (0, 0)
    assert library.support() == {}


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(PLAYS)
def test_any_plays_add_up_as_a_dictionary_would(library: Library, plays: list[Play]) -> None:
    library.add_plays(plays)
    library.add_plays(plays)
    told = {(play.user, play.track, play.played_at): play for play in plays}
    weights: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for play in told.values():
        weights[play.user][play.track] += play.effective_weight

    for user in ("u", "v", "w"):
        assert library.user_weights(user) == pytest.approx(weights[user])
        assert set(library.user_plays(user)) == {
            play for play in told.values() if play.user == user
        }
    support = {
        track: sum(of[track] > 1e-9 for of in weights.values()) for track in library.track_ids()
    }
    if all(abs(weight) > 1e-9 for of in weights.values() for weight in of.values() if weight):
        found = library.interactions()
        assert library.support() == support
        assert dict(zip(found.track_ids, support_of(found.matrix).tolist(), strict=True)) == support

    for known in library.find_users():
        library.forget_user(known.id)
    for track_id in library.track_ids():
        library.delete_track(track_id)


def test_a_person_who_is_forgotten_keeps_no_token(library: Library) -> None:
    token = library.create_token("erika", "write")
    device = library.create_token("phone", "write", person="erika")
    other = library.create_token("bob", "read")
    library.add_plays([Play("erika", "t", 1.0)])
    library.add_listens([Listen("erika", 5.0, "Nobody", "Nothing")])
    library.forget_user("erika")
    assert (library.token(token), library.token(device)) == (None, None)
    assert library.token(other) is not None
    assert not any(
        "erika" in (token.name, token.listener, token.person) for token in library.tokens()
    )
    assert (library.waiting_listens(), library.user_plays("erika")) == (0, [])
    with pytest.raises(NotFound, match="unknown user"):
        library.forget_user("erika")
    assert library.create_token("erika", "read") not in (token, device)


@pytest.mark.slow
def test_nothing_of_a_forgotten_person_stays_in_the_files_of_the_database(tmp_path: Path) -> None:
    with Library.open(tmp_path / "library", create=True) as library:
        name = "erika-mustermann-1964"
        for n in range(300):
            library.add_plays([Play(f"u{n}", f"t{n}", 1.0), Play(f"{name}", f"t{n}", 1.0)])
            library.add_listens([Listen(name, float(n), "Nobody", f"Nothing {n}")])
        library.create_token(name, "write")
        files = [path for path in (tmp_path / "library").iterdir() if path.is_file()]
        assert any(name.encode() in path.read_bytes() for path in files)
        library.forget_user(name)
        assert not any(name.encode() in path.read_bytes() for path in files if path.exists())
        assert library.status()["users"] == 300
