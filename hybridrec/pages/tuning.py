"""A tuning as text tables, as a page and as curves."""

from __future__ import annotations

from pathlib import Path

from hybridrec.evaluation.plays_report import ENOUGH_USERS
from hybridrec.evaluation.tuning_report import Trial, Tuning
from hybridrec.pages.curves import curve_of, panels
from hybridrec.pages.pictures import curve_png
from hybridrec.pages.plays import NO_VALUE, bucket_header
from hybridrec.pages.rendering import render
from hybridrec.pages.table import Table

TITLE = "Tuning of the blend"
NO_AUDIO = "No track has audio."
METHOD = (
    "NDCG@20 on validation folds: each holds out a fifth of the pairs of user and track. A user's"
    " mean over the folds is taken first, then the mean over users. The figure of an item"
    " popularity bucket is that of a ranking within the bucket; buckets with fewer than"
    f" {ENOUGH_USERS} users (n) are marked as too few to judge by.",
    "The settings of ALS are chosen first, by behaviour alone. Of the weights that are not worse"
    " than the best over all tracks, nor worse than behaviour alone in any bucket of played"
    " tracks, each by more than one standard error of the paired difference, the smallest audio"
    " weight is taken, then the smallest half-life.",
    "Intervals are 95 % percentile bootstraps over users. They are of validation figures, which"
    " flatter the setting that was chosen by them. `hybridrec evaluate plays` reports figures on"
    " plays that nothing was chosen on.",
)


def as_text(tuning: Tuning) -> str:
    """The trials and the choice for a terminal."""
    chosen = f"chosen: {tuning.in_words()}"
    return "\n\n".join([_trials(tuning).as_text(), _audio_against_chance(tuning), chosen])


def as_html(tuning: Tuning) -> str:
    """The trials, the curves and the choice as one HTML document that loads nothing else."""
    return render(
        "tuning.html",
        title=TITLE,
        tuning=tuning,
        data=_data(tuning),
        audio_against_chance=_audio_against_chance(tuning),
        panels=panels(tuning),
        trials=_trials(tuning),
        notes=METHOD,
    )


def write_curves(tuning: Tuning, folder: Path) -> None:
    """Write `tuning.html` and, if there is audio, `curves.png`.

    Raises:
        NotReady: if matplotlib, which draws the PNG, is not installed; the page is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # The page first: it needs no matplotlib, and must not fail for want of it.
    (folder / "tuning.html").write_text(as_html(tuning), encoding="utf-8")
    if tuning.curve:
        picture = curve_png(curve_of(tuning), tuning.blend.audio_weight)
        (folder / "curves.png").write_bytes(picture)


def _data(tuning: Tuning) -> str:
    data = tuning.data
    return (
        f"{data['users']} users, {data['tracks']} tracks, {data['pairs']} pairs;"
        f" {data['folds']} folds, {data['evaluated_users']} users evaluated, seed {data['seed']}"
    )


def _audio_against_chance(tuning: Tuning) -> str:
    found = tuning.audio_against_chance
    if found is None:
        return NO_AUDIO
    return (
        f"Cold tracks, audio - random ranking: {found.mean:+.4f} NDCG@20"
        f" [{found.low:+.4f}, {found.high:+.4f}], p {found.p_value:.4f}."
    )


def _trials(tuning: Tuning) -> Table:
    buckets = tuning.trials[0].ndcg if tuning.trials else {}
    header = ("trial", *(_header(tuning, bucket) for bucket in buckets), "verdict")
    return Table(header, [_trial_row(trial, list(buckets)) for trial in tuning.trials])


def _header(tuning: Tuning, bucket: str) -> str:
    """The bucket with its number of users, which tunings of release 0.1 lack."""
    users = tuning.data.get("bucket_users", {}).get(bucket)
    return bucket if users is None else bucket_header(bucket, users)


def _trial_row(trial: Trial, buckets: list[str]) -> tuple[str, ...]:
    figures = [trial.ndcg.get(bucket) for bucket in buckets]
    shown = [NO_VALUE if figure is None else f"{figure:.4f}" for figure in figures]
    return (trial.setting, *shown, trial.verdict)
