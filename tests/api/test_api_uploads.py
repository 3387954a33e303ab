"""Uploads are embedded, compared and added, and never trusted."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from hybridrec.embedder.embedder import Embedder
from hybridrec.embedder.library_encoder import encoder_in_use, ensure_encoder
from hybridrec.serving.service import RecommendationService
from hybridrec.storage.library import Library

pytestmark = pytest.mark.slow


def tone(hertz: float, kind: str = "FLAC", seconds: float = 4.0) -> bytes:
    """A sine wave with two overtones, as the bytes of a file."""
    time = np.arange(int(22050 * seconds)) / 22050
    samples = sum(np.sin(2 * np.pi * hertz * n * time) / n for n in (1, 2, 3)) / 3
    file = BytesIO()
    soundfile.write(file, samples.astype(np.float32), 22050, format=kind)
    return file.getvalue()


@pytest.fixture
def client(
    connect: Callable[[RecommendationService], FlaskClient], library: Library
) -> FlaskClient:
    """A client of an empty library that has an encoder."""
    ensure_encoder(library)
    encoder = library.current("encoder")
    assert encoder is not None
    library.set_fingerprint(encoder.fingerprint)
    return connect(RecommendationService(library))


def upload(
    client: FlaskClient, audio: bytes, name: str = "tone.flac", **fields: str
) -> TestResponse:
    return client.post("/v1/tracks", data={"audio": (BytesIO(audio), name), **fields})


def similar(client: FlaskClient, audio: bytes, name: str = "tone.flac") -> TestResponse:
    return client.post("/v1/similar?n=2&explain=true", data={"audio": (BytesIO(audio), name)})


def test_an_upload_is_recommendable_when_it_is_answered(client: FlaskClient) -> None:
    low = upload(client, tone(110), title="Low", artist="Tones").json["track"]
    high = upload(client, tone(1500), title="High").json["track"]
    assert (low["title"], low["artist"], low["has_audio"]) == ("Low", "Tones", True)
    assert low["duration_seconds"] == pytest.approx(4.0, abs=0.01)
    assert [
        hit["track"]["id"] for hit in client.get(f"/v1/tracks/{low['id']}/similar").json["similar"]
    ] == [high["id"]]


def test_the_response_to_a_new_track_has_its_location(client: FlaskClient) -> None:
    answer = upload(client, tone(220), id="my/track", title="A", album="B", genre="C")
    assert (answer.status_code, answer.json["created"]) == (201, True)
    found = client.get(answer.headers["Location"]).json
    assert (found["id"], found["title"], found["album"], found["genre"]) == (
        "my/track",
        "A",
        "B",
        "C",
    )
    embedded = client.get(f"{answer.headers['Location']}/audio")
    assert (embedded.mimetype, embedded.data) == ("audio/flac", tone(220))


def test_the_same_audio_is_added_once(client: FlaskClient) -> None:
    first = upload(client, tone(220), title="First")
    second = upload(client, tone(220), title="Second")
    assert (second.status_code, second.json["created"]) == (200, False)
    assert second.json["track"] == first.json["track"]


def test_an_id_belongs_to_one_audio(client: FlaskClient) -> None:
    upload(client, tone(220), id="taken")
    answer = upload(client, tone(330), id="taken")
    assert (answer.status_code, answer.get_json(force=True)["type"]) == (409, "/problems/conflict")


@pytest.mark.parametrize("title", ["1999", '"Heroes"', "null", "1e3", "[untitled]", "Ünïcode 日本"])
def test_titles_are_kept_as_they_were_sent(client: FlaskClient, title: str) -> None:
    assert upload(client, tone(220), title=title).json["track"]["title"] == title


def test_the_title_of_a_file_without_tags_is_its_name(client: FlaskClient) -> None:
    assert upload(client, tone(220), "My Song.flac").json["track"]["title"] == "My Song"


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "C:\\a.flac", "tone.exe", "a" * 5000, "\u202e.flac"]
)
def test_a_file_name_is_never_trusted(client: FlaskClient, library: Library, name: str) -> None:
    track = upload(client, tone(220), name).json["track"]
    stored = Path(library.track(track["id"]).path or "")
    assert stored.resolve().is_relative_to(library.files.resolve())


def test_a_file_is_compared_without_being_kept(
    client: FlaskClient, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    upload(client, tone(110), title="Low")
    upload(client, tone(1500), title="High")
    before = sorted(library.files.rglob("*"))
    answer = similar(client, tone(1480, "WAV"), "mine.wav").json
    assert [hit["track"]["title"] for hit in answer["similar"]] == ["High", "Low"]
    assert answer["track"] is None
    assert sorted(library.files.rglob("*")) == before
    assert not list(scratch.iterdir())


@pytest.mark.parametrize(
    ("audio", "reason"),
    [
        (b"", "the file is empty"),
        (b"Dear diary, " * 1000, "not audio"),
        (tone(220, seconds=0.05), "too short"),
        (tone(0), "it holds no sound"),
        (tone(220)[:60], "too damaged to be decoded"),
    ],
    ids=["empty", "text", "short", "silent", "cut"],
)
def test_a_file_that_cannot_be_embedded_is_named_as_the_client_named_it(
    client: FlaskClient, audio: bytes, reason: str
) -> None:
    for answer in (similar(client, audio, "mine.mp3"), upload(client, audio, "mine.mp3")):
        document = answer.get_json(force=True)
        assert (answer.status_code, document["type"]) == (422, "/problems/audio")
        assert document["detail"].startswith(f"mine.mp3: {reason}")
        assert tempfile.gettempdir() not in answer.text
        assert document["fix"]
    assert client.get("/v1/tracks").json["tracks"] == []


def test_a_form_is_checked_field_by_field(client: FlaskClient) -> None:
    def refused(answer: TestResponse) -> list[str]:
        assert answer.status_code == 422
        return [error["field"] for error in answer.get_json(force=True)["errors"]]

    assert refused(
        client.post("/v1/similar", data={"audio": "text"}, content_type="multipart/form-data")
    ) == ["audio"]
    assert refused(client.post("/v1/tracks", data={}, content_type="multipart/form-data")) == [
        "audio"
    ]
    assert refused(upload(client, tone(220), tittle="A")) == ["tittle"]
    assert refused(upload(client, tone(220), title="x" * 1001)) == ["title"]
    assert refused(upload(client, tone(220), id="x" * 513)) == ["id"]


def test_a_library_without_an_encoder_says_what_to_run(
    connect: Callable[[RecommendationService], FlaskClient], embedded_library: Library
) -> None:
    document = similar(connect(RecommendationService(embedded_library)), tone(220)).get_json(
        force=True
    )
    assert (document["type"], document["status"]) == ("/problems/not-ready", 503)
    assert "hybridrec" in document["fix"]


def test_http_gives_the_same_embedding_as_the_embedder(
    client: FlaskClient, library: Library, tmp_path: Path
) -> None:
    track = upload(client, tone(220)).json["track"]
    (tmp_path / "tone.flac").write_bytes(tone(220))
    encoder = Embedder.from_checkpoint(encoder_in_use(library))
    stored = library.embeddings(encoder.fingerprint, [track["id"]]).vectors[0]
    assert stored @ encoder.embed(tmp_path / "tone.flac").embedding == pytest.approx(1.0, abs=1e-5)
