"""The web page, as it is sent."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from flask.testing import FlaskClient

import hybridrec.api
from hybridrec.api.app import create_app
from hybridrec.serving.service import RecommendationService
from hybridrec.storage.library import Library

STATIC = Path(hybridrec.api.__file__).parent / "static"


class Tags(HTMLParser):
    """Collects tags and their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_page_needs_no_other_host_and_no_inline_code(client: FlaskClient) -> None:
    page = client.get("/")
    assert page.mimetype == "text/html"
    for tag, attributes in Tags(page.text).found:
        assert tag not in {"style", "iframe"}
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        assert tag != "script" or attributes["src"]
        for name in ("src", "href", "action"):
            assert not re.match(r"\w+:|//", attributes.get(name) or ""), attributes


def test_everything_the_page_names_is_there(client: FlaskClient) -> None:
    sources = {
        attributes.get("src") or attributes.get("href")
        for _, attributes in Tags(client.get("/").text).found
    }
    modules = {
        f"/static/{name}"
        for file in STATIC.glob("*.js")
        for name in re.findall(r'from "\./(.+?)"', file.read_text())
    }
    fonts = {
        f"/static/{name}"
        for name in re.findall(r'url\("(.+?)"\)', (STATIC / "style.css").read_text())
    }
    for address in (
        {source.partition("#")[0] for source in sources if source} - {""} | modules | fonts
    ):
        assert client.get(address).status_code == 200, address


def test_no_file_of_the_page_names_another_host() -> None:
    for file in [*STATIC.glob("*.js"), *STATIC.glob("*.css")]:
        assert not re.search(r"(https?:)?//[a-z0-9-]+\.", file.read_text()), file.name


def test_an_empty_library_says_what_to_run(library: Library) -> None:
    page = create_app(RecommendationService(library)).test_client().get("/").text
    assert "hybridrec ingest audio" in page
    assert "hybridrec ingest plays" in page
