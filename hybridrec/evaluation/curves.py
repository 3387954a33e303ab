"""Quality against audio weight, drawn by bucket with its intervals."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Literal

from hybridrec.errors import NotReady
from hybridrec.evaluation.significance import Mean

Curve = Sequence[tuple[float, Mapping[str, Mean]]]
"""Audio shares, ascending, each with NDCG@20 by bucket."""


def draw_curve(curve: Curve, chosen: float, kind: Literal["png", "svg"]) -> bytes:
    """One panel a bucket: the mean and its 95 % interval against the audio share, the chosen share marked.

    Args:
        curve: the figures.
        chosen: the audio share that was chosen.
        kind: of the picture.

    Raises:
        NotReady: if matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise NotReady("drawing needs matplotlib", fix="pip install 'hybridrec[plots]'") from None
    buckets = [bucket for bucket in curve[0][1] if all(bucket in figures for _, figures in curve)]
    figure = Figure(figsize=(9, 2.6 * ((len(buckets) + 2) // 3)), layout="constrained")
    axes = figure.subplots((len(buckets) + 2) // 3, 3, squeeze=False, sharex=True).ravel()
    shares = [share for share, _ in curve]
    for axis, bucket in zip(axes, buckets, strict=False):
        means = [figures[bucket] for _, figures in curve]
        axis.fill_between(shares, [m.low for m in means], [m.high for m in means], alpha=0.2, linewidth=0)
        axis.plot(shares, [m.mean for m in means], marker=".")
        axis.axvline(chosen, color="gray", linestyle=":")
        axis.set_title("all tracks" if bucket == "all" else f"{bucket} listeners", fontsize=10)
    for axis in axes[len(buckets) :]:
        axis.set_axis_off()
    figure.supxlabel("audio share", fontsize=10)
    figure.supylabel("NDCG@20", fontsize=10)
    picture = io.BytesIO()
    figure.savefig(picture, format=kind, dpi=130)
    return picture.getvalue()
