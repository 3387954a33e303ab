"""The map of a library: layouts, agreement of tags between neighbours, the page and the picture."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from hybridrec.cli import main
from hybridrec.errors import InvalidInput, NotReady
from hybridrec.evaluation.library_map import LibraryMap
from hybridrec.pages.map import as_html
from hybridrec.pages.marks import COLOURS, MOST_NAMED, marks
from hybridrec.pages.pictures import map_png
from hybridrec.storage.library import Library
from hybridrec.workflows.map.library import map_library

pytestmark = pytest.mark.slow

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def drawn(embedded_library: Library) -> LibraryMap:
    return map_library(embedded_library)


def data_of(html: str) -> dict[str, Any]:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', html, re.S)
    assert found
    return json.loads(found[1])


@pytest.mark.parametrize("layout", ["t-SNE", "PCA"])
def test_styles_with_different_embeddings_are_laid_out_apart(
    drawn: LibraryMap, layout: str
) -> None:
    positions = drawn.layouts[layout]
    calm = np.array([track.genre == "calm" for track in drawn.tracks])
    assert np.abs(positions).max() == pytest.approx(1.0)
    styles = (positions[calm], positions[~calm])
    radius = max(np.linalg.norm(p - p.mean(axis=0), axis=1).max() for p in styles)
    centres = [style.mean(axis=0) for style in styles]
    assert np.linalg.norm(centres[0] - centres[1]) > radius


def test_neighbours_share_the_tag_that_follows_the_audio(drawn: LibraryMap) -> None:
    genre = drawn.agreements["genre"]
    assert (genre.tracks, genre.values, genre.k, genre.share) == (40, 2, 10, 1.0)
    assert genre.chance == pytest.approx(19 / 39)
    words = "100% of a track's 10 nearest neighbours are of the same genre; at random 49%"
    assert genre.in_words().startswith(words)


def test_a_tag_that_no_track_has_is_left_out_and_refused(drawn: LibraryMap) -> None:
    assert set(drawn.agreements) == {"genre", "artist"}
    assert drawn.tag(None) == "genre"
    with pytest.raises(
        InvalidInput, match="no two tracks have the tag album; use one of genre, artist"
    ):
        drawn.tag("album")


def test_the_same_seed_draws_the_same_map(embedded_library: Library, drawn: LibraryMap) -> None:
    again = map_library(embedded_library)
    for name, positions in drawn.layouts.items():
        np.testing.assert_allclose(positions, again.layouts[name], atol=1e-4)


def test_a_large_library_is_sampled_and_the_page_says_so(embedded_library: Library) -> None:
    part = map_library(embedded_library, most=12)
    assert (len(part.tracks), part.left_out) == (12, 28)
    assert "28 more, left out at random" in as_html(part, "genre", 5)


def test_a_library_without_embeddings_has_no_map(library: Library) -> None:
    with pytest.raises(NotReady, match="no embeddings"):
        map_library(library)


def test_the_largest_tags_are_named(drawn: LibraryMap) -> None:
    rare = [replace(track, genre="rare") for track in drawn.tracks[:3]]
    uneven = [*rare, *drawn.tracks[3:]]
    assert replace(drawn, tracks=uneven).largest("genre", 2) == ["loud", "calm"]


def test_no_two_named_tags_have_the_same_mark() -> None:
    looks = marks([str(number) for number in range(MOST_NAMED)])
    assert len(set(looks.values())) == MOST_NAMED
    assert [looks[str(number)].colour for number in range(len(COLOURS))] == list(COLOURS)


def test_the_page_contains_every_track_and_loads_nothing_else(drawn: LibraryMap) -> None:
    html = as_html(drawn, "artist", 12)
    data = data_of(html)
    assert len(data["tracks"]) == 40
    assert set(data["tags"]["genre"]["marks"]) == {"calm", "loud"}
    assert "<option selected>artist</option>" in html
    assert set(re.findall(r"https?://[^\"' ]*", html)) == {"http://www.w3.org/2000/svg"}


def test_a_title_cannot_end_the_script_that_holds_it(drawn: LibraryMap) -> None:
    evil = "</script><script>alert(1)</script>"
    tracks = [replace(track, title=evil) for track in drawn.tracks]
    html = as_html(replace(drawn, tracks=tracks), "genre", 12)
    assert evil not in html
    assert data_of(html)["tracks"][0]["name"].endswith(evil)


def test_the_legend_keeps_the_order_of_the_tags(drawn: LibraryMap) -> None:
    """JSON keys must not be sorted on the way: the largest value comes first in the legend."""
    tracks = [replace(track, genre="b") for track in drawn.tracks[:30]]
    tracks += [replace(track, genre="a") for track in drawn.tracks[30:]]
    data = data_of(as_html(replace(drawn, tracks=tracks), "genre", 5))
    assert list(data["tags"]["genre"]["marks"]) == ["b", "a"]


def test_the_page_escapes_the_values_of_tags(drawn: LibraryMap) -> None:
    evil = "<img src=x onerror=alert(1)>"
    tracks = [replace(track, genre=evil) for track in drawn.tracks]
    html = as_html(replace(drawn, tracks=tracks), "genre", 5)
    assert evil not in html
    assert list(data_of(html)["tags"]["genre"]["marks"]) == [evil]


def test_the_picture_shows_any_name(drawn: LibraryMap) -> None:
    odd = ["$x^2", "_hidden", "a" * 100, "", "ätherisch"]
    tracks = [replace(track, genre=odd[row % 5]) for row, track in enumerate(drawn.tracks)]
    assert map_png(replace(drawn, tracks=tracks), "genre", 3).startswith(PNG)


def run_map(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["map", *map(str, arguments)])


def test_the_command_writes_a_page_and_a_picture(embedded_library: Library, tmp_path: Path) -> None:
    answer = run_map("--library", tmp_path / "library", "--to", tmp_path / "map")
    assert answer.exit_code == 0, answer.output
    assert "nearest neighbours are of the same genre" in answer.output
    assert (tmp_path / "map" / "map.html").read_text().startswith("<!doctype html>")
    assert (tmp_path / "map" / "map.png").read_bytes().startswith(PNG)


def test_without_matplotlib_there_is_a_page_and_a_message_about_the_picture(
    embedded_library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    answer = run_map("--library", tmp_path / "library", "--to", tmp_path / "map")
    assert answer.exit_code == 0
    assert "pip install 'hybridrec[plots]'" in answer.stderr
    assert [path.name for path in (tmp_path / "map").iterdir()] == ["map.html"]
