"""The map of a library: near is alike, tags agree as far as they do, and the page holds all it needs."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from hybridrec.cli import main
from hybridrec.errors import InvalidInput, NotReady
from hybridrec.storage.library import Library
from hybridrec.workflows.map.library import LibraryMap, map_library
from hybridrec.workflows.map.marks import COLOURS, MOST_NAMED, marks
from hybridrec.workflows.map.page import as_html
from hybridrec.workflows.map.picture import draw_map

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def drawn(embedded_library: Library) -> LibraryMap:
    return map_library(embedded_library)


def shown(html: str) -> dict[str, object]:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', html, re.S)
    assert found
    return json.loads(found[1])


@pytest.mark.parametrize("layout", ["t-SNE", "PCA"])
def test_styles_that_sound_apart_lie_apart(drawn: LibraryMap, layout: str) -> None:
    places = drawn.layouts[layout]
    calm = np.array([track.genre == "calm" for track in drawn.tracks])
    assert np.abs(places).max() == pytest.approx(1.0)
    within = max(np.linalg.norm(p - p.mean(axis=0), axis=1).max() for p in (places[calm], places[~calm]))
    assert np.linalg.norm(places[calm].mean(axis=0) - places[~calm].mean(axis=0)) > within


def test_neighbours_share_the_tag_that_can_be_heard(drawn: LibraryMap) -> None:
    genre = drawn.agreements["genre"]
    assert (genre.tracks, genre.values, genre.k, genre.share) == (40, 2, 10, 1.0)
    assert genre.chance == pytest.approx(19 / 39)
    assert genre.in_words().startswith("100% of a track's 10 nearest neighbours are of the same genre; at random 49%")


def test_a_tag_that_no_track_has_is_left_out_and_cannot_be_asked_for(drawn: LibraryMap) -> None:
    assert set(drawn.agreements) == {"genre", "artist"}
    assert drawn.tag(None) == "genre"
    with pytest.raises(InvalidInput, match="no two tracks have the tag album; use one of genre, artist"):
        drawn.tag("album")


def test_the_same_seed_draws_the_same_map(embedded_library: Library, drawn: LibraryMap) -> None:
    again = map_library(embedded_library)
    for name, places in drawn.layouts.items():
        np.testing.assert_allclose(places, again.layouts[name], atol=1e-4)


def test_a_large_library_is_drawn_in_part_and_says_so(embedded_library: Library) -> None:
    part = map_library(embedded_library, most=12)
    assert (len(part.tracks), part.left_out) == (12, 28)
    assert "28 more, left out at random" in as_html(part, "genre", 5)


def test_a_library_that_has_heard_nothing_has_no_map(library: Library) -> None:
    with pytest.raises(NotReady, match="heard nothing"):
        map_library(library)


def test_the_largest_tags_are_named(drawn: LibraryMap) -> None:
    uneven = [replace(track, genre="rare") if row < 3 else track for row, track in enumerate(drawn.tracks)]
    assert replace(drawn, tracks=uneven).largest("genre", 2) == ["loud", "calm"]


def test_no_two_named_tags_look_alike() -> None:
    looks = marks([str(number) for number in range(MOST_NAMED)])
    assert len(set(looks.values())) == MOST_NAMED
    assert [looks[str(number)].colour for number in range(len(COLOURS))] == list(COLOURS)


def test_the_page_holds_every_track_and_asks_no_other_host(drawn: LibraryMap) -> None:
    html = as_html(drawn, "artist", 12)
    told = shown(html)
    assert len(told["tracks"]) == 40
    assert set(told["tags"]["genre"]["marks"]) == {"calm", "loud"}
    assert "<option selected>artist</option>" in html
    assert set(re.findall(r"https?://[^\"' ]*", html)) == {"http://www.w3.org/2000/svg"}


def test_a_title_cannot_end_the_script_that_holds_it(drawn: LibraryMap) -> None:
    evil = "</script><script>alert(1)</script>"
    html = as_html(replace(drawn, tracks=[replace(track, title=evil) for track in drawn.tracks]), "genre", 12)
    assert evil not in html
    assert shown(html)["tracks"][0]["name"].endswith(evil)


def test_the_picture_shows_any_name(drawn: LibraryMap) -> None:
    odd = ["$x^2", "_hidden", "a" * 100, "", "ätherisch"]
    tracks = [replace(track, genre=odd[row % 5]) for row, track in enumerate(drawn.tracks)]
    assert draw_map(replace(drawn, tracks=tracks), "genre", 3).startswith(PNG)


def draw(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["map", *map(str, arguments)])


def test_the_command_writes_a_page_and_a_picture(embedded_library: Library, tmp_path: Path) -> None:
    answer = draw("--library", tmp_path / "library", "--to", tmp_path / "map")
    assert answer.exit_code == 0, answer.output
    assert "nearest neighbours are of the same genre" in answer.output
    assert (tmp_path / "map" / "map.html").read_text().startswith("<!doctype html>")
    assert (tmp_path / "map" / "map.png").read_bytes().startswith(PNG)


def test_without_matplotlib_there_is_a_page_and_word_of_the_missing_picture(
    embedded_library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    answer = draw("--library", tmp_path / "library", "--to", tmp_path / "map")
    assert answer.exit_code == 0
    assert "pip install 'hybridrec[plots]'" in answer.stderr
    assert [path.name for path in (tmp_path / "map").iterdir()] == ["map.html"]
