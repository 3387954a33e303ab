"""What a music service relies on when it asks by external ids."""

from __future__ import annotations

import numpy as np
import pytest

from hybridrec.data.embeddings import Embeddings
from hybridrec.data.plays import Play
from hybridrec.data.tracks import Track
from hybridrec.errors import InvalidInput, NotFound
from hybridrec.serving.answers import Answer
from hybridrec.serving.service import RecommendationService
from hybridrec.storage.library import Library
from hybridrec.workflows.fit import fit

CALM_USER, LOUD_USER = "user-00", "user-01"


def ids(answer: Answer) -> list[str]:
    return [hit.track.id for hit in answer.hits]


def share_of(style: str, answer: Answer) -> float:
    return sum(id_.startswith(style) for id_ in ids(answer)) / len(answer.hits)


def test_a_user_gets_tracks_of_the_style_played_without_those_played(
    service: RecommendationService,
) -> None:
    answer = service.recommend(CALM_USER, 10)
    played = {play.track for play in service.user_plays(CALM_USER)}
    assert answer.basis == "behaviour"
    assert share_of("calm", answer) == 1.0
    assert not played & set(ids(answer))


def test_played_tracks_come_back_when_asked_for(service: RecommendationService) -> None:
    played = {play.track for play in service.user_plays(CALM_USER)}
    assert played & set(ids(service.recommend(CALM_USER, 10, exclude_played=False)))


def test_cold_tracks_reach_the_listeners_of_their_style_by_audio_alone(
    service: RecommendationService,
) -> None:
    hits = {hit.track.id: hit for hit in service.recommend(LOUD_USER, 40).hits}
    cold = [hits["loud-18"], hits["loud-19"]]
    assert all(
        hit.support == 0 and hit.effective_audio_weight == 1.0 and hit.behaviour_part == 0.0
        for hit in cold
    )
    assert min(hit.score for hit in cold) > hits["calm-18"].score


def test_every_hit_says_its_weight_and_its_parts_make_its_score(
    service: RecommendationService,
) -> None:
    for answer in (service.recommend(CALM_USER, 40), service.similar("calm-00", 39)):
        scores = [hit.score for hit in answer.hits]
        assert scores == sorted(scores, reverse=True)
        assert all(
            hit.score == pytest.approx(hit.audio_part + hit.behaviour_part) for hit in answer.hits
        )
        assert all(0.0 <= hit.effective_audio_weight <= 1.0 for hit in answer.hits)


def test_the_effective_weight_falls_as_listeners_come(service: RecommendationService) -> None:
    hits = sorted(service.recommend("nobody", 40).hits, key=lambda hit: hit.support)
    weights = [hit.effective_audio_weight for hit in hits]
    assert weights == sorted(weights, reverse=True)
    assert weights[0] > weights[-1]


def test_a_request_may_choose_its_own_weight(service: RecommendationService) -> None:
    by_audio = service.recommend(CALM_USER, 10, audio_weight=1.0)
    assert all(
        hit.effective_audio_weight == 1.0 and hit.behaviour_part == 0.0 for hit in by_audio.hits
    )
    by_plays = service.recommend(CALM_USER, 40, audio_weight=0.0)
    assert all(hit.effective_audio_weight < 0.6 for hit in by_plays.hits if hit.support >= 3)
    with pytest.raises(InvalidInput, match=r"audio_weight must be 0 to 1; got 1\.5"):
        service.recommend(CALM_USER, audio_weight=1.5)


def test_similar_tracks_are_of_the_seed_s_style_and_not_the_seed(
    service: RecommendationService,
) -> None:
    for seed in ("loud-03", "loud-19"):
        answer = service.similar(seed, 10)
        assert share_of("loud", answer) == 1.0
        assert seed not in ids(answer)


def test_an_unknown_track_is_named_in_the_error(service: RecommendationService) -> None:
    with pytest.raises(NotFound, match="no-such-track"):
        service.similar("no-such-track")


def test_an_unknown_user_gets_what_is_popular(service: RecommendationService) -> None:
    answer = service.recommend("stranger", 10)
    assert answer.basis == "popularity"
    assert len(answer.hits) == 10


def test_the_next_request_knows_a_play(service: RecommendationService) -> None:
    service.add_plays([Play("newcomer", "loud-00", 1.0), Play("newcomer", "loud-01", 2.0)])
    answer = service.recommend("newcomer", 10)
    assert answer.basis == "behaviour"
    assert share_of("loud", answer) == 1.0
    assert not {"loud-00", "loud-01"} & set(ids(answer))


def test_a_user_who_played_only_cold_tracks_is_answered_by_their_audio(
    service: RecommendationService,
) -> None:
    service.add_plays([Play("pioneer", "calm-18", 1.0), Play("pioneer", "calm-19", 2.0)])
    assert share_of("calm", service.recommend("pioneer", 10)) == 1.0


def test_playing_a_cold_track_raises_its_support_and_shifts_its_weight(
    service: RecommendationService,
) -> None:
    def hit() -> tuple[int, float]:
        found = {hit.track.id: hit for hit in service.recommend(LOUD_USER, 40).hits}["loud-18"]
        return found.support, found.effective_audio_weight

    weights = [hit()[1]]
    for n in range(1, 4):
        service.add_plays([Play(f"user-{2 * n + 1:02d}", "loud-18", 5.0)])
        assert service.settle()
        support, weight = hit()
        assert support == n
        weights.append(weight)
    assert weights[0] == 1.0
    assert weights == sorted(weights, reverse=True)
    assert len(set(weights)) == 4


