"""The evaluation of an audio encoder as text tables and as a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hybridrec.evaluation.audio_report import (
    AudioReport,
    ChunkFigures,
    LabelFigures,
    SystemFigures,
)
from hybridrec.evaluation.significance import Difference, Mean
from hybridrec.pages.intervals import interval_plot
from hybridrec.pages.rendering import render
from hybridrec.pages.table import Table

TITLE = "Evaluation of the audio encoder"
RETRIEVAL_HEADER = ("P@1", "P@10", "mAP", "95 %", "encoder - system, mAP", "p (Holm)")
ROBUSTNESS_HEADER = ("robustness", "recall@1", "95 %", "tracks")
CHUNK_HEADER = ("chunks per track", "default", "all", "difference", "95 %", "p")
NO_CHUNKS = "The default chunks cover every track whole, so embedding all chunks changes nothing."


def as_text(report: AudioReport) -> str:
    """The report for a terminal."""
    tables = [_retrieval(each) for each in report.labels]
    if report.robustness:
        tables.append(_robustness(report))
    chunks = _chunks(report.chunks).as_text() or NO_CHUNKS
    return "\n\n".join([_summary(report), *(table.as_text() for table in tables), chunks])


def as_html(report: AudioReport) -> str:
    """The report as one HTML document that loads nothing from elsewhere."""
    return render(
        "audio.html",
        title=TITLE,
        summary=_summary(report),
        report=report,
        labels=[_label_section(each) for each in report.labels],
        robustness=_robustness(report),
        chunks=_chunks(report.chunks),
        no_chunks=NO_CHUNKS,
        skipped=[f"{path}: {why}" for path, why in report.skipped.items()],
    )


def _summary(report: AudioReport) -> str:
    skipped = f", {len(report.skipped)} more could not be embedded" if report.skipped else ""
    return (
        f"{report.encoder} ({report.fingerprint}) on {report.tracks} tracks{skipped};"
        f" seed {report.seed}, {report.seconds:.0f} s"
    )


def _label_section(figures: LabelFigures) -> dict[str, Any]:
    means = [(each.system, each.figures["map"]) for each in _ranked(figures)]
    return {
        "label": figures.label,
        "queries": figures.queries,
        "groups": figures.groups,
        "plot": interval_plot(f"mAP by {figures.label}", means),
        "table": _retrieval(figures),
    }


def _ranked(figures: LabelFigures) -> list[SystemFigures]:
    """The judged encoder first, then the other systems, best first."""
    ours, *others = figures.systems
    return [ours, *sorted(others, key=lambda each: -each.figures["map"].mean)]


def _retrieval(figures: LabelFigures) -> Table:
    rows = [_retrieval_row(each) for each in _ranked(figures)]
    return Table((f"by {figures.label}", *RETRIEVAL_HEADER), rows, highlight_first=True)


def _retrieval_row(each: SystemFigures) -> tuple[str, ...]:
    means = [f"{each.figures[name].mean:.3f}" for name in ("p_at_1", "p_at_10", "map")]
    gain = "" if each.gain is None else " ".join(_difference(each.gain))
    p_value = "" if each.p_holm is None else f"{each.p_holm:.4f}"
    return (each.system, *means, _interval(each.figures["map"]), gain, p_value)


def _robustness(report: AudioReport) -> Table:
    rows = [
        (each.change, f"{each.recall.mean:.3f}", _interval(each.recall), str(each.tracks))
        for each in report.robustness
    ]
    return Table(ROBUSTNESS_HEADER, rows)


def _chunks(figures: Sequence[ChunkFigures]) -> Table:
    rows = [
        (
            f"mAP by {each.label}",
            f"{each.default_chunks.mean:.3f}",
            f"{each.all_chunks.mean:.3f}",
            *_difference(each.gain),
            f"{each.gain.p_value:.4f}",
        )
        for each in figures
    ]
    return Table(CHUNK_HEADER, rows)


def _difference(found: Difference) -> tuple[str, str]:
    return f"{found.mean:+.3f}", f"[{found.low:+.3f}, {found.high:+.3f}]"


def _interval(mean: Mean) -> str:
    return f"[{mean.low:.3f}, {mean.high:.3f}]"
