"""The web page in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from tones import MAKE_DROP, serving, write_tone

from hybridrec.api.app import create_app
from hybridrec.api.settings import ApiSettings
from hybridrec.serving.service import RecommendationService
from hybridrec.storage.library import Library

pytestmark = pytest.mark.browser


def test_a_listener_searches_plays_and_moves_the_slider(page: Page) -> None:
    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_have_text("What should play next?")
    page.get_by_label("Start from a song").fill("tone 440")
    expect(page.get_by_role("option")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Tone at 440 Hz")
    expect(page).to_have_url(re.compile(r"\?track=tone%2F440$"))
    results = page.get_by_role("list", name="Results, best first").get_by_role("listitem")
    expect(results).to_have_count(10)

    answer = page.get_by_role("region", name="Tone at 440 Hz")
    answer.get_by_role("button", name="Play Tone at 440 Hz").click()
    expect(answer.get_by_role("button", name="Pause Tone at 440 Hz")).to_be_visible()
    expect(page.get_by_role("slider", name="Position in the track")).not_to_have_value("0")

    slider = page.get_by_role("slider", name="Audio weight")
    with page.expect_response(re.compile("audio_weight=1&")):
        slider.fill("1")
    expect(results.first).to_contain_text("Audio 100 %")
    expect(page.get_by_role("button", name="Tuned")).to_have_attribute("aria-pressed", "false")
    expect(page).to_have_url(re.compile("weight=1"))
    page.get_by_role("button", name="Tuned").click()
    expect(page).not_to_have_url(re.compile("weight="))


def test_a_play_moves_the_weight_from_audio_to_behaviour(page: Page) -> None:
    page.goto("/?user=ada")
    expect(page.get_by_role("heading", level=1)).to_have_text("ada")
    expect(page.get_by_role("heading", name="Played by ada")).to_be_visible()
    cold = page.get_by_role("listitem").filter(has_text="nobody has played it yet").first
    title = cold.get_by_role("heading").inner_text()
    cold.get_by_role("button", name=f"ada has played {title}").click()
    notice = page.get_by_role("status").filter(has_text=title)
    expect(notice).to_contain_text("support 0 → 1")
    expect(notice).to_contain_text("Effective audio weight 100 % → ")
    expect(page.locator("#history-list")).to_contain_text(title)


def test_a_file_is_dropped_compared_and_added(page: Page, tmp_path: Path) -> None:
    page.goto("/")
    audio = write_tone(tmp_path / "My own tone.wav", 450)
    dropped = page.evaluate_handle(
        MAKE_DROP, {"name": audio.name, "bytes": list(audio.read_bytes())}
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": dropped})
    expect(page.get_by_role("heading", level=1)).to_have_text("My own tone")
    results = page.get_by_role("list", name="Results, best first").get_by_role("listitem")
    expect(results).to_have_count(10)
    page.get_by_label("Artist").fill("Me")
    page.get_by_role("button", name="Add this track").click()
    expect(page.get_by_role("status").filter(has_text="is in the catalogue")).to_be_visible()
    expect(page).to_have_url(re.compile(r"\?track="))
    expect(page.locator("#lead")).to_contain_text("Me · Nobody has played it yet")
    expect(results).to_have_count(10)
    page.get_by_label("Start from a song").fill("my own")
    expect(page.get_by_role("option")).to_have_count(1)


def test_a_file_that_is_no_audio_is_refused_with_a_message(
    page: Page, tmp_path: Path, complaints: list[str]
) -> None:
    (tmp_path / "diary.mp3").write_text("Dear diary")
    page.goto("/")
    page.set_input_files("#file", tmp_path / "diary.mp3")
    expect(page.get_by_role("alert")).to_contain_text("diary.mp3: not audio")
    (logged,) = complaints
    assert "422" in logged
    complaints.clear()


def test_a_service_that_requires_tokens_asks_for_one(
    browser: Browser, tones: Library, complaints: list[str]
) -> None:
    token = tones.create_token("page", "write")
    app = create_app(RecommendationService(tones), settings=ApiSettings(require_tokens=True))
    with serving(app) as address, browser.new_context(base_url=address) as context:
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto("/?track=tone%2F440")
        form = page.get_by_role("form", name="This service asks for an access token")
        form.get_by_label("Access token").fill("wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("not known here")
        form.get_by_label("Access token").fill(token)
        form.get_by_role("button", name="Use this token").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Tone at 440 Hz")
        expect(form).to_be_hidden()
        page.get_by_role("button", name="Play Tone at 440 Hz").click()
        expect(page.get_by_role("slider", name="Position in the track")).not_to_have_value("0")
        page.reload()
        expect(page.get_by_role("heading", level=1)).to_have_text("Tone at 440 Hz")
        assert token not in page.content() + page.url
    assert complaints == []


@pytest.mark.parametrize(("width", "height"), [(390, 844), (768, 1024), (1280, 800)])
def test_no_screen_has_to_be_scrolled_sideways(page: Page, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    for state in ("/", "/?track=tone%2F440&user=ada", "/?user=ada"):
        page.goto(state)
        expect(page.locator("#suggestions:not([hidden]), .result").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), state


def test_every_control_has_a_name(page: Page) -> None:
    page.goto("/?track=tone%2F440&user=ada")
    expect(page.locator(".result").first).to_be_visible()
    page.get_by_role("button", name="Play Tone at 440 Hz").last.click()
    for role in ("button", "slider", "combobox", "checkbox", "link", "list"):
        for control in page.get_by_role(role).all():
            snapshot = control.aria_snapshot()
            assert re.match(rf'- {role} "\S', snapshot) or role == "list", snapshot
