"""The map of a library as a page: hover to see a track, click the legend to hide a tag."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from hybridrec.data.tracks import Track
from hybridrec.evaluation.library_map import TAGS, Layout, LibraryMap
from hybridrec.pages.marks import OTHER, marks
from hybridrec.pages.rendering import render


def as_html(map_: LibraryMap, tag: str, most_named: int) -> str:
    """The map as one HTML document that loads nothing from elsewhere.

    Args:
        map_: tracks with their positions.
        tag: a tag that tracks have, shown first.
        most_named: number of tag values with a colour, largest first; the others are grey.
    """
    data = _data(map_, most_named)
    return render("map.html", title="Map of the library", map=map_, tag=tag, data=data)


def _data(map_: LibraryMap, most_named: int) -> dict[str, Any]:
    """What the script of the page reads."""
    tags = {
        tag: {
            "marks": _marks(map_.largest(tag, most_named)),
            "agreement": agreement.in_words(),
        }
        for tag, agreement in map_.agreements.items()
    }
    return {
        "tracks": [_shown(track) for track in map_.tracks],
        "layouts": {name: _rounded(layout) for name, layout in map_.layouts.items()},
        "tags": tags,
        "other": asdict(OTHER),
    }


def _marks(values: list[str]) -> dict[str, dict[str, str]]:
    return {value: asdict(mark) for value, mark in marks(values).items()}


def _rounded(layout: Layout) -> list[list[float]]:
    # Four digits are finer than a pixel, and a third of the size of the full numbers.
    return [[round(float(x), 4), round(float(y), 4)] for x, y in layout]


def _shown(track: Track) -> dict[str, str]:
    return {"name": track.name, **{tag: getattr(track, tag) for tag in TAGS}}
