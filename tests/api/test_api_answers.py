"""Responses of the HTTP API to valid requests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
import soundfile
from flask.testing import FlaskClient

from hybridrec.data.plays import Play
from hybridrec.data.tracks import Track
from hybridrec.serving.service import RecommendationService

CALM_USER, LOUD_USER = "user-00", "user-01"
AWKWARD_IDS = [
    "album/song 1.mp3",
    "100 %2F",
    "%25",
    "a?b#c",
    "ünïcode/日本",
    "a;b&c=d",
    "plus+plus",
    "../up",
]


def ids(answers: list[dict[str, object]]) -> list[str]:
    return [answer["track"]["id"] for answer in answers]


def test_a_user_gets_recommendations_with_their_score_components(client: FlaskClient) -> None:
    answer = client.get(f"/v1/users/{CALM_USER}/recommendations?n=5").json
    assert (answer["user"], answer["basis"], answer["model_version"]) == (CALM_USER, "behaviour", 1)
    assert len(answer["recommendations"]) == 5
    for hit in answer["recommendations"]:
        assert hit["score"] == pytest.approx(hit["audio_part"] + hit["behaviour_part"])
        assert 0 <= hit["effective_audio_weight"] <= 1
        assert hit["track"]["id"].startswith("calm")


def test_ten_results_are_given_unless_more_are_asked_for(client: FlaskClient) -> None:
    assert len(client.get(f"/v1/users/{CALM_USER}/recommendations").json["recommendations"]) == 10
    assert len(client.get("/v1/tracks/calm-00/similar?n=30").json["similar"]) == 30


def test_an_unknown_user_gets_what_is_popular(client: FlaskClient) -> None:
    answer = client.get("/v1/users/stranger/recommendations").json
    assert answer["basis"] == "popularity"
    assert answer["recommendations"]


def test_played_tracks_are_left_out_unless_wanted(client: FlaskClient) -> None:
    played = {
        play["track"]["id"] for play in client.get(f"/v1/users/{CALM_USER}/plays").json["plays"]
    }
    address = f"/v1/users/{CALM_USER}/recommendations?n=40"
    assert not played & set(ids(client.get(address).json["recommendations"]))
    assert played <= set(ids(client.get(f"{address}&exclude_played=false").json["recommendations"]))


def test_the_audio_weight_of_a_request_moves_every_result(client: FlaskClient) -> None:
    def weights(asked: str) -> dict[str, float]:
        answer = client.get(f"/v1/tracks/calm-00/similar?n=39&audio_weight={asked}").json
        assert answer["audio_weight"] == float(asked)
        return {hit["track"]["id"]: hit["effective_audio_weight"] for hit in answer["similar"]}

    less, more = weights("0"), weights("0.9")
    assert less["calm-18"] == more["calm-18"] == 1.0
    assert all(more[track] >= less[track] for track in less)
    assert any(more[track] > less[track] for track in less)


def test_the_former_name_of_the_effective_audio_weight_is_kept_and_deprecated(
    client: FlaskClient,
) -> None:
    hits = client.get("/v1/tracks/calm-00/similar?n=39").json["similar"]
    weights = {hit["effective_audio_weight"] for hit in hits}
    assert len(weights) > 1
    assert [hit["audio_weight"] for hit in hits] == [hit["effective_audio_weight"] for hit in hits]
    schemas = client.get("/openapi.json").json["components"]["schemas"]
    assert schemas["HitOut"]["properties"]["audio_weight"]["deprecated"] is True
    assert "deprecated" not in schemas["HitOut"]["properties"]["effective_audio_weight"]
    assert "deprecated" not in schemas["SimilarOut"]["properties"]["audio_weight"]


def test_an_explanation_comes_when_asked_for(client: FlaskClient) -> None:
    silent = client.get("/v1/tracks/calm-00/similar?n=39").json["similar"]
    explained = client.get("/v1/tracks/calm-00/similar?n=39&explain=true").json["similar"]
    assert {hit["explanation"] for hit in silent} == {None}
    cold = next(hit for hit in explained if hit["track"]["id"] == "calm-18")
    assert cold["explanation"] == "Audio alone: nobody has played it yet"


def test_similar_tracks_sound_alike(client: FlaskClient) -> None:
    answer = client.get("/v1/tracks/loud-18/similar?n=10").json
    assert (answer["track"], answer["basis"]) == ("loud-18", "track")
    assert all(id_.startswith("loud") for id_ in ids(answer["similar"]))
    assert "loud-18" not in ids(answer["similar"])


def test_a_play_counts_once_however_often_it_is_sent(client: FlaskClient) -> None:
    body = {"plays": [{"user": "new", "track": "loud-00", "played_at": 1767225600}]}
    assert client.post("/v1/plays", json=body).json == {"added": 1, "repeated": 0}
    assert client.post("/v1/plays", json=body).json == {"added": 0, "repeated": 1}


def test_the_next_recommendation_knows_a_play_and_soon_its_track_has_support(
    client: FlaskClient, service: RecommendationService
) -> None:
    def seen() -> dict[str, Any]:
        answer = client.get(f"/v1/users/{LOUD_USER}/recommendations?n=40&exclude_played=false").json
        return next(hit for hit in answer["recommendations"] if hit["track"]["id"] == "loud-18")

    before = seen()
    client.post("/v1/plays", json={"plays": [{"user": LOUD_USER, "track": "loud-18"}]})
    recommended = client.get(f"/v1/users/{LOUD_USER}/recommendations?n=40").json["recommendations"]
    assert "loud-18" not in [hit["track"]["id"] for hit in recommended]
    assert service.settle()
    after = seen()
    assert (before["support"], before["effective_audio_weight"]) == (0, 1.0)
    assert after["support"] == 1
    assert after["effective_audio_weight"] < 1


@pytest.mark.parametrize(
    "moment", [1767225600, 1767225600.0, "2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00"]
)
def test_times_may_be_unix_seconds_or_iso_8601(client: FlaskClient, moment: object) -> None:
    play = {"user": "new", "track": "loud-00", "played_at": moment, "fraction": 0.5}
    client.post("/v1/plays", json={"plays": [play]})
    (known,) = client.get("/v1/users/new/plays").json["plays"]
    assert (known["played_at"], known["fraction"], known["weight"]) == (1767225600.0, 0.5, 0.5)


def test_a_user_can_be_looked_up_and_forgotten(client: FlaskClient) -> None:
    plays = client.get(f"/v1/users/{CALM_USER}/plays?limit=3").json["plays"]
    assert len(plays) == 3
    assert plays[0]["track"]["title"].startswith("calm song")
    assert plays[0]["played_at"] >= plays[1]["played_at"] >= plays[2]["played_at"]
    assert client.delete(f"/v1/users/{CALM_USER}").status_code == 204
    assert client.get(f"/v1/users/{CALM_USER}/plays").json["plays"] == []
    assert client.get(f"/v1/users/{CALM_USER}/recommendations").json["basis"] == "popularity"


@pytest.mark.parametrize(("noun", "total"), [("tracks", 40), ("users", 30)])
def test_lists_come_in_pages(client: FlaskClient, noun: str, total: int) -> None:
    found, after, pages = [], "", 0
    while after is not None:
        page = client.get(f"/v1/{noun}?limit=7" + (f"&after={after}" if after else "")).json
        found += [one["id"] for one in page[noun]]
        after = page["next"]
        pages += 1
    assert found == sorted(set(found))
    assert len(found) == total
    assert pages == -(-total // 7)


def test_tracks_and_users_are_found_by_words(client: FlaskClient) -> None:
    assert client.get("/v1/tracks?q=CALM song 7").json["tracks"][0]["id"] == "calm-07"
    assert [user["id"] for user in client.get("/v1/users?q=-07").json["users"]] == ["user-07"]
    assert client.get("/v1/tracks?q=nothing of that name").json == {"tracks": [], "next": None}


def test_a_track_can_be_looked_up_and_deleted(client: FlaskClient) -> None:
    track = client.get("/v1/tracks/calm-00").json
    assert (track["title"], track["genre"], track["has_audio"]) == ("calm song 0", "calm", False)
    assert track["support"] > 0
    assert client.delete("/v1/tracks/calm-00").status_code == 204
    assert client.get("/v1/tracks/calm-00").status_code == 404
    assert "calm-00" not in ids(client.get("/v1/tracks/calm-01/similar?n=50").json["similar"])


@pytest.mark.parametrize("id_", AWKWARD_IDS)
def test_ids_may_hold_any_characters(
    client: FlaskClient, service: RecommendationService, id_: str
) -> None:
    service.library.put_tracks([Track(id_, title="awkward")])
    service.add_plays([Play(id_, id_, 1.0)])
    segment = quote(id_, safe="")
    assert client.get(f"/v1/tracks/{segment}").json["id"] == id_
    assert client.get(f"/v1/users/{segment}/plays").json["plays"][0]["track"]["id"] == id_
    assert client.delete(f"/v1/tracks/{segment}").status_code == 204


def test_audio_is_streamed_in_ranges(
    client: FlaskClient, service: RecommendationService, tmp_path: Path
) -> None:
    audio = tmp_path / "named-wrongly.mp3"
    soundfile.write(audio, np.zeros(2000, dtype=np.float32), 8000, format="FLAC")
    service.library.add_music_folder(tmp_path)
    service.library.put_tracks([Track("calm-00", path=str(audio))])
    whole = client.get("/v1/tracks/calm-00/audio")
    part = client.get("/v1/tracks/calm-00/audio", headers={"Range": "bytes=0-3"})
    assert (whole.status_code, whole.mimetype, whole.data) == (
        200,
        "audio/flac",
        audio.read_bytes(),
    )
    assert (part.status_code, part.data, part.headers["Accept-Ranges"]) == (206, b"fLaC", "bytes")
    assert str(tmp_path) not in str(whole.headers)
    assert client.get("/v1/tracks/calm-00").json["has_audio"]


def test_readiness_reports_the_size_of_the_library(client: FlaskClient) -> None:
    assert client.get("/healthz").json == {"status": "ok"}
    ready = client.get("/readyz").json
    assert (ready["ready"], ready["tracks"], ready["embedded"], ready["users"]) == (
        True,
        40,
        40,
        30,
    )
    assert (ready["model_version"], ready["fingerprint"]) == (1, "external:two-styles")


def test_the_openapi_document_and_its_page_are_served_offline(client: FlaskClient) -> None:
    document = client.get("/openapi.json").json
    assert document["openapi"].startswith("3.1")
    assert {
        "/v1/plays",
        "/v1/similar",
        "/v1/tracks/{track}",
        "/v1/users/{user}/recommendations",
    } <= set(document["paths"])
    page = client.get("/docs")
    assert page.mimetype == "text/html"
    assert client.get("/docs/assets/js/swagger-ui-bundle.js").status_code == 200
    assert "http://" not in page.text
    assert "https://" not in page.text


def test_every_operation_and_parameter_is_described(client: FlaskClient) -> None:
    for route, methods in client.get("/openapi.json").json["paths"].items():
        for method, operation in methods.items():
            assert operation.get("summary"), (method, route)
            for parameter in operation.get("parameters", []):
                assert parameter.get("description"), (method, route, json.dumps(parameter))


@pytest.mark.parametrize("given", ["mine-1", "a" * 128, "0af7651916cd43dd8448eb211c80319c"])
def test_a_safe_request_id_comes_back(client: FlaskClient, given: str) -> None:
    assert client.get("/healthz", headers={"X-Request-ID": given}).headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "a" * 129, "a b", '"}{', "ü"])
def test_another_request_id_is_replaced(client: FlaskClient, given: str) -> None:
    answer = client.get("/v1/tracks/none", headers={"X-Request-ID": given})
    assert len(answer.headers["X-Request-ID"]) == 32
