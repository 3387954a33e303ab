"""PNG pictures of curves and maps, drawn by matplotlib; pages do without it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from hybridrec.errors import NotReady
from hybridrec.evaluation.library_map import LibraryMap
from hybridrec.pages.curves import Curve, bucket_title, buckets_of
from hybridrec.pages.marks import OTHER, marks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 3
LONGEST_NAME = 40
_MARKERS = {"circle": "o", "square": "s", "triangle": "^"}


def curve_png(curve: Curve, chosen: float) -> bytes:
    """NDCG@20 against audio weight as a PNG file, a panel per item popularity bucket.

    Args:
        curve: at least one audio weight.
        chosen: the chosen audio weight, marked by a line.

    Raises:
        NotReady: if matplotlib is not installed.
    """
    buckets = buckets_of(curve)
    rows = -(-len(buckets) // COLUMNS)  # rounded up
    figure = _new_figure(9, 2.6 * rows)
    axes = figure.subplots(rows, COLUMNS, squeeze=False, sharex=True).ravel()
    for axis, bucket in zip(axes, buckets, strict=False):
        _draw_curve(axis, curve, bucket, chosen)
    for axis in axes[len(buckets) :]:
        axis.set_axis_off()
    figure.supxlabel("audio weight", fontsize=10)
    figure.supylabel("NDCG@20", fontsize=10)
    return _png(figure, dpi=130)


def map_png(map_: LibraryMap, tag: str, most_named: int) -> bytes:
    """All layouts of a map side by side as a PNG file.

    Args:
        map_: tracks with their positions.
        tag: a tag that tracks have; its values give the colours.
        most_named: number of tag values with a colour, largest first; the others are grey.

    Raises:
        NotReady: if matplotlib is not installed.
    """
    figure = _new_figure(7 * len(map_.layouts), 8.2)
    all_axes = np.atleast_1d(figure.subplots(1, len(map_.layouts)))
    for axes, name in zip(all_axes, map_.layouts, strict=True):
        _draw_layout(axes, map_, name, tag, most_named)
    handles, names = all_axes[-1].get_legend_handles_labels()
    # Both layouts have the same legend, so it is drawn once.
    if handles:
        figure.legend(
            handles,
            names,
            loc="outside lower center",
            ncols=4,
            frameon=False,
            markerscale=1.5,
        )
    figure.suptitle(map_.agreements[tag].in_words(), fontsize=12)
    return _png(figure, dpi=110)


def _new_figure(width: float, height: float) -> Figure:
    """A figure in inches, without a window or the global state of pyplot."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        fix = "pip install 'hybridrec[plots]'"
        raise NotReady("PNG pictures need matplotlib", fix=fix) from None
    return Figure(figsize=(width, height), layout="constrained")


def _png(figure: Figure, dpi: int) -> bytes:
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=dpi)
    return picture.getvalue()


def _draw_curve(axis: Axes, curve: Curve, bucket: str, chosen: float) -> None:
    weights, means = [weight for weight, _ in curve], [found[bucket] for _, found in curve]
    low, high = [mean.low for mean in means], [mean.high for mean in means]
    axis.fill_between(weights, low, high, alpha=0.2, linewidth=0)
    axis.plot(weights, [mean.mean for mean in means], marker=".")
    axis.axvline(chosen, color="gray", linestyle=":")
    axis.set_title(bucket_title(bucket), fontsize=10)


def _draw_layout(axes: Axes, map_: LibraryMap, layout: str, tag: str, most_named: int) -> None:
    positions = map_.layouts[layout]
    values = np.array([getattr(track, tag) for track in map_.tracks])
    named = marks(map_.largest(tag, most_named))
    # Points of many tracks are smaller, so that they overlap less.
    size = float(np.clip(12000 / len(values), 6, 42))
    others = ~np.isin(values, list(named))
    # Drawn first, below the named ones.
    if others.any():
        x, y = positions[others].T
        label = "others, or none"
        axes.scatter(x, y, s=size, c=OTHER.colour, alpha=0.6, linewidths=0, label=label)
    for value, mark in named.items():
        x, y = positions[values == value].T
        axes.scatter(
            x,
            y,
            s=size,
            c=mark.colour,
            marker=_MARKERS[mark.shape],
            edgecolors="#333333",
            linewidths=0.4,
            label=_legend_label(value),
        )
    axes.set_title(layout, fontsize=11)
    axes.set(xticks=[], yticks=[], aspect="equal", xlim=(-1.06, 1.06), ylim=(-1.06, 1.06))
    axes.spines[:].set_color("#cccccc")


def _legend_label(name: str) -> str:
    """A tag as a legend shows it: matplotlib would read $ as mathematics, and hide a leading _."""
    short = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
    return f" {short}" if short.startswith("_") else short.replace("$", r"\$")
