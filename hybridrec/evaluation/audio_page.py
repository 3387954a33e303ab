"""The evaluation of ears for people: tables for a terminal, and a page with the same figures drawn."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from hybridrec.evaluation.audio_report import AudioReport, ChunkFigures, LabelFigures, SystemFigures
from hybridrec.evaluation.page import bullets, page, table
from hybridrec.evaluation.significance import Difference, Mean
from hybridrec.evaluation.text_table import text_table

RETRIEVAL_HEADER = ("", "P@1", "P@10", "mAP", "95 %", "ours less this, mAP", "p")
CHANGE_HEADER = ("", "recall@1", "95 %", "tracks")
CHUNK_HEADER = ("", "default chunks", "all chunks", "difference", "95 %", "p")

_ROW_PX, _LEFT_PX, _PLOT_PX = 26, 230, 520


def retrieval_rows(figures: LabelFigures) -> list[tuple[str, ...]]:
    """A row a system under `RETRIEVAL_HEADER`, the judged ears first, the others best first."""
    ours, *others = figures.systems
    return [_retrieval_row(each) for each in (ours, *_best_first(others))]


def change_rows(report: AudioReport) -> list[tuple[str, ...]]:
    """A row a change under `CHANGE_HEADER`."""
    return [(c.change, f"{c.recall.mean:.3f}", _interval(c.recall), str(c.tracks)) for c in report.changes]


def chunk_rows(figures: Sequence[ChunkFigures]) -> list[tuple[str, ...]]:
    """A row a label under `CHUNK_HEADER`."""
    return [
        (f"mAP by {c.label}", f"{c.some.mean:.3f}", f"{c.every.mean:.3f}", *_gain(c.gain), f"{c.gain.p_value:.4f}")
        for c in figures
    ]


def in_words(report: AudioReport) -> str:
    """The whole report as plain text for a terminal."""
    parts = [_heading(report)]
    for each in report.labels:
        parts.append(text_table((f"by {each.label}", *RETRIEVAL_HEADER[1:]), retrieval_rows(each)))
    if report.changes:
        parts.append(text_table(("known again", *CHANGE_HEADER[1:]), change_rows(report)))
    parts.append(text_table(("price of chunks", *CHUNK_HEADER[1:]), chunk_rows(report.chunks)) or _no_price())
    return "\n\n".join(parts)


def as_html(report: AudioReport) -> str:
    """The report as one HTML document that needs nothing else."""
    parts = ["<h1>How well the ears hear</h1>", f'<p class="soft">{escape(_heading(report))}</p>']
    for each in report.labels:
        about = f"{each.queries} queries with {each.groups} different labels"
        parts += [f"<h2>Finding others of the same {escape(each.label)}</h2>", f'<p class="soft">{about}</p>']
        parts += [_plot(each), table(RETRIEVAL_HEADER, retrieval_rows(each), first_is_ours=True)]
    if report.changes:
        parts += ["<h2>Known again</h2>", table(CHANGE_HEADER, change_rows(report))]
    parts.append("<h2>The price of hearing some chunks only</h2>")
    parts.append(table(CHUNK_HEADER, chunk_rows(report.chunks)) if report.chunks else f"<p>{_no_price()}</p>")
    parts += ["<h2>How it was measured</h2>", bullets(report.notes)]
    if report.skipped:
        parts += ["<h2>Not heard</h2>", bullets(f"{path}: {why}" for path, why in report.skipped.items())]
    return page("How well the ears hear", "\n".join(parts))


def _heading(report: AudioReport) -> str:
    skipped = f", {len(report.skipped)} more could not be heard" if report.skipped else ""
    return (
        f"{report.encoder} ({report.fingerprint}) on {report.tracks} tracks{skipped};"
        f" seed {report.seed}, {report.seconds:.0f} s"
    )


def _no_price() -> str:
    return "The default chunks cover every track whole, so hearing all of it changes nothing."


def _best_first(systems: Sequence[SystemFigures]) -> list[SystemFigures]:
    return sorted(systems, key=lambda each: -each.figures["map"].mean)


def _retrieval_row(each: SystemFigures) -> tuple[str, ...]:
    map_ = each.figures["map"]
    means = [f"{each.figures[name].mean:.3f}" for name in ("p_at_1", "p_at_10", "map")]
    if each.gain is None or each.p_corrected is None:
        return (each.system, *means, _interval(map_), "", "")
    return (each.system, *means, _interval(map_), " ".join(_gain(each.gain)), f"{each.p_corrected:.4f}")


def _gain(gain: Difference) -> tuple[str, str]:
    return f"{gain.mean:+.3f}", f"[{gain.low:+.3f}, {gain.high:+.3f}]"


def _interval(mean: Mean) -> str:
    return f"[{mean.low:.3f}, {mean.high:.3f}]"


def _plot(figures: LabelFigures) -> str:
    """Each system's mAP with its interval, drawn."""
    ours, *others = figures.systems
    lines = (ours, *_best_first(others))
    most = max(each.figures["map"].high for each in lines) * 1.05
    height = _ROW_PX * (len(lines) + 1)

    def x(value: float) -> float:
        return _LEFT_PX + _PLOT_PX * value / most

    ticks = [tick / 10 for tick in range(int(most * 10) + 1)]
    parts = [
        f'<line class="axis" x1="{x(t):.1f}" x2="{x(t):.1f}" y1="0" y2="{height - _ROW_PX}"/>'
        f'<text class="soft" x="{x(t):.1f}" y="{height - 8}" text-anchor="middle">{t:.1f}</text>'
        for t in ticks
    ]
    for number, each in enumerate(lines):
        map_, y = each.figures["map"], _ROW_PX * number + _ROW_PX / 2
        kind = "mark" if number else "mark ours"
        parts.append(
            f'<text x="0" y="{y + 4}">{escape(each.system)}</text>'
            f'<line class="{kind}" x1="{x(map_.low):.1f}" x2="{x(map_.high):.1f}" y1="{y}" y2="{y}"/>'
            f'<circle class="{kind}" cx="{x(map_.mean):.1f}" cy="{y}" r="4"/>'
        )
    width = _LEFT_PX + _PLOT_PX + 20
    return (
        f'<figure style="margin:0"><div class="scroll"><svg width="{width}" viewBox="0 0 {width} {height}" role="img"'
        f' aria-label="mAP by {escape(figures.label)}">{"".join(parts)}</svg></div>'
        "<figcaption>mAP and its 95 % interval</figcaption></figure>"
    )
