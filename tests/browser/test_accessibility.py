"""Accessibility of the page: screen readers, contrast, and use by keyboard alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect
from tones import MAKE_DROP, serving, write_tone

from hybridrec.api.app import create_app
from hybridrec.api.settings import ApiSettings
from hybridrec.serving.service import RecommendationService
from hybridrec.storage.library import Library

pytestmark = pytest.mark.browser

MOST_TABS = 60
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")


def check(page: Page, scheme: Scheme) -> None:
    """Let axe-core look for whatever it knows to be wrong, best practices included."""
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    result = Axe().run(page)
    assert len(result.response["passes"]) > 15
    assert result.violations_count == 0, result.generate_report()


def check_in_both_schemes(page: Page) -> None:
    """In the light and in the dark."""
    for scheme in SCHEMES:
        check(page, scheme)


@pytest.fixture
def results(page: Page) -> Locator:
    """The results on the page."""
    return page.get_by_role("list", name="Results, best first").get_by_role("listitem")


def test_axe_finds_nothing_wrong_before_and_while_one_searches(page: Page) -> None:
    page.goto("/")
    expect(page.locator("#suggestions")).to_be_visible()
    check_in_both_schemes(page)
    page.get_by_label("Start from a song").fill("tone")
    expect(page.get_by_role("option").first).to_be_visible()
    page.keyboard.press("ArrowDown")
    check_in_both_schemes(page)


def test_axe_finds_nothing_wrong_with_answers(page: Page, results: Locator) -> None:
    page.goto("/?track=tone%2F440&user=ada")
    expect(results).to_have_count(10)
    page.get_by_role("button", name="Play Tone at 440 Hz").first.click()
    expect(page.get_by_role("region", name="Player")).to_be_visible()
    check_in_both_schemes(page)
    page.goto("/?user=ada")
    expect(results.first).to_be_visible()
    page.get_by_role("button", name=re.compile("^ada has played")).first.click()
    expect(page.get_by_role("status").filter(has_text="support")).to_be_visible()
    check_in_both_schemes(page)


def test_axe_finds_nothing_wrong_with_a_file_compared_and_one_refused(
    page: Page, results: Locator, tmp_path: Path, complaints: list[str]
) -> None:
    page.goto("/")
    audio = write_tone(tmp_path / "My own tone.wav", 450)
    dropped = page.evaluate_handle(
        MAKE_DROP, {"name": audio.name, "bytes": list(audio.read_bytes())}
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": dropped})
    expect(results).to_have_count(10)
    check_in_both_schemes(page)
    (tmp_path / "diary.mp3").write_text("Dear diary")
    page.set_input_files("#file", tmp_path / "diary.mp3")
    expect(page.get_by_role("alert")).to_be_visible()
    check_in_both_schemes(page)
    (logged,) = complaints
    assert "422" in logged
    complaints.clear()


def test_axe_finds_nothing_wrong_with_an_empty_library_and_with_asking_for_a_token(
    browser: Browser, library: Library
) -> None:
    for settings in (ApiSettings(), ApiSettings(require_tokens=True)):
        app = create_app(RecommendationService(library), settings=settings)
        with serving(app) as address, browser.new_context(base_url=address) as context:
            page = context.new_page()
            page.goto("/?user=ada" if settings.require_tokens else "/")
            asked = page.get_by_role("form", name="This service asks for an access token")
            expect(
                asked if settings.require_tokens else page.get_by_text("No tracks yet")
            ).to_be_visible()
            check_in_both_schemes(page)


def tab_to(page: Page, wanted: Locator) -> None:
    """Press the tabulator until the focus is where it is wanted."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if wanted.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"the keyboard does not lead to {wanted}")


def test_a_keyboard_is_all_that_one_needs(page: Page, results: Locator) -> None:
    page.goto("/")
    expect(page.locator("#suggestions")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the results")).to_be_focused()

    search = page.get_by_label("Start from a song")
    tab_to(page, search)
    page.keyboard.type("tone at 440")
    expect(page.get_by_role("option")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(results).to_have_count(10)

    tab_to(page, page.get_by_role("button", name="Play Tone at 440 Hz"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("slider", name="Position in the track")).not_to_have_value("0")

    slider = page.get_by_role("slider", name="Audio weight")
    tab_to(page, slider)
    before = float(slider.input_value())
    with page.expect_response(re.compile("audio_weight=")):
        page.keyboard.press("ArrowRight")
    assert float(slider.input_value()) == pytest.approx(before + 0.01)
    tuned = page.get_by_role("button", name="Tuned")
    tab_to(page, tuned)
    page.keyboard.press("Space")
    expect(tuned).to_have_attribute("aria-pressed", "true")

    page.goto("/")
    tab_to(page, page.get_by_label("Listen as"))
    page.keyboard.type("ben")
    expect(page.get_by_role("option")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("ben")
    first = results.first
    expect(first).to_be_visible()
    title = first.get_by_role("heading").inner_text()
    tab_to(page, first.get_by_role("button", name=f"ben has played {title}"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text=title)).to_contain_text("support")
