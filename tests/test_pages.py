"""What the pages share: tables, curves, interval plots, and documents that load nothing else."""

from __future__ import annotations

import re

import pytest
from jinja2 import UndefinedError

from hybridrec.config import BlendConfig, CollaborativeConfig, ProjectionConfig
from hybridrec.evaluation.significance import Mean
from hybridrec.evaluation.tuning_report import CurvePoint, Tuning
from hybridrec.pages.curves import BOTTOM, LEFT, RIGHT, TOP, Panel, nice_ticks, panels
from hybridrec.pages.intervals import LABEL_WIDTH, interval_plot
from hybridrec.pages.rendering import render
from hybridrec.pages.table import Table, text_table
from hybridrec.pages.tuning import as_html


def tuning(curve: dict[float, dict[str, Mean]], chosen: float = 0.5) -> Tuning:
    data = {"users": 1, "tracks": 1, "pairs": 1, "evaluated_users": 1, "folds": 2, "seed": 0}
    points = tuple(CurvePoint(weight, means) for weight, means in curve.items())
    blend = BlendConfig(chosen, 0.0)
    return Tuning(CollaborativeConfig(), ProjectionConfig(), blend, (), points, None, data)


@pytest.fixture
def panel() -> Panel:
    curve = {
        0.0: {"all": Mean(0.1, 0.05, 0.15)},
        0.5: {"all": Mean(0.3, 0.25, 0.35)},
        1.0: {"all": Mean(0.2, 0.15, 0.25)},
    }
    (found,) = panels(tuning(curve))
    return found


def numbers(points: str) -> list[tuple[float, float]]:
    pairs = [point.split(",") for point in points.split()]
    return [(float(x), float(y)) for x, y in pairs]


def test_a_curve_is_drawn_within_its_axes_with_the_highest_value_on_top(panel: Panel) -> None:
    (x0, low), (x1, high), (x2, middle) = numbers(panel.line)
    assert (x0, x1, x2) == (LEFT, (LEFT + RIGHT) / 2, RIGHT)
    assert TOP < high < middle < low < BOTTOM
    assert middle == pytest.approx((low + high) / 2, abs=0.1)
    assert panel.chosen_x == x1


def test_the_band_encloses_the_curve(panel: Panel) -> None:
    outline = numbers(panel.band)
    upper, lower = outline[:3], outline[:2:-1]
    for (_, y), (_, top), (_, bottom) in zip(numbers(panel.line), upper, lower, strict=True):
        assert TOP <= top < y < bottom <= BOTTOM


def test_the_axis_has_round_values_at_their_places(panel: Panel) -> None:
    labels = [float(label) for _, label in panel.y_ticks]
    assert labels == [0.1, 0.2, 0.3]
    by_value = dict(zip(labels, (y for y, _ in panel.y_ticks), strict=True))
    assert by_value[0.3] == numbers(panel.line)[1][1]


def test_the_curve_is_described_in_words(panel: Panel) -> None:
    assert panel.summary.endswith("0.2000 at 1, highest at 0.5 with 0.3000")
    assert panel.dots[1][2] == "audio weight 0.5: 0.3000 [0.2500, 0.3500]"


def test_a_constant_curve_is_drawn_in_the_middle() -> None:
    flat = {weight: {"all": Mean(0.0, 0.0, 0.0)} for weight in (0.0, 1.0)}
    (found,) = panels(tuning(flat))
    assert {y for _, y in numbers(found.line)} == {(TOP + BOTTOM) / 2}


def test_a_bucket_without_an_interval_at_some_weight_is_not_drawn() -> None:
    mean = Mean(0.1, 0.0, 0.2)
    found = panels(tuning({0.0: {"all": mean, "0": mean}, 1.0: {"all": mean}}))
    assert [each.title for each in found] == ["all tracks"]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.093, 0.131, [0.1, 0.11, 0.12, 0.13]),
        (0.0, 0.3, [0.0, 0.1, 0.2, 0.3]),
        (-0.0001, 0.0001, [-0.0001, -0.00005, 0.0, 0.00005, 0.0001]),
        (0.0, 730.0, [0.0, 200.0, 400.0, 600.0]),
    ],
)
def test_ticks_are_round(low: float, high: float, ticks: list[float]) -> None:
    assert nice_ticks(low, high) == pytest.approx(ticks)


def test_intervals_start_at_zero_and_keep_their_order() -> None:
    plot = interval_plot("mAP", [("ours", Mean(0.4, 0.3, 0.5)), ("theirs", Mean(0.2, 0.1, 0.3))])
    ours, theirs = plot.lines
    assert ours.y < theirs.y < plot.bottom
    assert LABEL_WIDTH < theirs.low < theirs.mean < theirs.high == ours.low < ours.mean < ours.high
    assert ours.high < plot.width
    assert plot.ticks[0] == (LABEL_WIDTH, "0")


def test_intervals_of_nothing_but_zeros_can_be_drawn() -> None:
    plot = interval_plot("mAP", [("ours", Mean(0.0, 0.0, 0.0))])
    assert plot.lines[0].mean == LABEL_WIDTH


def test_text_tables_keep_numbers_as_they_are_formatted() -> None:
    lines = text_table(("name", "share"), [("a", "0.500"), ("bb", "1.000")]).splitlines()
    assert [line.split() for line in lines[2:]] == [["a", "0.500"], ["bb", "1.000"]]
    assert len({len(line) for line in lines}) == 1  # aligned to the right
    assert text_table(("name", "share"), []) == ""


def test_a_page_escapes_text_and_marks_long_cells_and_the_first_row() -> None:
    table = Table(("<a>", "b"), [("&", "x" * 50), ("c", "d")], highlight_first=True)
    page = render("audio.html", **audio_values(robustness=table))
    assert '<th scope="col">&lt;a&gt;</th>' in page
    assert f'<tr class="ours"><td>&amp;</td><td class="long">{"x" * 50}</td></tr>' in page
    assert "<tr><td>c</td><td>d</td></tr>" in page


def test_a_value_that_a_template_lacks_is_an_error() -> None:
    values = audio_values(robustness=Table(("a",), []))
    del values["summary"]
    with pytest.raises(UndefinedError, match="summary"):
        render("audio.html", **values)


def audio_values(robustness: Table) -> dict[str, object]:
    empty = Table(("a",), [])
    report = {"notes": ["<note>"], "skipped": {}}
    values = {"report": report, "labels": [], "chunks": empty, "no_chunks": "", "skipped": []}
    return {"title": "<title>", "summary": "s", "robustness": robustness, **values}


def test_a_document_is_complete_and_loads_nothing() -> None:
    page = as_html(tuning({}))
    assert page.startswith("<!doctype html>")
    assert page.endswith("</html>\n")
    assert "prefers-color-scheme: dark" in page
    assert not re.search(r"(?:src|href|url)\s*[=(]", page)
    assert "{{" not in page
    assert "{%" not in page
