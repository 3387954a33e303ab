"""Tokens, roles, users and rate limits, on every route."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from hybridrec.api.access import PUBLIC, role_for
from hybridrec.api.rate_limit import RateLimit
from hybridrec.api.settings import ApiSettings
from hybridrec.serving.service import RecommendationService
from hybridrec.storage.tokens import ROLES, Role


@dataclass
class Guarded:
    """A client of a service that asks for tokens, and tokens of every role."""

    client: FlaskClient
    service: RecommendationService
    tokens: Mapping[Role, str]

    def ask(self, method: str, address: str, token: str | None, **more: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.client.open(address, method=method, headers=headers, **more)


@pytest.fixture
def guarded(service: RecommendationService, connect: Callable[..., FlaskClient]) -> Guarded:
    tokens = {role: service.library.create_token(f"{role} token", role) for role in ROLES}
    return Guarded(connect(service, ApiSettings(require_tokens=True)), service, tokens)


def operations(client: FlaskClient, user: str = "calm-00") -> Iterator[tuple[str, str]]:
    """All methods and paths of the OpenAPI document and of the application's routes."""
    found = {
        (method.upper(), re.sub(r"\{.*?\}", "calm-00", route.replace("{user}", user)))
        for route, methods in client.get("/openapi.json").json["paths"].items()
        for method in methods
    }
    for rule in client.application.url_map.iter_rules():
        if rule.endpoint not in PUBLIC:
            address = re.sub(r"<.*?>", "calm-00", rule.rule.replace("<id:user>", user))
            found |= {(method, address) for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
    yield from sorted(found - {("GET", "/healthz"), ("GET", "/readyz")})


def contents(service: RecommendationService) -> dict[str, Sequence[Any]]:
    """All that the library holds."""
    with service.library.engine.connect() as connection:
        names = (
            connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'"))
            .scalars()
            .all()
        )
        rows = {name: connection.execute(text(f"SELECT * FROM {name}")).all() for name in names}
    return {name: sorted(rows[name], key=repr) for name in names}


def test_every_route_refuses_callers_without_a_valid_token(guarded: Guarded) -> None:
    revoked = guarded.service.library.create_token("gone", "admin")
    guarded.service.library.revoke_token("gone")
    asked = list(operations(guarded.client))
    assert len(asked) >= 12
    for method, address in asked:
        for token in (None, "wrong", revoked, f"{guarded.tokens['admin']}x", "ä" * 5000):
            answer = guarded.ask(method, address, token)
            assert answer.status_code == 401, (method, address, token)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer realm=")
            assert ("invalid_token" in answer.headers["WWW-Authenticate"]) == (token is not None)
            assert answer.is_json
        basic = guarded.client.open(address, method=method, headers={"Authorization": "Basic YTpi"})
        assert basic.status_code == 401


def test_no_route_lets_an_insufficient_token_through(guarded: Guarded) -> None:
    before = contents(guarded.service)
    writing = {("POST", "/v1/plays"), ("POST", "/v1/tracks")}
    deleting = {("DELETE", "/v1/tracks/calm-00"), ("DELETE", "/v1/users/calm-00")}
    refused: dict[str, set[tuple[str, str]]] = {"read": set(), "write": set()}
    for role, theirs in refused.items():
        for method, address in operations(guarded.client):
            if method == "GET" or role == "read":
                answer = guarded.ask(method, address, guarded.tokens[role])
                if answer.status_code == 403:
                    theirs.add((method, address))
                    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
    assert writing | deleting <= refused["read"]
    assert refused["write"] == {("GET", "/v1/users")}
    assert contents(guarded.service) == before
    for method, address in deleting:
        assert guarded.ask(method, address, guarded.tokens["write"]).status_code == 403
        assert guarded.ask(method, address, guarded.tokens["admin"]).status_code in {204, 404}


def test_a_read_token_queries_and_a_write_token_adds(guarded: Guarded) -> None:
    plays = {"plays": [{"user": "ada", "track": "calm-00"}]}
    assert (
        guarded.ask("GET", "/v1/users/ada/recommendations", guarded.tokens["read"]).status_code
        == 200
    )
    assert guarded.ask("POST", "/v1/plays", guarded.tokens["read"], json=plays).status_code == 403
    assert guarded.ask("POST", "/v1/plays", guarded.tokens["write"], json=plays).json["added"] == 1
    file = {"audio": (BytesIO(b"text"), "x.mp3")}
    assert guarded.ask("POST", "/v1/similar", guarded.tokens["read"], data=file).status_code in {
        422,
        503,
    }


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "Token", "TOKEN"])
def test_the_scheme_may_be_written_in_any_case(guarded: Guarded, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {guarded.tokens['read']}"}
    assert guarded.client.get("/v1/tracks", headers=headers).status_code == 200


def test_a_revoked_token_is_invalid_from_the_next_request_on(guarded: Guarded) -> None:
    assert guarded.ask("GET", "/v1/tracks", guarded.tokens["read"]).status_code == 200
    guarded.service.library.revoke_token("read token")
    assert guarded.ask("GET", "/v1/tracks", guarded.tokens["read"]).status_code == 401


def test_public_routes_show_no_data_of_the_library(guarded: Guarded) -> None:
    for address in ("/", "/static/app.js", "/docs", "/openapi.json", "/healthz", "/readyz"):
        answer = guarded.client.get(address)
        assert answer.status_code == 200, address
        assert "calm" not in answer.text
    assert "tracks" not in guarded.client.get("/readyz").json
    assert guarded.ask("GET", "/readyz", guarded.tokens["read"]).json["tracks"] == 40
    assert "listeners</span>" not in guarded.client.get("/").text


def test_with_tokens_any_host_name_is_accepted(guarded: Guarded) -> None:
    headers = {"Authorization": f"Bearer {guarded.tokens['read']}", "Host": "music.example"}
    assert guarded.client.get("/v1/tracks", headers=headers).status_code == 200


@pytest.mark.parametrize("endpoint", ["a.view", None])
@pytest.mark.parametrize(
    ("method", "role"),
    [("GET", "read"), ("HEAD", "read"), ("POST", "write"), ("PATCH", "write"), ("DELETE", "admin")],
)
def test_an_unlisted_route_is_not_open(endpoint: str | None, method: str, role: Role) -> None:
    assert role_for(endpoint, method) == role


# --- persons ---------------------------------------------------------------------------------

USERS = {"own": "user-00", "other": "user-01", "nobody": "no one's"}
OF_EVERYBODY = {("GET", "/v1/users"), ("DELETE", "/v1/tracks/calm-00")}


def hers(guarded: Guarded, role: Role) -> str:
    """A token of a role that serves one user alone."""
    return guarded.service.library.create_token(f"hers to {role}", role, USERS["own"])


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("whose", USERS)
def test_a_token_of_a_user_gives_access_to_data_of_that_user_only(
    guarded: Guarded, role: Role, whose: str
) -> None:
    before, token = contents(guarded.service), hers(guarded, role)
    walked = set()
    for method, address in operations(guarded.client, USERS[whose].replace(" ", "%20")):
        of_user = address.startswith("/v1/users/")
        if method == "DELETE" and of_user and (role, whose) == ("admin", "own"):
            continue  # a test of its own
        needed = (
            role_for("similar.similar_to_audio" if address == "/v1/similar" else "", method)
            or "read"
        )
        forbidden = (
            ROLES.index(role) < ROLES.index(needed)
            or (of_user and whose != "own")
            or (method, address) in OF_EVERYBODY
        )
        answer = guarded.ask(method, address, token)
        assert (answer.status_code == 403) == forbidden, (method, address, answer.text)
        walked.add((of_user, forbidden))
    assert (True, whose != "own") in walked
    before["tokens"] = contents(guarded.service)["tokens"]
    assert contents(guarded.service) == before


@pytest.mark.parametrize("whose", USERS)
@pytest.mark.parametrize("role", ROLES)
def test_a_token_of_a_user_adds_plays_of_that_user_only(
    guarded: Guarded, role: Role, whose: str
) -> None:
    token, plays = hers(guarded, role), [{"user": USERS["own"], "track": "calm-00"}]
    plays.append({"user": USERS[whose], "track": "calm-01"})
    answer = guarded.ask("POST", "/v1/plays", token, json={"plays": plays})
    assert answer.status_code == (200 if role != "read" and whose == "own" else 403)
    if role != "read" and whose != "own":
        assert answer.get_json(force=True)["detail"] == "this token serves the user user-00 alone"
    assert ("calm-01" in guarded.service.library.user_weights(USERS[whose])) == (
        answer.status_code == 200
    )


def test_a_token_of_a_user_submits_listens_of_that_user(guarded: Guarded) -> None:
    token = hers(guarded, "write")
    listen = {"artist_name": "calm band", "track_name": "calm song 19"}
    sent = {
        "listen_type": "single",
        "payload": [{"listened_at": 1_700_000_000, "track_metadata": listen}],
    }
    assert guarded.ask("POST", "/1/submit-listens", token, json=sent).status_code == 200
    assert "calm-19" in guarded.service.library.user_weights(USERS["own"])
    answer = guarded.ask("GET", "/1/validate-token", token)
    assert (answer.json["valid"], answer.json["user_name"]) == (True, USERS["own"])


@pytest.mark.parametrize("role", ROLES)
def test_a_token_without_a_user_allows_all_that_its_role_does(guarded: Guarded, role: Role) -> None:
    for user in USERS.values():
        for part in ("plays", "recommendations"):
            assert (
                guarded.ask("GET", f"/v1/users/{user}/{part}", guarded.tokens[role]).status_code
                == 200
            )
    assert guarded.ask("GET", "/v1/users", guarded.tokens[role]).status_code == (
        200 if role == "admin" else 403
    )


def test_a_deleted_user_has_no_tokens_and_is_named_in_no_log_line(guarded: Guarded) -> None:
    token, scrobbler = (
        hers(guarded, "admin"),
        guarded.service.library.create_token("user-00", "write"),
    )
    assert guarded.ask("DELETE", "/v1/users/user-00", token).status_code == 204
    for gone in (token, scrobbler):
        assert guarded.ask("GET", "/v1/users/user-00/plays", gone).status_code == 401
    assert guarded.ask("GET", "/v1/users/user-00/plays", guarded.tokens["read"]).json["plays"] == []
    answer = guarded.ask("GET", "/v1/users/user-00/recommendations", guarded.tokens["read"]).json
    assert answer["basis"] == "popularity"
    assert "user-00" not in str(contents(guarded.service))
    database = guarded.service.library.files.parent
    assert not any(b"user-00" in path.read_bytes() for path in database.glob("library.sqlite3*"))


# --- rate limit ------------------------------------------------------------------------------


def test_a_caller_above_the_rate_limit_gets_the_seconds_to_wait(
    service: RecommendationService, connect: Callable[..., FlaskClient]
) -> None:
    token = service.library.create_token("fast", "read")
    client = connect(service, ApiSettings(require_tokens=True, requests_per_minute=30))
    mine = {"Authorization": f"Bearer {token}"}
    assert [client.get("/v1/tracks", headers=mine).status_code for _ in range(6)] == [200] * 5 + [
        429
    ]
    answer = client.get("/v1/tracks", headers=mine)
    assert answer.get_json(force=True)["type"] == "/problems/too-many-requests"
    assert 1 <= int(answer.headers["Retry-After"]) <= 2
    assert client.get("/v1/tracks").status_code == 401
    assert client.get("/healthz").status_code == 200


def test_there_is_no_default_rate_limit_on_loopback(client: FlaskClient) -> None:
    assert {client.get("/v1/users?limit=1").status_code for _ in range(200)} == {200}


def test_the_rate_limit_allows_its_rate_for_ever_and_no_more() -> None:
    rate_limit = RateLimit(60)
    assert [rate_limit.wait_seconds("a", 1, 0.0) for _ in range(10)] == [0.0] * 10
    assert rate_limit.wait_seconds("a", 1, 0.0) == pytest.approx(1.0)
    assert rate_limit.wait_seconds("a", 5, 0.0) == pytest.approx(5.0)
    assert all(rate_limit.wait_seconds("a", 1, float(second)) == 0.0 for second in range(1, 100))
    assert rate_limit.wait_seconds("b", 1000, 0.0) == 0.0


# --- traces ----------------------------------------------------------------------------------


def test_no_response_contains_a_path_of_the_server(
    client: FlaskClient, service: RecommendationService
) -> None:
    folder = str(service.library.files.parent)
    answers = [client.open(address, method=method) for method, address in operations(client)]
    with service.library.engine.begin() as connection:
        connection.execute(text("ALTER TABLE plays RENAME TO elsewhere"))
    answers += [client.open(address, method=method) for method, address in operations(client)]
    assert {answer.status_code for answer in answers} >= {200, 404, 415, 503}
    for answer in answers:
        assert folder not in answer.text + str(answer.headers)
        assert "sqlite" not in answer.text.lower()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_every_response_has_the_security_headers(
    client: FlaskClient, guarded: Guarded, scheme: str
) -> None:
    shown = [
        ("GET", address)
        for address in ("/", "/static/app.js", "/docs", "/healthz", "/readyz", "/nowhere")
    ]
    for method, address in [
        *shown,
        *operations(client),
        ("PATCH", "/v1/plays"),
        ("OPTIONS", "/v1/plays"),
    ]:
        for asked in (client, guarded.client):
            headers = asked.open(address, method=method, base_url=f"{scheme}://localhost").headers
            policy = dict(
                part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; ")
            )
            assert (policy["default-src"], policy["object-src"]) == ("'self'", "'none'"), (
                method,
                address,
            )
            assert (policy["base-uri"], policy["frame-ancestors"]) == ("'none'", "'none'")
            assert ("unsafe-inline" in str(policy)) == (address == "/docs")
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] == "no-referrer"
            assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
            assert headers.get("Strict-Transport-Security") == (
                "max-age=31536000" if scheme == "https" else None
            )
            assert (headers.get("Cache-Control") == "no-store") == address.startswith("/v1/"), (
                method,
                address,
            )


def test_writes_are_logged_with_their_caller(
    guarded: Guarded, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="hybridrec.audit")
    plays = {"plays": [{"user": "ada", "track": "calm-00"}]}
    guarded.ask("GET", "/v1/users", guarded.tokens["admin"])
    guarded.ask("POST", "/v1/plays", guarded.tokens["read"], json=plays)
    guarded.ask("POST", "/v1/plays", guarded.tokens["write"], json=plays)
    guarded.ask("DELETE", "/v1/users/ada", guarded.tokens["admin"])
    written = [vars(record)["msg"] for record in caplog.records if record.name == "hybridrec.audit"]
    facts = [
        {name: entry.get(name) for name in ("caller", "method", "route", "subject", "added")}
        for entry in written
    ]
    assert facts == [
        {
            "caller": "write token",
            "method": "POST",
            "route": "/v1/plays",
            "subject": {},
            "added": 1,
        },
        {
            "caller": "admin token",
            "method": "DELETE",
            "route": "/v1/users/<id:user>",
            "subject": {"user_sha256": hashlib.sha256(b"ada").hexdigest()},
            "added": None,
        },
    ]
    assert not any(token in json.dumps(written) for token in guarded.tokens.values())
