"""A tuning for people: the table of what was tried, and the curves."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from pathlib import Path

from hybridrec.evaluation.curves import Curve, draw_curve
from hybridrec.evaluation.page import bullets, page, table
from hybridrec.evaluation.quality import ALL_TRACKS
from hybridrec.evaluation.text_table import text_table
from hybridrec.workflows.tuning import Trial, Tuning

NOTES = (
    "NDCG@20 on validation cuts of the plays, a fifth of the pairs held out in each; a user's mean over the cuts, then"
    " the mean over users. The figure of a bucket is that of a ranking within it.",
    "ALS is chosen first, by behaviour alone. Of the weights that are not worse than the best over all tracks, nor"
    " worse than behaviour alone in any bucket of played tracks, each by more than one standard error of the paired"
    " difference, the smallest audio share is taken, then the smallest half-life.",
    "Intervals are 95 % percentile bootstraps over users. They are of validation figures: what was chosen by them is"
    " flattered by them. `hybridrec evaluate plays` judges on plays that nothing was chosen on.",
)


def in_words(tuning: Tuning) -> str:
    """The tables and the choice as plain text."""
    return "\n\n".join([text_table(_header(tuning), _rows(tuning)), _worth(tuning), f"chosen: {tuning.in_words()}"])


def as_html(tuning: Tuning) -> str:
    """One document that needs nothing else.

    Raises:
        NotReady: if matplotlib is not installed.
    """
    parts = ["<h1>How the blend was tuned</h1>", f'<p class="soft">{escape(_data(tuning))}</p>']
    parts += [f"<p>Chosen: <b>{escape(tuning.in_words())}</b>. {escape(_worth(tuning))}</p>", curve_figure(tuning)]
    parts += ["<h2>What was tried</h2>", table(_header(tuning), _rows(tuning)), "<h2>How</h2>", bullets(NOTES)]
    return page("How the blend was tuned", "\n".join(parts))


def curve_of(tuning: Tuning) -> Curve:
    """The curve as `draw_curve` takes it; empty where no track can be heard."""
    return [(point.audio_weight, point.ndcg) for point in tuning.curve]


def curve_figure(tuning: Tuning) -> str:
    """The curve as HTML with the picture inside."""
    if not tuning.curve:
        return "<p>No track can be heard, so there is nothing to weigh.</p>"
    picture = b64encode(draw_curve(curve_of(tuning), tuning.blend.audio_weight, "svg")).decode()
    return (
        f'<figure style="margin:0"><img style="background:white;max-width:100%" alt="NDCG@20 by audio share"'
        f' src="data:image/svg+xml;base64,{picture}"><figcaption>Quality against audio weight, with 95 % intervals;'
        " the dotted line is the chosen share</figcaption></figure>"
    )


def _data(tuning: Tuning) -> str:
    told = tuning.data
    return (
        f"{told['users']} users, {told['tracks']} tracks, {told['pairs']} pairs; {told['cuts']} cuts,"
        f" {told['asked_users']} users asked, seed {told['seed']}"
    )


def _worth(tuning: Tuning) -> str:
    if tuning.sound is None:
        return "No track can be heard."
    found = tuning.sound
    return (
        f"Tracks without plays: sound ranks them better than chance by {found.mean:+.4f} NDCG@20"
        f" [{found.low:+.4f}, {found.high:+.4f}], p {found.p_value:.4f}."
    )


def _header(tuning: Tuning) -> Sequence[str]:
    buckets = tuning.trials[0].ndcg
    return ("setting", *(bucket if bucket == ALL_TRACKS else f"{bucket} listeners" for bucket in buckets), "")


def _rows(tuning: Tuning) -> list[Sequence[str]]:
    return [_row(trial) for trial in tuning.trials]


def _row(trial: Trial) -> Sequence[str]:
    return (trial.words, *(f"{figure:.4f}" for figure in trial.ndcg.values()), trial.verdict)


def write_curves(tuning: Tuning, folder: Path) -> None:
    """Write `tuning.html`, and `curves.png` where there is something to draw.

    Raises:
        NotReady: if matplotlib is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tuning.html").write_text(as_html(tuning), encoding="utf-8")
    if tuning.curve:
        (folder / "curves.png").write_bytes(draw_curve(curve_of(tuning), tuning.blend.audio_weight, "png"))
