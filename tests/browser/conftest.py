"""The page in a browser, over a library of tones."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright
from tones import serving, write_tone

from hybridrec.api.app import create_app
from hybridrec.data.plays import Play
from hybridrec.data.tracks import Track
from hybridrec.embedder.embedder import Embedder
from hybridrec.embedder.library_encoder import ensure_encoder
from hybridrec.serving.service import RecommendationService
from hybridrec.storage.embeddings import EmbeddedTrack
from hybridrec.storage.library import Library
from hybridrec.workflows.fit import fit

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
SWITCHES = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run"
    " --disable-background-networking --disable-component-update --disable-sync"
    " --autoplay-policy=no-user-gesture-required"
)
HERTZ = [110, 165, 220, 330, 440, 660, 880, 1320, 1760, 2640, 3520, 5280]


def is_played(user: str, at: int) -> bool:
    """A fixed, uneven choice of who has played what."""
    return (len(user) + at) % 3 > 0


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """Twelve tones embedded by the shipped encoder; the lower half played by four users."""
    place = tmp_path_factory.mktemp("tones")
    with Library.open(place / "library", create=True) as library:
        library.add_music_folder(place)
        encoder = Embedder.from_checkpoint(ensure_encoder(library))
        library.set_fingerprint(encoder.fingerprint)
        for hertz in HERTZ:
            path = write_tone(place / f"{hertz}.flac", hertz)
            track = Track(
                f"tone/{hertz}",
                title=f"Tone at {hertz} Hz",
                artist="Generator",
                duration_seconds=3.0,
                path=str(path),
            )
            library.put_embedded(
                [EmbeddedTrack(track, None, encoder.fingerprint, encoder.embed(path).embedding)]
            )
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


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium, where the machine has one."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine; on Debian: apt install chromium")
    expect.set_options(timeout=30_000)  # the first file that is embedded waits for the encoder
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES.split())


@pytest.fixture
def complaints() -> list[str]:
    """What the browser logged as an error, and the requests to other hosts."""
    return []


@pytest.fixture
def page(browser: Browser, address: str, complaints: list[str]) -> Iterator[Page]:
    """A fresh page; at the end there must be no errors and no requests to other hosts."""

    def asked(request: Request) -> None:
        if not request.url.startswith((address, f"blob:{address}")):
            complaints.append(request.url)

    with browser.new_context(base_url=address) as context:
        page = context.new_page()
        page.on(
            "console",
            lambda message: complaints.append(message.text) if message.type == "error" else None,
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", asked)
        yield page
    assert complaints == []
