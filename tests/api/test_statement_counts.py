"""The number of SQL statements of a request does not grow with the library."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from sqlalchemy import event

from hybridrec.audio.tags import Tags
from hybridrec.data.embeddings import Embeddings
from hybridrec.data.plays import Play
from hybridrec.data.tracks import Track
from hybridrec.embedder.results import AudioEmbedding, EmbeddedFile
from hybridrec.serving.service import RecommendationService
from hybridrec.serving.uploads import Uploads
from hybridrec.storage.library import Library

ENCODER = "external:two-styles"
MOST_STATEMENTS = 40
MORE_TRACKS, MORE_USERS = 1500, 200
MOMENTS = itertools.count(1_700_000_000)
"""A listen that is sent twice takes other statements than a new one."""

Request = tuple[str, str, dict[str, Any]]


def audio(name: str) -> dict[str, Any]:
    return {"data": {"audio": (BytesIO(name.encode()), f"{name}.flac")}}


REQUESTS: dict[str, Callable[[], Request]] = {
    "health.healthz": lambda: ("GET", "/healthz", {}),
    "health.readyz": lambda: ("GET", "/readyz", {}),
    "health.metrics": lambda: ("GET", "/metrics", {}),
    "recommendations.recommend": lambda: (
        "GET",
        "/v1/users/user-00/recommendations?n=20&per_artist=2",
        {},
    ),
    "similar.similar_to_track": lambda: ("GET", "/v1/tracks/calm-03/similar?n=20", {}),
    "similar.similar_to_audio": lambda: ("POST", "/v1/similar", audio("asked")),
    "tracks.list_tracks": lambda: ("GET", "/v1/tracks?q=song&limit=20", {}),
    "tracks.get_track": lambda: ("GET", "/v1/tracks/calm-03", {}),
    "tracks.stream_track": lambda: ("GET", "/v1/tracks/calm-03/audio", {}),
    "tracks.add_track": lambda: ("POST", "/v1/tracks", audio("added")),
    "tracks.delete_track": lambda: ("DELETE", "/v1/tracks/calm-04", {}),
    "users.list_users": lambda: ("GET", "/v1/users?limit=20", {}),
    "users.list_plays": lambda: ("GET", "/v1/users/user-00/plays", {}),
    "users.forget_user": lambda: ("DELETE", "/v1/users/user-02", {}),
    "plays.add_plays": lambda: (
        "POST",
        "/v1/plays",
        {"json": {"plays": [{"user": "me", "track": "calm-05"}]}},
    ),
    "listenbrainz.submit_listens": lambda: (
        "POST",
        "/1/submit-listens",
        {
            "json": {
                "listen_type": "single",
                "payload": [
                    {
                        "listened_at": next(MOMENTS),
                        "track_metadata": {"artist_name": "calm band", "track_name": "calm song 7"},
                    }
                ],
            }
        },
    ),
    "listenbrainz.validate_token": lambda: ("GET", "/1/validate-token", {}),
}
"""A request for each endpoint that may use the database; page and documents do not."""

SILENT = ("page.", "docs.", "static")


@contextmanager
def statements_of_this_thread(library: Library) -> Iterator[list[str]]:
    """What the requests themselves send; what is taken in beside them is not theirs."""
    sent, me = [], threading.get_ident()

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if threading.get_ident() == me:
            sent.append(statement)

    event.listen(library.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(library.engine, "before_cursor_execute", note)


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Uploads have an embedding without an encoder."""

    def embed(_uploads: Uploads, path: Path, filename: str = "", caller: str | None = None) -> Any:
        vector = np.random.default_rng(0).normal(size=128).astype(np.float32)
        embedded = AudioEmbedding(vector / np.linalg.norm(vector), 10.0)
        return (
            EmbeddedFile(path, tags=Tags(filename or "asked"), embedded=embedded),
            embedded,
            ENCODER,
        )

    monkeypatch.setattr(Uploads, "embed", embed)


def grow(library: Library, start: int, tracks: int = MORE_TRACKS, users: int = MORE_USERS) -> None:
    """Let others write: tracks with embeddings, users, and plays of old tracks and new."""
    rng = np.random.default_rng(start)
    ids = [f"more-{start + n}" for n in range(tracks)]
    library.put_tracks(
        [Track(id_, title=f"song {id_}", artist=f"band {n % 30}") for n, id_ in enumerate(ids)]
    )
    library.put_embeddings(
        Embeddings(ENCODER, tuple(ids), rng.normal(size=(len(ids), 128)).astype(np.float32))
    )
    library.add_plays(
        [
            Play(f"other-{start + user}", track)
            for user in range(users)
            for track in (ids[user], "calm-03", "loud-03", f"calm-{user % 18:02d}")
        ]
    )


def counts(
    client: FlaskClient, library: Library, token: str, between: Callable[[], object]
) -> dict[str, int]:
    """How many statements each request sends, after something was done."""
    found, headers = {}, {"Authorization": f"Token {token}"}
    for endpoint, ask in REQUESTS.items():
        method, address, content = ask()
        between()
        with statements_of_this_thread(library) as sent:
            answer = client.open(address, method=method, headers=headers, **content)
        assert answer.status_code in (200, 201, 204) or endpoint == "tracks.stream_track", (
            endpoint,
            answer.text,
        )
        found[endpoint] = len(sent)
    return found


@pytest.mark.slow
@pytest.mark.usefixtures("embedded")
def test_every_route_sends_as_many_statements_to_a_grown_library_as_to_a_small_one(
    connect: Callable[..., FlaskClient], fitted_library: Library
) -> None:
    with Library.open(fitted_library.opened_at) as again:
        client = connect(RecommendationService(fitted_library))
        token = fitted_library.create_token("phone", "admin", "me")
        endpoints = {rule.endpoint for rule in client.application.url_map.iter_rules()}
        assert {endpoint for endpoint in endpoints if not endpoint.startswith(SILENT)} == set(
            REQUESTS
        )
        client.get("/readyz")
        number = iter(range(0, 10**9, MORE_TRACKS))
        few = counts(client, fitted_library, token, lambda: grow(again, next(number), 1, 1))
        again.put_tracks([Track("calm-04")])
        again.add_plays([Play("user-02", "calm-00")])
        grow(again, next(number))
        service = client.application.extensions["hybridrec"].service
        many = counts(client, fitted_library, token, lambda: grow(again, next(number)))
        assert service.settle()
    assert max(few.values()) <= MOST_STATEMENTS, few
    more = {
        endpoint: (few[endpoint], many[endpoint])
        for endpoint in few
        if many[endpoint] > few[endpoint]
    }
    assert more == {}, more
