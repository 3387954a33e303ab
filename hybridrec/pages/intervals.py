"""Means with their intervals below each other: geometry of the plot that a page draws as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hybridrec.evaluation.significance import Mean
from hybridrec.pages.curves import Tick, nice_ticks

ROW_HEIGHT, LABEL_WIDTH, PLOT_WIDTH, MARGIN = 26, 230, 520, 20
"""In SVG units."""

MOST_TICKS = 10


@dataclass(frozen=True)
class IntervalLine:
    """One mean in SVG units: its name, its height, and the ends of its interval."""

    name: str
    y: float
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class IntervalPlot:
    """Lines from top to bottom with a common axis, in SVG units.

    Attributes:
        summary: what is drawn, in words.
        lines: as given, the judged system first.
        ticks: of the axis, which starts at 0.
        height, bottom: of the whole, and of the area above the axis.
    """

    summary: str
    lines: list[IntervalLine]
    ticks: list[Tick]
    height: float
    bottom: float
    width = LABEL_WIDTH + PLOT_WIDTH + MARGIN


def interval_plot(summary: str, means: Sequence[tuple[str, Mean]]) -> IntervalPlot:
    """Lay out names with their means, 0 or greater.

    Args:
        summary: what is drawn, in words.
        means: from top to bottom.
    """
    # A little room to the right; any scale will do if all values are 0.
    most = max(mean.high for _, mean in means) * 1.05 or 1.0

    def x(value: float) -> float:
        return round(LABEL_WIDTH + PLOT_WIDTH * value / most, 1)

    lines = [
        IntervalLine(name, ROW_HEIGHT * (row + 0.5), x(mean.mean), x(mean.low), x(mean.high))
        for row, (name, mean) in enumerate(means)
    ]
    bottom = ROW_HEIGHT * len(means)
    ticks = [(x(value), f"{value:g}") for value in nice_ticks(0.0, most, MOST_TICKS)]
    return IntervalPlot(summary, lines, ticks, bottom + ROW_HEIGHT, bottom)
