"""The evaluation on plays for people: tables for a terminal, and a page with the same figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from hybridrec.evaluation.page import bullets, page, table
from hybridrec.evaluation.plays_report import Gain, PlaysReport, RecommenderFigures
from hybridrec.evaluation.quality import ALL_TRACKS
from hybridrec.evaluation.significance import Mean
from hybridrec.evaluation.text_table import text_table

TITLE = "How well it blends"
WORDS = {"ndcg": "NDCG@20", "recall": "recall@20", "map": "MAP@20", "mrr": "MRR@20", "hit_rate": "hit rate@20"}
OVERALL_HEADER = ("all tracks", *WORDS.values(), "coverage", "novelty, bits", "mean listeners")
GAIN_HEADER = ("hybridrec less", "among", "NDCG@20", "95 %", "p", "p corrected", "users", "by run")
SETTING_HEADER = ("", "settings tried", "chosen")


def in_words(report: PlaysReport) -> str:
    """The report as plain text, without the figures by support other than NDCG."""
    parts = [
        report.about,
        text_table(OVERALL_HEADER, [_overall_row(each) for each in report.recommenders]),
        text_table(_support_header(report), _support_rows(report, "ndcg", with_interval=False)),
        text_table(GAIN_HEADER, [_gain_row(each) for each in report.overall]),
        text_table(GAIN_HEADER, [_gain_row(each) for each in report.by_support]),
        text_table(SETTING_HEADER, [_setting_row(each) for each in report.recommenders]),
        f"{report.seconds:.0f} s",
    ]
    return "\n\n".join(parts)


def as_html(report: PlaysReport, *, curve: str = "") -> str:
    """The report as one HTML document that needs nothing else; `curve` is HTML of quality against audio weight."""
    parts = [f"<h1>{TITLE}</h1>", f'<p class="soft">{escape(report.about)}; {report.seconds:.0f} s</p>']
    parts += [_section("All tracks", OVERALL_HEADER, (_overall_row(each) for each in report.recommenders))]
    for figure, words in WORDS.items():
        rows = _support_rows(report, figure, with_interval=True)
        parts.append(_section(f"{words} by listeners in training", _support_header(report), rows))
    parts.append(_section("Is it better?", GAIN_HEADER, map(_gain_row, report.overall), ours=False))
    parts.append(_section("Anywhere worse?", GAIN_HEADER, map(_gain_row, report.by_support), ours=False))
    if curve:
        parts += ["<h2>Quality against audio weight, on validation</h2>", curve]
    parts.append(_section("What was chosen", SETTING_HEADER, map(_setting_row, report.recommenders)))
    parts += ["<h2>How it was measured</h2>", bullets(report.notes)]
    return page(TITLE, "\n".join(parts))


def _section(heading: str, header: Sequence[str], rows: Iterable[Sequence[str]], *, ours: bool = True) -> str:
    return f"<h2>{escape(heading)}</h2>\n{table(header, rows, first_is_ours=ours)}"


def _overall_row(each: RecommenderFigures) -> Sequence[str]:
    figures = [f"{each.figures[figure][ALL_TRACKS].mean:.4f}" for figure in WORDS]
    return (each.name, *figures, f"{each.coverage:.3f}", f"{each.novelty:.2f}", f"{each.mean_popularity:.1f}")


def _support_header(report: PlaysReport) -> Sequence[str]:
    return ("listeners in training", *report.recommenders[0].figures["ndcg"])


def _support_rows(report: PlaysReport, figure: str, *, with_interval: bool) -> list[Sequence[str]]:
    return [
        (each.name, *(_mean(mean, with_interval) for mean in each.figures[figure].values()))
        for each in report.recommenders
    ]


def _mean(mean: Mean, with_interval: bool) -> str:
    return f"{mean.mean:.4f}" + (f" [{mean.low:.3f}, {mean.high:.3f}]" if with_interval else "")


def _gain_row(gain: Gain) -> Sequence[str]:
    found = gain.difference
    interval = f"[{found.low:+.4f}, {found.high:+.4f}]"
    runs = " ".join(f"{each:+.4f}" for each in gain.by_run)
    p_values = (f"{found.p_value:.4f}", f"{gain.p_corrected:.4f}")
    return (gain.other, gain.bucket, f"{found.mean:+.4f}", interval, *p_values, str(found.n_users), runs)


def _setting_row(each: RecommenderFigures) -> Sequence[str]:
    return (each.name, str(each.tried), " | ".join(dict.fromkeys(each.setting)))
