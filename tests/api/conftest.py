"""A client that holds every answer against the OpenAPI document, and the page in a browser."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema
import pytest
from flask.testing import FlaskClient
from flask_openapi3 import OpenAPI
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright
from tones import serving, write_tone
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from hybridrec.api.app import create_app
from hybridrec.api.settings import ApiSettings
from hybridrec.data.plays import Play
from hybridrec.data.tracks import Track
from hybridrec.embedder.embedder import Embedder
from hybridrec.embedder.library_encoder import ensure_encoder
from hybridrec.serving.service import RecommendationService
from hybridrec.storage.embeddings import EmbeddedTrack
from hybridrec.storage.library import Library
from hybridrec.workflows.fit import fit

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
QUIETER = "--disable-component-update --disable-sync --autoplay-policy=no-user-gesture-required"


class CheckedClient(FlaskClient):
    """Asks like a client would, and fails if an answer is not what the document promises."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        answer = super().open(*args, **kwargs)
        route = self._route(answer)
        documented = self._document["paths"].get(route, {}).get(answer.request.method.lower())
        if documented is not None:
            assert str(answer.status_code) in documented["responses"], (route, answer.status_code, answer.text)
            self._check_body(answer, documented["responses"][str(answer.status_code)])
        return answer

    @property
    def _document(self) -> dict[str, Any]:
        assert isinstance(self.application, OpenAPI)
        return self.application.api_doc

    def _route(self, answer: TestResponse) -> str:
        try:
            rule, _ = self.application.url_map.bind("localhost").match(
                answer.request.path, answer.request.method, return_rule=True
            )
        except HTTPException:
            return ""
        return rule.rule.replace("<id:", "{").replace(">", "}")

    def _check_body(self, answer: TestResponse, promised: dict[str, Any]) -> None:
        schema = promised.get("content", {}).get(answer.mimetype, {}).get("schema")
        if schema is None:
            assert answer.status_code == 204 or answer.mimetype.startswith(("audio/", "text/plain"))
            return
        jsonschema.validate(answer.get_json(force=True), {**schema, "components": self._document["components"]})


@pytest.fixture
def connect() -> Iterator[Callable[..., CheckedClient]]:
    """Makes a client of a service, under other settings if they are given; the service is closed in the end."""
    services: list[RecommendationService] = []

    def connect(service: RecommendationService, settings: ApiSettings | None = None) -> CheckedClient:
        services.append(service)
        app = create_app(service, settings=settings)
        return CheckedClient(app, app.response_class)

    yield connect
    for service in services:
        service.close()


@pytest.fixture
def client(connect: Callable[..., CheckedClient], service: RecommendationService) -> CheckedClient:
    """A client of the fitted library of two styles."""
    return connect(service)


# --- the page in a browser -------------------------------------------------------------------

HERTZ = [110, 165, 220, 330, 440, 660, 880, 1320, 1760, 2640, 3520, 5280]


def is_played(user: str, at: int) -> bool:
    """A fixed, uneven choice of who has played what."""
    return (len(user) + at) % 3 > 0


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """Twelve tones with audio, heard by untrained ears; the lower half played by four listeners."""
    place = tmp_path_factory.mktemp("tones")
    with Library.open(place / "library", create=True) as library:
        encoder = Embedder.from_checkpoint(ensure_encoder(library))
        library.set_fingerprint(encoder.fingerprint)
        for hertz in HERTZ:
            path = write_tone(place / f"{hertz}.flac", hertz)
            track = Track(
                f"tone/{hertz}", title=f"Tone at {hertz} Hz", artist="Generator", duration_seconds=3.0, path=str(path)
            )
            library.put_embedded([EmbeddedTrack(track, None, encoder.fingerprint, encoder.embed(path).embedding)])
        library.add_plays(
            Play(user, f"tone/{hertz}", 1.0 + at)
            for user in ("ada", "ben", "carla", "dmitri")
            for at, hertz in enumerate(HERTZ[:6])
            if is_played(user, at)
        )
        fit(library)
        yield library


@pytest.fixture(scope="module")
def address(tones: Library) -> Iterator[str]:
    """Where the page of the tones is served."""
    with serving(create_app(RecommendationService(tones))) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium, where the machine has one."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine; on Debian: apt install chromium")
    expect.set_options(timeout=300_000)  # the first file that is heard waits for torch
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=f"{QUIET} {QUIETER}".split())


@pytest.fixture
def complaints() -> list[str]:
    """What the browser logged as an error, and the requests to other hosts."""
    return []


@pytest.fixture
def page(browser: Browser, address: str, complaints: list[str]) -> Iterator[Page]:
    """A fresh page, about which there must be nothing to complain in the end."""

    def asked(request: Request) -> None:
        if not request.url.startswith((address, f"blob:{address}")):
            complaints.append(request.url)

    with browser.new_context(base_url=address) as context:
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", asked)
        yield page
    assert complaints == []
