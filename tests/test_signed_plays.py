"""Skips and dislikes lower similar tracks in the ranking, likes raise them."""

from __future__ import annotations

import numpy as np
import pytest

from hybridrec.data.plays import Play
from hybridrec.serving.service import RecommendationService

USER = "listener"
AUDIO_WEIGHTS = pytest.mark.parametrize(
    "audio_weight", [0.0, 0.15, 1.0], ids=["plays alone", "blended", "sound alone"]
)


def mean_place(service: RecommendationService, style: str, audio_weight: float) -> float:
    """The mean place of a style's tracks among all that the user has not played; 0 is first."""
    hits = service.recommend(USER, 40, audio_weight=audio_weight).hits
    played = [
        hit.track.id
        for hit in hits
        if hit.support > 0 and hit.track.id.split("-")[1] not in ("03", "04")
    ]
    return float(np.mean([place for place, id_ in enumerate(played) if id_.startswith(style)]))


def add_play(service: RecommendationService, track: str, weight: float | None = None) -> None:
    service.add_plays([Play(USER, track, played_at=1_750_000_000.0, weight=weight)])


@pytest.fixture
def undecided(service: RecommendationService) -> RecommendationService:
    """A service with one play of each style by a user."""
    add_play(service, "calm-04")
    add_play(service, "loud-04")
    return service


def ranked_styles(service: RecommendationService, audio_weight: float) -> list[str]:
    """The two styles, the one that stands higher first."""
    return sorted(["calm", "loud"], key=lambda style: mean_place(service, style, audio_weight))


@AUDIO_WEIGHTS
def test_a_like_raises_similar_tracks(
    undecided: RecommendationService, audio_weight: float
) -> None:
    _, behind = ranked_styles(undecided, audio_weight)
    before = mean_place(undecided, behind, audio_weight)
    add_play(undecided, f"{behind}-03", weight=5.0)
    assert mean_place(undecided, behind, audio_weight) < before


@AUDIO_WEIGHTS
def test_a_skip_lowers_similar_tracks(
    undecided: RecommendationService, audio_weight: float
) -> None:
    ahead, _ = ranked_styles(undecided, audio_weight)
    before = mean_place(undecided, ahead, audio_weight)
    add_play(undecided, f"{ahead}-03", weight=-1.0)
    assert mean_place(undecided, ahead, audio_weight) > before


def test_a_skip_and_a_like_of_a_track_have_opposite_effects(
    undecided: RecommendationService,
) -> None:
    add_play(undecided, "calm-03", weight=-3.0)
    skipped = mean_place(undecided, "calm", 0.15)
    undecided.add_plays([Play(USER, "calm-03", played_at=1_750_000_001.0, weight=8.0)])
    assert mean_place(undecided, "calm", 0.15) < skipped


def test_a_skip_gives_a_track_no_support(service: RecommendationService) -> None:
    add_play(service, "calm-18", weight=-1.0)
    (hit,) = [hit for hit in service.recommend("user-00", 40).hits if hit.track.id == "calm-18"]
    assert (hit.support, hit.effective_audio_weight) == (0, 1.0)
