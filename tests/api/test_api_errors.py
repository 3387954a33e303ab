"""Every error is answered with a problem document that says how to fix it."""

from __future__ import annotations

import gc
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from pydantic_core import from_json
from sqlalchemy import text
from werkzeug.test import TestResponse

from hybridrec.api.app import create_app
from hybridrec.api.settings import ApiSettings
from hybridrec.errors import InvalidInput
from hybridrec.serving.service import RecommendationService
from hybridrec.storage.library import Library

PLAY = {"user": "ada", "track": "calm-00"}


def problem(answer: TestResponse, status: int, kind: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/problem+json"
    document = answer.get_json(force=True)
    assert document["type"] == f"/problems/{kind}"
    assert document["status"] == status
    assert document["detail"]
    return document


def refused_field(answer: TestResponse) -> dict[str, Any]:
    (error,) = problem(answer, 422, "invalid-input")["errors"]
    return error


@pytest.mark.parametrize(
    "address", ["/v1/tracks/none", "/v1/tracks/none/similar", "/v1/tracks/none/audio"]
)
def test_an_unknown_track_is_not_found(client: FlaskClient, address: str) -> None:
    document = problem(client.get(address), 404, "not-found")
    assert document["got"] == "none"
    assert document["fix"]


@pytest.mark.parametrize("address", ["/v1/tracks/none", "/v1/users/none"])
def test_what_is_unknown_cannot_be_deleted(client: FlaskClient, address: str) -> None:
    problem(client.delete(address), 404, "not-found")


def test_a_track_without_audio_cannot_be_streamed(client: FlaskClient) -> None:
    assert "no audio" in problem(client.get("/v1/tracks/calm-00/audio"), 404, "not-found")["detail"]


@pytest.mark.parametrize(
    ("address", "field"),
    [
        ("/v1/users/ada/recommendations?n=0", "n"),
        ("/v1/users/ada/recommendations?n=101", "n"),
        ("/v1/users/ada/recommendations?n=ten", "n"),
        ("/v1/users/ada/recommendations?audio_weight=1.5", "audio_weight"),
        ("/v1/users/ada/recommendations?audio_weight=nan", "audio_weight"),
        ("/v1/users/ada/recommendations?exclude_plaid=true", "exclude_plaid"),
        ("/v1/users/ada/plays?limit=0", "limit"),
        ("/v1/tracks/calm-00/similar?explain=perhaps", "explain"),
        ("/v1/tracks/calm-00?verbose=1", "verbose"),
        ("/v1/tracks?q=%00", "q"),
        ("/v1/tracks?limit=1000000", "limit"),
        ("/v1/tracks/%00", "track"),
        (f"/v1/users/{'x' * 513}/plays", "user"),
        ("/readyz?now=1", "now"),
    ],
)
def test_a_wrong_or_misspelt_parameter_is_named(
    client: FlaskClient, address: str, field: str
) -> None:
    error = refused_field(client.get(address))
    assert error["field"] == field
    assert error["fix"]


@pytest.mark.parametrize(
    ("play", "field"),
    [
        (PLAY | {"user": ""}, "plays.0.user"),
        (PLAY | {"user": 17}, "plays.0.user"),
        (PLAY | {"track": "x" * 513}, "plays.0.track"),
        ({"user": "ada"}, "plays.0.track"),
        (PLAY | {"fraction": 1.5}, "plays.0.fraction"),
        (PLAY | {"weight": 1e9}, "plays.0.weight"),
        (PLAY | {"played_at": -1}, "plays.0.played_at"),
        (PLAY | {"played_at": True}, "plays.0.played_at"),
        (PLAY | {"played_at": "yesterday"}, "plays.0.played_at"),
        (PLAY | {"played_at": "2026-01-01T00:00:00"}, "plays.0.played_at"),
        (PLAY | {"fracton": 0.5}, "plays.0.fracton"),
    ],
)
def test_a_bad_play_is_named_and_none_is_stored(
    client: FlaskClient, play: dict[str, object], field: str
) -> None:
    answer = client.post(
        "/v1/plays", json={"plays": [play, {"user": "bystander", "track": "calm-00"}]}
    )
    assert refused_field(answer)["field"] == field
    assert client.get("/v1/users?q=bystander").json["users"] == []


def test_one_to_a_thousand_plays_are_taken(client: FlaskClient) -> None:
    plays = [PLAY | {"played_at": second} for second in range(1001)]
    assert client.post("/v1/plays", json={"plays": plays[:1000]}).json["added"] == 1000
    assert refused_field(client.post("/v1/plays", json={"plays": plays}))["field"] == "plays"
    assert refused_field(client.post("/v1/plays", json={"plays": []}))["field"] == "plays"
    assert refused_field(client.post("/v1/plays", json=[PLAY]))["field"] == "body"


@pytest.mark.parametrize("body", ["{", "", '{"plays": NaN}', "[" * 50_000, '{"plays": "\\ud800"}'])
def test_a_body_that_is_no_json_is_refused(client: FlaskClient, body: str) -> None:
    answer = client.post("/v1/plays", data=body, content_type="application/json")
    assert "JSON" in problem(answer, 400, "bad-request")["detail"]


def test_a_body_of_another_type_is_refused(client: FlaskClient) -> None:
    problem(client.post("/v1/plays", data="user,track"), 415, "unsupported-media-type")
    problem(client.post("/v1/similar", json={}), 415, "unsupported-media-type")
    problem(
        client.post("/v1/tracks", data=b"ID3", content_type="audio/mpeg"),
        415,
        "unsupported-media-type",
    )


def test_an_unknown_address_is_answered_too(client: FlaskClient) -> None:
    assert "nothing at this address" in problem(client.get("/v2"), 404, "not-found")["detail"]


def test_a_wrong_method_is_answered_with_the_allowed_ones(client: FlaskClient) -> None:
    answer = client.put("/v1/plays")
    problem(answer, 405, "method-not-allowed")
    assert answer.headers["Allow"] == "OPTIONS, POST"


def test_too_large_a_body_is_refused(service: RecommendationService) -> None:
    client = create_app(
        service, settings=ApiSettings(upload_limit_bytes=2000, body_limit_bytes=1000)
    ).test_client()
    problem(client.post("/v1/plays", json={"plays": [PLAY] * 50}), 413, "too-large")
    answer = client.post("/v1/similar", data={"audio": (BytesIO(b"x" * 3000), "x.mp3")})
    assert "2000 bytes" in problem(answer, 413, "too-large")["fix"]


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(InvalidInput, match="upload_limit_bytes must be 1 or more"):
        ApiSettings(upload_limit_bytes=0)


def test_a_bug_is_answered_without_internal_details(
    client: FlaskClient,
    service: RecommendationService,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret of /home/someone")

    monkeypatch.setattr(service, "find_users", fail)
    assert "secret" not in str(problem(client.get("/v1/users"), 500, "internal"))
    assert "secret of /home/someone" in caplog.text


@pytest.fixture
def empty_client(
    connect: Callable[[RecommendationService], FlaskClient], library: Library
) -> FlaskClient:
    return connect(RecommendationService(library))


def test_an_empty_library_says_what_it_needs(empty_client: FlaskClient) -> None:
    document = problem(empty_client.get("/readyz"), 503, "not-ready")
    assert "hybridrec ingest audio" in document["detail"]
    assert (document["ready"], document["tracks"]) == (False, 0)
    assert empty_client.get("/healthz").status_code == 200
    assert empty_client.get("/v1/users/ada/recommendations").json["recommendations"] == []


def test_an_unusable_library_is_not_ready_and_no_details_are_given(
    client: FlaskClient, service: RecommendationService, caplog: pytest.LogCaptureFixture
) -> None:
    assert client.get("/readyz").json["ready"]
    with service.library.engine.begin() as connection:
        connection.execute(text("ALTER TABLE changes RENAME TO elsewhere"))
    document = problem(client.get("/readyz"), 503, "not-ready")
    assert (document["ready"], document["detail"]) == (False, "the library cannot be used now")
    problem(client.get("/v1/users/user-00/recommendations"), 503, "unavailable")
    assert client.get("/healthz").status_code == 200
    assert str(service.library.location) in caplog.text


def test_an_unknown_host_name_is_refused(client: FlaskClient) -> None:
    assert client.get("/healthz", headers={"Host": "localhost:8000"}).status_code == 200
    assert client.get("/healthz", headers={"Host": "[::1]:8000"}).status_code == 200
    problem(client.get("/", headers={"Host": "rebound.example"}), 400, "bad-request")


def test_a_page_of_another_site_cannot_write(client: FlaskClient) -> None:
    body = {"plays": [PLAY]}
    problem(
        client.post("/v1/plays", json=body, headers={"Origin": "https://other.example"}),
        403,
        "forbidden",
    )
    assert (
        client.post("/v1/plays", json=body, headers={"Origin": "http://localhost"}).json["added"]
        == 1
    )


# --- what costs more to refuse than to send ----------------------------------------------------


def test_of_many_wrong_fields_twenty_are_listed_and_all_counted(client: FlaskClient) -> None:
    plays = [{"user": "ada", "track": 1, "extra": "x" * 1000} for _ in range(1000)]
    answer = client.post("/v1/plays", json={"plays": plays})
    document = problem(answer, 422, "invalid-input")
    assert len(document["errors"]) == 20
    assert (
        document["detail"] == "2000 fields of the request cannot be used; the first 20 are listed"
    )
    assert len(answer.data) < 20_000


@pytest.mark.parametrize("many", [1000, 250_000])
def test_many_unknown_fields_are_one_error(client: FlaskClient, many: int) -> None:
    answer = client.post("/v1/plays", json={f"k{n}": n for n in range(many)})
    assert refused_field(answer)["fix"] == f"{many} fields are unknown"
    assert len(answer.data) < 2000
    answer = client.post(
        "/v1/plays", json={"plays": [PLAY | {f"k{n}": n for n in range(many // 100)}] * 10}
    )
    assert len(problem(answer, 422, "invalid-input")["errors"]) <= 20
    query = "&".join(f"k{n}=" for n in range(1000))
    assert len(client.get(f"/v1/tracks?{query}").data) < 2000


def test_a_long_value_is_shortened_in_the_error(client: FlaskClient) -> None:
    for value in (
        ["x" * 100_000] * 50,
        {str(n): ["y"] * 100 for n in range(1000)},
        "z" * 1_000_000,
    ):
        errors = problem(client.post("/v1/plays", json={"plays": value}), 422, "invalid-input")[
            "errors"
        ]
        assert max(len(error["got"]) for error in errors) <= 200


def test_json_of_too_many_values_is_refused_before_it_is_read(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(data: str | bytes, **options: bool) -> object:
        assert len(data) < 10_000, "it was read"
        return from_json(data, allow_inf_nan=options["allow_inf_nan"])

    monkeypatch.setattr("hybridrec.api.request_parsing.from_json", read)
    body = "[" + "1," * 900_000 + "1]"
    document = problem(
        client.post("/v1/plays", data=body, content_type="application/json"), 413, "too-large"
    )
    assert "at most 300000 values" in str(document["detail"])
    token = client.application.extensions["hybridrec"].service.library.create_token("ann", "write")
    listens = client.post(
        "/1/submit-listens", data=body, headers={"Authorization": f"Token {token}"}
    )
    assert listens.status_code == 413


def test_a_form_of_many_files_is_refused_before_any_is_kept(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    part = b'--b\r\nContent-Disposition: form-data; name="audio"; filename="x"\r\n\r\nx\r\n'
    for parts in (part * 1001, part * 2, part.replace(b'; filename="x"', b"") * 1001):
        kind = "multipart/form-data; boundary=b"
        problem(
            client.post("/v1/tracks", data=parts + b"--b--\r\n", content_type=kind),
            413,
            "too-large",
        )
        gc.collect()
        assert not list(tmp_path.glob("hybridrec-upload-*"))


def test_a_full_disk_is_reported_and_nothing_is_stored(
    client: FlaskClient, service: RecommendationService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    before = service.library.status()
    monkeypatch.setattr("hybridrec.api.request_parsing.tempfile.NamedTemporaryFile", refuse)
    document = problem(
        client.post("/v1/tracks", data={"audio": (BytesIO(b"RIFF"), "x.wav")}), 507, "storage-full"
    )
    assert "nothing was stored" in str(document["fix"])
    assert service.library.status() == before


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://[::1"}, {"Origin": "//["}, {"Host": "[::1"}, {"Host": "a b"}],
)
def test_malformed_headers_are_a_bad_request(client: FlaskClient, headers: dict[str, str]) -> None:
    problem(client.post("/v1/plays", json={"plays": [PLAY]}, headers=headers), 400, "bad-request")


@pytest.mark.parametrize("address", ["fe80::1%eth0", "fe80::1%", "nonsense", "[::1", ""])
def test_no_client_address_of_a_proxy_causes_a_server_error(
    service: RecommendationService, connect: Callable[..., FlaskClient], address: str
) -> None:
    client = connect(service, ApiSettings(proxies=1, requests_per_minute=600))
    assert client.get("/v1/users", headers={"X-Forwarded-For": address}).status_code == 200
