"""The map of a library as a picture."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from hybridrec.errors import NotReady
from hybridrec.workflows.map.library import LibraryMap
from hybridrec.workflows.map.marks import OTHER, marks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKERS = {"circle": "o", "square": "s", "triangle": "^"}
_LONGEST_NAME = 40


def draw_map(map_: LibraryMap, tag: str, most_named: int) -> bytes:
    """All layouts side by side as a PNG file.

    Args:
        map_: the tracks and their places.
        tag: a tag that tracks have; its values give the colours.
        most_named: the largest so many values are named, the others are grey.

    Raises:
        NotReady: if matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise NotReady("drawing needs matplotlib", fix="pip install 'hybridrec[plots]'") from None
    figure = Figure(figsize=(7 * len(map_.layouts), 8.2), layout="constrained")
    for axes, name in zip(np.atleast_1d(figure.subplots(1, len(map_.layouts))), map_.layouts, strict=True):
        _draw_layout(axes, map_, name, tag, most_named)
    handles, names = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, names, loc="outside lower center", ncols=4, frameon=False, markerscale=1.5)
    figure.suptitle(map_.agreements[tag].in_words(), fontsize=12)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    return picture.getvalue()


def _draw_layout(axes: Axes, map_: LibraryMap, layout: str, tag: str, most_named: int) -> None:
    places, values = map_.layouts[layout], np.array([getattr(track, tag) for track in map_.tracks])
    named = marks(map_.largest(tag, most_named))
    size = float(np.clip(12000 / len(values), 6, 42))
    others = ~np.isin(values, list(named))
    if others.any():
        x, y = places[others].T
        axes.scatter(x, y, s=size, c=OTHER.colour, alpha=0.6, linewidths=0, label="others, or none")
    for value, mark in named.items():
        x, y = places[values == value].T
        name = value if len(value) <= _LONGEST_NAME else f"{value[: _LONGEST_NAME - 1]}…"
        label = name.replace("$", r"\$") if not name.startswith("_") else f" {name}"
        marker = _MARKERS[mark.shape]
        axes.scatter(x, y, s=size, c=mark.colour, marker=marker, edgecolors="#333333", linewidths=0.4, label=label)
    axes.set_title(layout, fontsize=11)
    axes.set(xticks=[], yticks=[], aspect="equal", xlim=(-1.06, 1.06), ylim=(-1.06, 1.06))
    axes.spines[:].set_color("#cccccc")
