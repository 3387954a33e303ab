"""Scrobblers submit listens in the protocol of ListenBrainz, and these are matched to tracks."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import liblistenbrainz
import numpy as np
import pytest
from flask.testing import FlaskClient
from liblistenbrainz.errors import InvalidAuthTokenException, ListenBrainzAPIException
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from hybridrec.api.app import create_app
from hybridrec.api.settings import ApiSettings
from hybridrec.data.tracks import Track
from hybridrec.serving.service import RecommendationService
from hybridrec.storage.embeddings import EmbeddedTrack

NOW = 1_790_000_000
"""The time of the server, however long it takes to come to a test."""
MBID = "b1a9c0e9-d987-4042-ae91-78d6a3267d69"


def listen(**changed: Any) -> dict[str, Any]:
    """A listen as a scrobbler sends it; a change to None leaves a field out."""
    metadata = {"artist_name": "calm band", "track_name": "calm song 0"}
    about = {
        name: changed.pop(name, metadata.get(name))
        for name in [*metadata, "release_name", "additional_info"]
    }
    about = {name: value for name, value in about.items() if value is not None}
    whole = {"listened_at": NOW - 60, "track_metadata": about} | changed
    return {name: value for name, value in whole.items() if value is not None}


def body(*listens: dict[str, Any], kind: str = "single") -> dict[str, Any]:
    return {"listen_type": kind, "payload": list(listens)}


@pytest.fixture(autouse=True)
def _server_s_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "hybridrec.api.endpoints.listenbrainz.time", SimpleNamespace(time=lambda: float(NOW))
    )


@pytest.fixture
def token(service: RecommendationService) -> str:
    return service.library.create_token("phone", "write", person="ann")


@pytest.fixture
def submit(client: FlaskClient, token: str) -> Callable[..., TestResponse]:
    def submit(content: object, authorization: str = f"Token {token}") -> TestResponse:
        data = content if isinstance(content, str | bytes) else json.dumps(content)
        return client.post("/1/submit-listens", data=data, headers={"Authorization": authorization})

    return submit


@pytest.fixture
def address(service: RecommendationService) -> Iterator[str]:
    app = create_app(service, settings=ApiSettings(require_tokens=True))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()


# --- as a client does it ---------------------------------------------------------------------


def test_the_client_of_listenbrainz_can_use_it(
    address: str, service: RecommendationService, token: str
) -> None:
    scrobbler = liblistenbrainz.ListenBrainz(address)
    with pytest.raises(InvalidAuthTokenException):
        scrobbler.set_auth_token("wrong")
    scrobbler.set_auth_token(token)
    embedded = liblistenbrainz.Listen(
        "Calm Song 1", "Calm Band", listened_at=NOW - 300, tags=["quiet"]
    )
    assert scrobbler.submit_single_listen(embedded) == {"status": "ok"}
    old = [
        liblistenbrainz.Listen(f"calm song {n}", "calm band", listened_at=NOW - 1000 - n)
        for n in range(2, 7)
    ]
    assert scrobbler.submit_multiple_listens(old) == {"status": "ok"}
    assert scrobbler.submit_playing_now(liblistenbrainz.Listen("calm song 9", "calm band")) == {
        "status": "ok"
    }
    assert [play.track for play in service.user_plays("ann")] == [f"calm-0{n}" for n in range(1, 7)]
    assert service.recommend("ann", 5).basis == "behaviour"


def test_the_client_gets_the_reason_of_a_refusal(
    address: str, service: RecommendationService
) -> None:
    scrobbler = liblistenbrainz.ListenBrainz(address)
    scrobbler.set_auth_token(service.library.create_token("page", "read"))
    with pytest.raises(ListenBrainzAPIException) as refused:
        scrobbler.submit_single_listen(liblistenbrainz.Listen("song", "band", listened_at=NOW))
    assert (refused.value.status_code, "role write" in refused.value.message) == (403, True)


# --- tokens ----------------------------------------------------------------------------------


def test_a_token_is_validated_with_its_user(
    client: FlaskClient, token: str, service: RecommendationService
) -> None:
    def ask(authorization: str) -> Any:
        return client.get("/1/validate-token", headers={"Authorization": authorization}).json

    for scheme in ("Token", "token", "TOKEN"):
        assert ask(f"{scheme} {token}") == {
            "code": 200,
            "message": "Token valid.",
            "valid": True,
            "user_name": "ann",
        }
    assert ask("Token wrong") == {"code": 200, "message": "Token invalid.", "valid": False}
    service.library.revoke_token("phone")
    assert ask(f"Token {token}")["valid"] is False
    nothing = client.get("/1/validate-token")
    assert (nothing.status_code, nothing.json["code"], set(nothing.get_json())) == (
        401,
        401,
        {"code", "error"},
    )


@pytest.mark.parametrize("authorization", ["", "Token", "Token wrong", "Basic YTpi"])
def test_listens_need_a_valid_token_on_loopback_too(
    submit: Callable[..., TestResponse], authorization: str
) -> None:
    answer = submit(body(listen()), authorization)
    assert (answer.status_code, answer.json["code"], set(answer.get_json())) == (
        401,
        401,
        {"code", "error"},
    )


# --- what is taken and what is not -----------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        body(listen()),
        body(listen(listened_at=NOW + 3000)),
        body(listen(listened_at=1033410600)),
        body(listen(listened_at=None), kind="playing_now"),
        body(*(listen(listened_at=NOW - n) for n in range(1000)), kind="import"),
        body(
            listen(release_name="Album", additional_info={"duration": 200, "recording_mbid": MBID})
        ),
        body(
            listen(
                additional_info={
                    "duration_ms": 200_000,
                    "artist_mbids": [MBID],
                    "tags": ["t" * 64] * 50,
                }
            )
        ),
        body(listen(additional_info={"media_player": "mpd", "anything": {"else": [1, None]}})),
        body(listen(artist_name="x" * 5000, track_name="y" * 5000)),
    ],
)
def test_listens_that_listenbrainz_accepts_are_accepted(
    submit: Callable[..., TestResponse], sent: object
) -> None:
    answer = submit(sent)
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ("{", "JSON"),
        ("", "JSON"),
        ("[]", "SubmitListensBody"),
        ({"payload": [listen()]}, "listen_type"),
        (body(listen(), kind="loved"), "listen_type"),
        (body(), "payload"),
        (body(listen(), listen()), "one listen"),
        (body(*[listen(listened_at=None)] * 2, kind="playing_now"), "one listen"),
        (body(*(listen(listened_at=NOW - n) for n in range(1001)), kind="import"), "1000"),
        (body(listen(), kind="playing_now"), "no listened_at"),
        (body(listen(listened_at=None)), "listened_at"),
        (body(listen(listened_at=1033410599)), "listened_at"),
        (body(listen(listened_at=NOW + 4000)), "an hour in the future"),
        (body(listen(listened_at=float(NOW))), "listened_at"),
        (body(listen(listened_at=str(NOW))), "listened_at"),
        (body(listen(listened_at=True)), "listened_at"),
        (body(listen(artist_name="")), "artist_name"),
        (body(listen(track_name="   ")), "track_name"),
        (body(listen(track_name=17)), "track_name"),
        (body(listen(track_name="a\0b")), "track_name"),
        (body({"listened_at": NOW}), "track_metadata"),
        (body(listen(additional_info={"recording_mbid": "not-a-uuid"})), "UUID"),
        (body(listen(additional_info={"artist_mbids": [MBID, ""]})), "UUID"),
        (body(listen(additional_info={"tags": ["t"] * 51})), "tags"),
        (body(listen(additional_info={"tags": ["t" * 65]})), "tags"),
        (body(listen(additional_info={"duration": 0})), "duration"),
        (body(listen(additional_info={"duration_ms": "long"})), "duration_ms"),
        (body(listen(additional_info={"duration": 1, "duration_ms": 1000})), "not both"),
        (body(listen(additional_info={"note": "x" * 10_240})), "10240 bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_listens_that_listenbrainz_refuses_are_refused_all(
    submit: Callable[..., TestResponse], service: RecommendationService, sent: object, says: str
) -> None:
    answer = submit(sent)
    assert (answer.status_code, set(answer.get_json()), answer.json["code"]) == (
        400,
        {"code", "error"},
        400,
    )
    assert says in answer.json["error"]
    assert service.user_plays("ann") == []
    assert service.library.waiting_listens() == 0


# --- finding tracks --------------------------------------------------------------------------


def embedded(id_: str, title: str, artist: str, **more: Any) -> EmbeddedTrack:
    vector = np.eye(1, 128, dtype=np.float32)[0]
    return EmbeddedTrack(
        Track(id_, title=title, artist=artist, **more), None, "external:two-styles", vector
    )


def test_a_listen_without_its_track_waits_for_it(
    submit: Callable[..., TestResponse], service: RecommendationService
) -> None:
    sent = body(listen(artist_name="The Late Ones", track_name="Not yet (feat. Somebody)"))
    for _ in range(2):
        assert submit(sent).status_code == 200
    assert (service.library.waiting_listens(), service.user_plays("ann")) == (1, [])
    service.library.put_embedded([embedded("late", "Not Yet", "Late Ones")])
    assert service.library.waiting_listens() == 0
    (play,) = service.user_plays("ann")
    assert (play.track, play.played_at) == ("late", NOW - 60)
    assert submit(sent).status_code == 200
    assert len(service.user_plays("ann")) == 1
    assert service.support("late") == 1


def test_a_musicbrainz_id_is_matched_whatever_the_title(
    submit: Callable[..., TestResponse], service: RecommendationService
) -> None:
    service.library.put_embedded(
        [
            embedded("by tag", "One", "A", recording_mbid=MBID),
            embedded(own := str(uuid4()), "Two", "B"),
        ]
    )
    for n, mbid in enumerate((MBID, MBID.upper(), own)):
        submit(
            body(
                listen(
                    listened_at=NOW - n, track_name="?", additional_info={"recording_mbid": mbid}
                )
            )
        )
    assert [play.track for play in service.user_plays("ann")] == ["by tag", "by tag", own]


def test_waiting_listens_are_deleted_with_their_user(
    submit: Callable[..., TestResponse], service: RecommendationService
) -> None:
    submit(body(listen(track_name="Something else entirely")))
    service.delete_user("ann")
    assert service.library.waiting_listens() == 0
