"""Simulated users, for catalogues that no real person has played yet; see synthetic.md.

Their plays depend on the style of the music only in part. The rest is popularity, hidden groups
of users that audio cannot explain, and noise, so that neither audio nor behaviour alone can
predict them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hybridrec.data.arrays import Mask, Rows
from hybridrec.data.plays import Play
from hybridrec.errors import InvalidInput

USER_PREFIX = "simulated-"
YEAR_START_UNIX_SECONDS = 1_704_067_200  # 2024-01-01, UTC
YEAR_SECONDS = 366 * 86_400
MAX_SPARSE_LISTENERS = 4
SKIP_WEIGHT = -0.5
INVENTED_STYLES = 10  # groups assigned at random to tracks without a label

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Preference:
    """How the simulated users choose tracks; strengths are in units of the noise.

    Attributes:
        popularity: exponent of the power law of popularity over randomly ranked tracks.
        style: weight of a user's preferences for styles.
        circle: weight of belonging to the same hidden group as a track.
        circles: number of hidden groups.
        tracks_a_user: median number of different tracks that one user plays.
        cold_share: share of the tracks that nobody has played.
        sparse_share: share of the tracks that 1 to 4 users have played.
        skip_share: number of skipped tracks for each one played.
    """

    popularity: float = 0.8
    style: float = 2.0
    circle: float = 3.0
    circles: int = 8
    tracks_a_user: int = 25
    cold_share: float = 0.15
    sparse_share: float = 0.2
    skip_share: float = 0.15


def simulate_plays(
    track_ids: Sequence[str],
    styles: Sequence[str],
    *,
    users: int = 400,
    seed: int = 0,
    preference: Preference | None = None,
) -> list[Play]:
    """Simulate a year of plays, oldest first, by users named `simulated-...`.

    Most plays are complete; some are partial (a fraction), some tracks are played again, and some
    are skipped (a weight below zero). Cold tracks have no play at all.

    Args:
        track_ids: the catalogue.
        styles: a label for each track: its style, genre or soundtrack. Tracks without one ("")
            are assigned at random to groups that are independent of the audio.
        users: how many.
        seed: the same seed gives the same plays.
        preference: how they choose; None: the defaults.

    Raises:
        InvalidInput: if tracks and styles differ in number, or there is no user.
    """
    if len(track_ids) != len(styles):
        fix = f"give {len(track_ids)} of them"
        raise InvalidInput("every track needs a style", got=len(styles), fix=fix)
    if users < 1:
        fix = "choose a value in that range"
        raise InvalidInput("users must be 1 or more", got=users, fix=fix)
    if not track_ids:
        return []
    preference = preference or Preference()
    rng = np.random.default_rng(seed)
    utilities = _utilities(styles, users, preference, rng)
    cold, sparse = _cold_and_sparse(len(track_ids), preference, rng)
    counts = _tracks_played(users, int((~cold).sum()), preference, rng)
    played = _pick(np.where(cold, -np.inf, utilities), counts)
    _limit_listeners(played, sparse, rng)
    skip_rate = preference.skip_share * played.mean(axis=1, keepdims=True)
    skipped = (rng.random(played.shape) < skip_rate) & ~played & ~cold
    names = [f"{USER_PREFIX}{number + 1:0{len(str(users))}d}" for number in range(users)]
    plays = [*_listen(played, names, track_ids, rng), *_skip(skipped, names, track_ids, rng)]
    return sorted(plays, key=lambda play: (play.played_at or 0.0, play.user, play.track))


def _utilities(
    styles: Sequence[str], users: int, preference: Preference, rng: np.random.Generator
) -> Matrix:
    """The utility of each track for each user, `(users, tracks)`; users choose the highest."""
    tracks = len(styles)
    labels = [style or f"group {rng.integers(INVENTED_STYLES)}" for style in styles]
    style_rows = np.unique(labels, return_inverse=True)[1]
    liking = rng.standard_normal((users, int(style_rows.max(initial=0)) + 1))
    circle_of_track = rng.integers(preference.circles, size=tracks)
    circle_of_user = rng.integers(preference.circles, size=users)
    popularity = -preference.popularity * np.log1p(rng.permutation(tracks))
    noise = rng.gumbel(size=(users, tracks))
    same_circle = circle_of_user[:, None] == circle_of_track
    of_style, of_circle = preference.style * liking[:, style_rows], preference.circle * same_circle
    return np.asarray(popularity + of_style + of_circle + noise)


def _cold_and_sparse(
    tracks: int, preference: Preference, rng: np.random.Generator
) -> tuple[Mask, Mask]:
    """Which tracks are cold and which sparse, two `(tracks,)` masks; a single track is neither."""
    order = rng.permutation(tracks)
    n_cold, n_sparse = int(preference.cold_share * tracks), int(preference.sparse_share * tracks)
    return order < n_cold, (order >= n_cold) & (order < n_cold + n_sparse)


def _tracks_played(
    users: int, playable: int, preference: Preference, rng: np.random.Generator
) -> Rows:
    """How many tracks each user plays, `(users,)`: a long tail, and nobody plays more than half."""
    wanted = np.round(preference.tracks_a_user * rng.lognormal(0, 0.6, users)).astype(np.int64)
    return np.clip(wanted, 1, (playable + 1) // 2)


def _pick(utilities: Matrix, counts: Rows) -> Mask:
    """The `counts` tracks of highest utility for each user, as `(users, tracks)`."""
    picked = np.zeros(utilities.shape, dtype=bool)
    for user, count in enumerate(counts):
        picked[user, np.argsort(-utilities[user])[:count]] = True
    return picked


def _limit_listeners(played: Mask, sparse: Mask, rng: np.random.Generator) -> None:
    """Leave each sparse track 1 to 4 of its listeners; one without any gets one."""
    for track in np.flatnonzero(sparse):
        listeners = np.flatnonzero(played[:, track])
        if len(listeners) == 0:
            listeners = rng.integers(played.shape[0], size=1)
        most = int(rng.integers(1, MAX_SPARSE_LISTENERS + 1))
        kept = rng.choice(listeners, min(len(listeners), most), replace=False)
        played[:, track] = False
        played[kept, track] = True


def _listen(
    played: Mask, names: list[str], track_ids: Sequence[str], rng: np.random.Generator
) -> Iterator[Play]:
    for user, track in np.argwhere(played):
        for _ in range(int(rng.geometric(0.6))):
            fraction = round(float(rng.uniform(0.3, 1.0)), 2) if rng.random() < 0.2 else None
            yield Play(names[user], track_ids[track], _some_time(rng), fraction=fraction)


def _skip(
    skipped: Mask, names: list[str], track_ids: Sequence[str], rng: np.random.Generator
) -> Iterator[Play]:
    for user, track in np.argwhere(skipped):
        fraction = round(float(rng.uniform(0.01, 0.15)), 2)
        yield Play(
            names[user], track_ids[track], _some_time(rng), fraction=fraction, weight=SKIP_WEIGHT
        )


def _some_time(rng: np.random.Generator) -> float:
    return float(YEAR_START_UNIX_SECONDS + rng.integers(YEAR_SECONDS))
