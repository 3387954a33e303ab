"""The evaluation on held-out plays as text tables and as a page."""

from __future__ import annotations

from collections.abc import Sequence

from hybridrec.evaluation.plays_report import (
    ENOUGH_USERS,
    Gain,
    PlaysReport,
    RecommenderFigures,
)
from hybridrec.evaluation.quality import ALL_TRACKS
from hybridrec.evaluation.significance import Mean
from hybridrec.evaluation.tuning_report import Tuning
from hybridrec.pages.curves import panels
from hybridrec.pages.rendering import render
from hybridrec.pages.table import Table

TITLE = "Evaluation on held-out plays"
BUCKET = "item popularity bucket"
TOO_FEW = "too few"
NO_VALUE = "-"
METRICS = {
    "ndcg": "NDCG@20",
    "recall": "recall@20",
    "map": "MAP@20",
    "mrr": "MRR@20",
    "hit_rate": "hit rate@20",
}
BEYOND_ACCURACY = ("coverage@20", "novelty@20", "popularity@20")
GAIN_HEADER = ("difference", BUCKET, "NDCG@20", "95 %", "p", "p (Holm)", "users", "by run")


def as_text(report: PlaysReport) -> str:
    """The report for a terminal; of the metrics by bucket, NDCG@20 only."""
    tables = [
        _overall(report),
        _by_bucket(report, "ndcg", with_interval=False),
        _differences(report, report.overall),
        _differences(report, report.by_support),
        _settings(report),
    ]
    texts = [table.as_text() for table in tables]
    return "\n\n".join([report.about, *texts, f"{report.seconds:.0f} s"])


def as_html(report: PlaysReport, tuning: Tuning | None = None) -> str:
    """The report as one HTML document that loads nothing from elsewhere.

    Args:
        report: what is shown.
        tuning: of one run, for the curves of quality against audio weight; None leaves them out.
    """
    by_bucket = [
        (f"{name} by {BUCKET}", _by_bucket(report, metric, with_interval=True))
        for metric, name in METRICS.items()
    ]
    tables = {
        "overall": _overall(report),
        "by_bucket": by_bucket,
        "differences": _differences(report, report.overall),
        "differences_by_bucket": _differences(report, report.by_support),
        "settings": _settings(report),
    }
    curves = None if tuning is None else panels(tuning)
    return render("plays.html", title=TITLE, report=report, tables=tables, panels=curves)


def bucket_header(bucket: str, users: int) -> str:
    """A bucket with its number of users, marked where they are too few to judge by."""
    return f"{bucket} ({_user_count(users)})"


def _user_count(users: int) -> str:
    return f"n={users}" if users >= ENOUGH_USERS else f"n={users}, {TOO_FEW}"


def _overall(report: PlaysReport) -> Table:
    header = ("all tracks", *METRICS.values(), *BEYOND_ACCURACY)
    rows = [_overall_row(each) for each in report.recommenders]
    return Table(header, rows, highlight_first=True)


def _overall_row(each: RecommenderFigures) -> Sequence[str]:
    metrics = [f"{each.figures[metric][ALL_TRACKS].mean:.4f}" for metric in METRICS]
    beyond = (f"{each.coverage:.3f}", f"{each.novelty:.2f}", f"{each.mean_popularity:.1f}")
    return (each.name, *metrics, *beyond)


def _by_bucket(report: PlaysReport, metric: str, *, with_interval: bool) -> Table:
    counts = report.bucket_users
    # Buckets without users are shown as well: what could not be measured must not be hidden.
    header = (BUCKET, *(bucket_header(bucket, n) for bucket, n in counts.items()))
    rows = [
        (each.name, *(_mean(each.figures[metric].get(bucket), with_interval) for bucket in counts))
        for each in report.recommenders
    ]
    return Table(header, rows, highlight_first=True)


def _mean(mean: Mean | None, with_interval: bool) -> str:
    if mean is None:
        return NO_VALUE
    interval = f" [{mean.low:.3f}, {mean.high:.3f}]" if with_interval else ""
    return f"{mean.mean:.4f}{interval}"


def _differences(report: PlaysReport, gains: Sequence[Gain]) -> Table:
    ours = report.recommenders[0].name
    return Table(GAIN_HEADER, [_gain_row(ours, gain) for gain in gains])


def _gain_row(ours: str, gain: Gain) -> Sequence[str]:
    found = gain.difference
    users = f"{found.n_users}" + ("" if found.n_users >= ENOUGH_USERS else f" ({TOO_FEW})")
    return (
        f"{ours} - {gain.other}",
        gain.bucket,
        f"{found.mean:+.4f}",
        f"[{found.low:+.4f}, {found.high:+.4f}]",
        f"{found.p_value:.4f}",
        f"{gain.p_holm:.4f}",
        users,
        " ".join(f"{each:+.4f}" for each in gain.by_run),
    )


def _settings(report: PlaysReport) -> Table:
    # Runs that chose the same setting show it once.
    rows = [
        (each.name, str(each.trials), " | ".join(dict.fromkeys(each.setting)))
        for each in report.recommenders
    ]
    return Table(("recommender", "trials", "chosen setting"), rows, highlight_first=True)
