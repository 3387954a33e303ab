"""Simulated users: skewed popularity, cold and sparse tracks, preferences partly by style."""

from __future__ import annotations

import numpy as np
import pytest

from hybridrec.data.ids import IdMap
from hybridrec.data.plays import Play
from hybridrec.datasets.listeners import Preference, simulate_plays
from hybridrec.errors import InvalidInput

TRACKS = [f"track-{number:03d}" for number in range(240)]
STYLES = [f"style {number % 10}" for number in range(240)]
USERS = 400


@pytest.fixture(scope="module")
def plays() -> list[Play]:
    return simulate_plays(TRACKS, STYLES, users=USERS, seed=7)


def liked(plays: list[Play], tracks: list[str]) -> np.ndarray:
    """`(users, tracks)` bool: whether the weights of a pair add up to more than zero."""
    users, rows = IdMap(play.user for play in plays), IdMap(tracks)
    weights = np.zeros((len(users), len(rows)))
    for play in plays:
        weights[users.row(play.user), rows.row(play.track)] += play.effective_weight
    return weights > 0


def shared_style(chosen: np.ndarray, styles: list[str]) -> float:
    """Of two different tracks of one listener, how often both have one style."""
    same = np.equal.outer(styles, styles) & ~np.eye(len(styles), dtype=bool)
    together = chosen.T.astype(float) @ chosen
    return float((together * same).sum() / (together.sum() - np.trace(together)))


def test_the_same_seed_gives_the_same_plays_and_another_seed_others(plays: list[Play]) -> None:
    assert simulate_plays(TRACKS, STYLES, users=USERS, seed=7) == plays
    assert simulate_plays(TRACKS, STYLES, users=USERS, seed=8) != plays


def test_user_names_say_that_they_are_simulated(plays: list[Play]) -> None:
    names = {play.user for play in plays}

    assert len(names) == USERS
    assert all(name.startswith("simulated-") for name in names)


def test_there_are_cold_sparse_and_warm_tracks(plays: list[Play]) -> None:
    support = liked(plays, TRACKS).sum(axis=0)

    assert (support == 0).sum() == 36  # 15 %
    assert (
        48 <= ((support >= 1) & (support <= 4)).sum() <= 60
    )  # 20 %, and what is unpopular of itself
    assert (support >= 5).sum() >= 140


def test_a_cold_track_has_no_skips_either(plays: list[Play]) -> None:
    assert len({play.track for play in plays}) == 240 - 36


def test_popularity_is_skewed(plays: list[Play]) -> None:
    support = np.sort(liked(plays, TRACKS).sum(axis=0))[::-1]

    assert support[:24].sum() > 0.25 * support.sum()
    assert support[0] > 4 * np.median(support)


def test_style_predicts_plays_in_part(plays: list[Play]) -> None:
    chosen = liked(plays, TRACKS)
    shuffled = list(np.random.default_rng(0).permutation(STYLES))

    assert 1.5 * shared_style(chosen, shuffled) < shared_style(chosen, STYLES) < 0.4


def test_hidden_groups_relate_tracks_of_different_styles() -> None:
    without_style = simulate_plays(
        TRACKS, STYLES, users=USERS, seed=7, preference=Preference(style=0.0)
    )
    without_both = simulate_plays(
        TRACKS, STYLES, users=USERS, seed=7, preference=Preference(style=0.0, circle=0.0)
    )

    def clustering(plays: list[Play]) -> float:
        """The correlation between the audiences of pairs of tracks."""
        chosen = liked(plays, TRACKS).astype(float)
        chosen = chosen[:, chosen.sum(axis=0) >= 20]
        chosen = (chosen - chosen.mean(axis=0)) / chosen.std(axis=0)
        return float(
            np.quantile(
                (chosen.T @ chosen / len(chosen))[np.triu_indices(chosen.shape[1], 1)], 0.95
            )
        )

    assert clustering(without_style) > 1.5 * clustering(without_both)


def test_plays_are_ordered_over_a_year_with_repeats_partial_plays_and_skips(
    plays: list[Play],
) -> None:
    times = [play.played_at or 0.0 for play in plays]
    pairs = [(play.user, play.track) for play in plays if play.weight is None]
    skips = [play for play in plays if play.weight is not None]

    assert times == sorted(times)
    assert 350 * 86_400 < times[-1] - times[0] < 367 * 86_400
    assert len(set(pairs)) < 0.8 * len(pairs)
    assert 0.1 < np.mean([play.fraction is not None for play in plays]) < 0.4
    assert 0.02 < len(skips) / len(plays) < 0.15
    assert all(play.weight < 0 and play.fraction < 0.2 for play in skips)
    assert len({(play.user, play.track, play.played_at) for play in plays}) == len(plays)


def test_tracks_without_labels_have_plays_too() -> None:
    plays = simulate_plays(TRACKS, [""] * 240, users=50)

    assert len({play.user for play in plays}) == 50


@pytest.mark.parametrize("tracks", [0, 1, 2, 12])
def test_a_small_catalogue_works(tracks: int) -> None:
    plays = simulate_plays(TRACKS[:tracks], [""] * tracks, users=20)

    assert {play.track for play in plays} <= set(TRACKS[:tracks])
    assert bool(plays) == (tracks > 0)


def test_invalid_arguments_are_refused() -> None:
    with pytest.raises(InvalidInput, match="every track needs a style; got 1; give 240 of them"):
        simulate_plays(TRACKS, ["one"])
    with pytest.raises(InvalidInput, match="users must be 1 or more; got 0"):
        simulate_plays(TRACKS, STYLES, users=0)
