"""Quality against audio weight: geometry of the panels that a page draws as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hybridrec.evaluation.quality import ALL_TRACKS
from hybridrec.evaluation.significance import Mean
from hybridrec.evaluation.tuning_report import Tuning

Curve = Sequence[tuple[float, Mapping[str, Mean]]]
"""Audio weights, ascending, each with NDCG@20 by item popularity bucket."""

WIDTH, HEIGHT = 320, 200
LEFT, RIGHT, TOP, BOTTOM = 44, 310, 26, 174
"""Of the plotting area, in SVG units."""

WEIGHT_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
MOST_VALUE_TICKS = 5
LEAST_ROOM = 0.01
"""Of NDCG@20, above and below a curve: a constant one is no reason for a scale of digits."""

Tick = tuple[float, str]
"""A place in SVG units, and its label."""


@dataclass(frozen=True)
class Panel:
    """The curve of one bucket, in SVG units.

    Attributes:
        title, summary: the bucket, and the curve in words for those who cannot see it.
        line, band: SVG points of the means, and of the outline of their intervals.
        dots: x, y and a label of each mean.
        x_ticks, y_ticks: of audio weight and NDCG@20.
        chosen_x: of the chosen audio weight.
    """

    title: str
    summary: str
    line: str
    band: str
    dots: list[tuple[float, float, str]]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    chosen_x: float
    width, height = WIDTH, HEIGHT
    left, right, top, bottom = LEFT, RIGHT, TOP, BOTTOM


def curve_of(tuning: Tuning) -> Curve:
    """The curve of a tuning; empty without audio."""
    return [(point.audio_weight, point.ndcg) for point in tuning.curve]


def buckets_of(curve: Curve) -> list[str]:
    """The buckets that have an interval at every audio weight, as only these can be drawn."""
    return [bucket for bucket in curve[0][1] if all(bucket in means for _, means in curve)]


def bucket_title(bucket: str) -> str:
    """What a panel is called; a bucket is a range of users who played a track in training."""
    return "all tracks" if bucket == ALL_TRACKS else f"tracks with {bucket} users"


def panels(tuning: Tuning) -> list[Panel]:
    """A panel per bucket, `all` first; none without audio."""
    curve = curve_of(tuning)
    chosen = tuning.blend.audio_weight
    if not curve:
        return []
    return [
        _panel(bucket, [(weight, means[bucket]) for weight, means in curve], chosen)
        for bucket in buckets_of(curve)
    ]


def nice_ticks(low: float, high: float, most: int = MOST_VALUE_TICKS) -> list[float]:
    """At most so many multiples of 1, 2 or 5 times a power of ten, within low..high.

    Args:
        low, high: the range, low below high.
        most: how many ticks, 2 or more.
    """
    rough = (high - low) / most
    tolerance = 1e-9  # in steps: 0.3 / 0.1 is below 3, and the tick at 0.3 must stay
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first, last = math.ceil(low / step - tolerance), math.floor(high / step + tolerance)
    return [round(number * step, 12) for number in range(first, last + 1)]


def _panel(bucket: str, points: Sequence[tuple[float, Mean]], chosen: float) -> Panel:
    low, high = _value_range([mean for _, mean in points])

    def y(value: float) -> float:
        # The y of SVG grows downwards.
        return round(BOTTOM - (BOTTOM - TOP) * (value - low) / (high - low), 1)

    # The outline of the band goes along the upper ends and back along the lower ones.
    upper = [(_x(weight), y(mean.high)) for weight, mean in points]
    lower = [(_x(weight), y(mean.low)) for weight, mean in points]
    dots = [(_x(weight), y(mean.mean), _in_words(weight, mean)) for weight, mean in points]
    return Panel(
        title=bucket_title(bucket),
        summary=_summary(bucket, points),
        line=_svg_points([(x, y_) for x, y_, _ in dots]),
        band=_svg_points([*upper, *reversed(lower)]),
        dots=dots,
        x_ticks=[(_x(weight), f"{weight:g}") for weight in WEIGHT_TICKS],
        y_ticks=[(y(value), f"{value:g}") for value in nice_ticks(low, high)],
        chosen_x=_x(chosen),
    )


def _x(weight: float) -> float:
    return round(LEFT + (RIGHT - LEFT) * weight, 1)


def _value_range(means: Sequence[Mean]) -> tuple[float, float]:
    """The range of the intervals with a little room; never empty, even if all values are equal."""
    low, high = min(mean.low for mean in means), max(mean.high for mean in means)
    room = max(0.04 * (high - low), LEAST_ROOM)
    return low - room, high + room


def _svg_points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)


def _in_words(weight: float, mean: Mean) -> str:
    return f"audio weight {weight:g}: {mean.mean:.4f} [{mean.low:.4f}, {mean.high:.4f}]"


def _summary(bucket: str, points: Sequence[tuple[float, Mean]]) -> str:
    (first, start), (last, end) = points[0], points[-1]
    best, top = max(points, key=lambda point: point[1].mean)
    return (
        f"NDCG@20, {bucket_title(bucket)}: {start.mean:.4f} at audio weight {first:g},"
        f" {end.mean:.4f} at {last:g}, highest at {best:g} with {top.mean:.4f}"
    )