def test_plays_before_any_fit_are_answered_by_audio(embedded_library: Library) -> None:
    service = RecommendationService(embedded_library)
    service.add_plays([Play("first", "calm-00"), Play("first", "calm-01")])
    answer = service.recommend("first", 10)
    assert answer.basis == "audio"
    assert share_of("calm", answer) == 1.0
    assert all(hit.effective_audio_weight == 1.0 for hit in answer.hits)


def test_tracks_without_audio_are_recommended_by_behaviour_alone(library: Library) -> None:
    plays = [
        Play(f"user-{user}", f"track-{track}", 1.0)
        for user in range(20)
        for track in range(20)
        if (user + track) % 2 == 0 and user != track
    ]
    library.add_plays(plays)
    fit(library)
    answer = RecommendationService(library).recommend("user-4", 1)
    assert ids(answer) == ["track-4"]
    assert answer.hits[0].effective_audio_weight == 0.0
    assert answer.hits[0].audio_part == 0.0


def test_an_empty_library_answers_with_nothing_and_is_not_ready(
    library: Library,
) -> None:
    service = RecommendationService(library)
    assert service.recommend("anyone").hits == []
    assert service.readiness()["ready"] is False


def test_the_first_embeddings_reach_a_running_service(library: Library) -> None:
    service = RecommendationService(library)
    assert service.recommend("anyone").hits == []
    library.put_embeddings(Embeddings("external:x", ("a", "b"), np.eye(2, 8, dtype=np.float32)))
    library.set_fingerprint("external:x")
    assert set(ids(service.recommend("anyone"))) == {"a", "b"}
    library.put_embeddings(Embeddings("external:x", ("c",), np.eye(1, 8, dtype=np.float32)))
    assert ids(service.similar("c")) == ["a", "b"]


def test_two_services_over_one_library_see_each_other_s_writes(fitted_library: Library) -> None:
    one, other = RecommendationService(fitted_library), RecommendationService(fitted_library)
    vector = np.eye(128, dtype=np.float32)[[1]]
    fitted_library.put_tracks([Track("loud-new")])
    fitted_library.put_embeddings(Embeddings("external:two-styles", ("loud-new",), vector))
    for service in (one, other):
        assert "loud-new" in ids(service.recommend(LOUD_USER, 40))
    one.delete_track("loud-new")
    for service in (one, other):
        assert "loud-new" not in ids(service.recommend(LOUD_USER, 40))
    one.delete_user(LOUD_USER)
    assert other.recommend(LOUD_USER).basis == "popularity"


def test_a_new_fit_is_reloaded_by_a_running_service(fitted_library: Library) -> None:
    service = RecommendationService(fitted_library)
    before = service.recommend(CALM_USER).model_version
    assert before is not None
    assert fit(fitted_library).version == before + 1
    service.recommend(CALM_USER)
    assert service.settle()
    assert service.readiness()["model_version"] == before + 1


def test_a_disliked_style_is_pushed_down(service: RecommendationService) -> None:
    service.add_plays([Play("critic", f"calm-{n:02d}", 1.0, weight=1.0) for n in range(2)])
    liked = [hit.score for hit in service.recommend("critic", 40).hits if hit.track.id == "calm-05"]
    service.add_plays([Play("critic", f"calm-{n:02d}", 2.0, weight=-3.0) for n in range(2)])
    disliked = [
        hit.score for hit in service.recommend("critic", 40).hits if hit.track.id == "calm-05"
    ]
    assert disliked < liked


@pytest.mark.slow
def test_a_new_encoder_is_used_as_it_embeds_and_behaviour_answers_meanwhile(
    fitted_library: Library,
) -> None:
    service = RecommendationService(fitted_library)
    fitted_library.set_fingerprint("external:newer")
    assert service.settle()
    answer = service.recommend(CALM_USER, 10)
    assert answer.basis == "behaviour"
    assert all(hit.effective_audio_weight == 0.0 for hit in answer.hits)
    tracks = fitted_library.find_tracks(limit=100)
    vectors = np.array(
        [[1.0, 0.1] if track.genre == "calm" else [0.1, 1.0] for track in tracks], dtype=np.float32
    )
    fitted_library.put_embeddings(
        Embeddings("external:newer", tuple(track.id for track in tracks), vectors)
    )
    service.recommend(CALM_USER)
    assert service.settle()
    assert "calm-18" in ids(service.recommend(CALM_USER, 12))


def test_a_model_has_the_fingerprint_it_was_fitted_to_though_the_encoder_changes_meanwhile(
    embedded_library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Library.embeddings

    def changing(self: Library, *arguments: str) -> Embeddings:
        found = real(self, *arguments)
        self.set_fingerprint("external:newer")
        return found

    before = embedded_library.fingerprint()
    monkeypatch.setattr(Library, "embeddings", changing)
    fit(embedded_library)
    monkeypatch.undo()
    model = embedded_library.current("model")
    assert model is not None
    assert model.fingerprint == before
    assert embedded_library.fingerprint() == "external:newer"
    with RecommendationService(embedded_library) as service:
        assert service.recommend(CALM_USER, 10).fingerprint == "external:newer"
