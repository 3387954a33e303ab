"""Colours and shapes of tags on a map, distinguishable with colour vision deficiency too."""

from __future__ import annotations

from dataclasses import dataclass

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#f0e442")
"""The palette of Okabe and Ito (2008), without black."""

SHAPES = ("circle", "square", "triangle")
GREY = "#9aa0a6"
MOST_NAMED = len(COLOURS) * len(SHAPES)


@dataclass(frozen=True)
class Mark:
    """How a tag is drawn: a CSS colour, and one of `SHAPES`."""

    colour: str
    shape: str


OTHER = Mark(GREY, "circle")
"""Of tags that are not named, and of tracks without a tag."""


def marks(named: list[str]) -> dict[str, Mark]:
    """A different mark for each of at most `MOST_NAMED` tags; colours first, then shapes."""
    assert len(named) <= MOST_NAMED
    looks = [Mark(colour, shape) for shape in SHAPES for colour in COLOURS]
    return dict(zip(named, looks, strict=False))
