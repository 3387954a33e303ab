"""Colours and shapes that tell tags apart, to people who see few colours too."""

from __future__ import annotations

from dataclasses import dataclass

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#f0e442")
"""Okabe and Ito's (2008), without black."""
SHAPES = ("circle", "square", "triangle")
GREY = "#9aa0a6"
MOST_NAMED = len(COLOURS) * len(SHAPES)


@dataclass(frozen=True)
class Mark:
    """How a tag is drawn: a colour as CSS has it, and one of `SHAPES`."""

    colour: str
    shape: str


OTHER = Mark(GREY, "circle")
"""Tags that are not named, and tracks without one."""


def marks(named: list[str]) -> dict[str, Mark]:
    """A mark for each of at most `MOST_NAMED` tags, no two alike."""
    assert len(named) <= MOST_NAMED
    return {
        name: Mark(COLOURS[number % len(COLOURS)], SHAPES[number // len(COLOURS)]) for number, name in enumerate(named)
    }
