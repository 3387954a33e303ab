"""Draw the picture of the web page in README.md: recommendations of the demo's library.

python scripts/page_picture.py hybridrec-demo/library docs/images/page.png
"""

from __future__ import annotations

import argparse
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright
from werkzeug.serving import make_server

from hybridrec.api.app import create_app
from hybridrec.serving.service import RecommendationService
from hybridrec.storage.library import Library

WIDTH, HEIGHT = 1200, 900


def main() -> None:
    """Serve the library and take a picture of the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("library", help="a library with plays")
    parser.add_argument("picture", type=Path, help="the PNG file to write")
    parser.add_argument(
        "--user", default=None, help="whose recommendations to show; the first user's, if not said"
    )
    chosen = parser.parse_args()
    with Library.open(chosen.library) as library, RecommendationService(library) as service:
        user = chosen.user or library.find_users(limit=1)[0].id
        with served(service) as address:
            take_picture(f"{address}/?user={user}", chosen.picture)


@contextmanager
def served(service: RecommendationService) -> Iterator[str]:
    """The address of the page, on loopback."""
    server = make_server("127.0.0.1", 0, create_app(service), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()


def take_picture(address: str, picture: Path) -> None:
    """Write what a browser shows, as soon as there are results."""
    chromium = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(address)
        page.locator(".result").first.wait_for(timeout=60_000)
        page.wait_for_load_state("networkidle")
        picture.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    main()
