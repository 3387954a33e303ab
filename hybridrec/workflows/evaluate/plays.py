"""Evaluate the blend on held-out plays, beside baseline recommenders."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from hybridrec.data.embeddings import align
from hybridrec.data.play_table import PlayTable
from hybridrec.data.splits import (
    SUPPORT_BUCKETS,
    Split,
    split_by_time,
    split_cold_tracks,
    split_last,
    split_pairs,
)
from hybridrec.errors import NotReady
from hybridrec.evaluation.plays_report import (
    ENOUGH_USERS,
    FEWEST_USERS,
    PlaysReport,
    bucket_users,
    figures_of,
    gains,
)
from hybridrec.evaluation.quality import ALL_TRACKS
from hybridrec.storage.library import Library
from hybridrec.workflows.evaluate.compare import (
    AUDIO_ONLY,
    BLEND,
    SHUFFLED,
    Comparison,
    SplitComparison,
)
from hybridrec.workflows.evaluate.recommenders import ALS, EASE, SETTINGS_EACH
from hybridrec.workflows.ingest.embeddings import ingest_embeddings
from hybridrec.workflows.ingest.plays import ingest_plays
from hybridrec.workflows.tune.search import evaluated_users

SplitKind = Literal["time", "last", "pairs", "tracks"]
SPLIT_KINDS: tuple[SplitKind, ...] = get_args(SplitKind)
IN_WORDS = {
    "time": "the last fifth of the plays held out",
    "last": "each user's last new track held out",
    "pairs": "a fifth of the pairs of user and track held out, at random",
    "tracks": "all plays of a fifth of the tracks held out, drawn at random",
}
SINGLE_SOURCES = (ALS, EASE, AUDIO_ONLY, SHUFFLED)
"""Compared in each item popularity bucket: the blend should be worse than none in any."""

NOTES = [
    "Recommenders are fitted to the training part only. Every setting was chosen on validation"
    " folds of that part; nothing was chosen on the held-out part that is reported here.",
    f"Trials: {SETTINGS_EACH} settings of each recommender (item neighbours 21, popularity has"
    " none), on the same validation folds; the weights of hybridrec were tried on one setting of"
    " ALS.",
    "Ranked are all tracks that the user has not played in training. Item popularity bucket: tracks"
    " by their number of users in training; its figures are those of a ranking within the bucket."
    f" Buckets with fewer than {ENOUGH_USERS} users (n) are marked as too few to judge by. Equal"
    " scores are ranked at random.",
    "Intervals are 95 % percentile bootstraps over users, p-values of paired randomisation tests on"
    " NDCG@20; p (Holm) is corrected for the number of comparisons in the table. A user's runs are"
    " averaged first. Runs with other seeds are other splits of the same plays, not new plays.",
    "coverage@20: share of the tracks that any user gets among the first 20. novelty@20: mean of"
    " -log2 of a track's share of the users, in bits. popularity@20: mean number of users, in"
    " training, of the recommended tracks.",
    "EASE is left out where its matrices would be too large.",
    "hybridrec ranks no track that has neither plays nor audio; the others order such tracks"
    " arbitrarily, so without audio their figures in bucket 0 are those of chance, and those of"
    " hybridrec are 0.",
    "Audio shuffled: hybridrec, tuned anew, with each track given the embedding of another. It"
    " should be no worse than ALS.",
]


@dataclass(frozen=True)
class Evaluation:
    """A report, and the comparison of each run that it is made of."""

    report: PlaysReport
    runs: list[Comparison]


def evaluate_library(
    library: Library,
    kind: SplitKind | None = None,
    *,
    seeds: Sequence[int] = (0,),
    show_progress: bool = False,
) -> Evaluation:
    """Evaluate on the plays of a library; see `evaluate_plays`.

    Args:
        library: with plays.
        kind: of split; None takes `time` if all plays have times, else `pairs`.
        seeds: one run each; splits by time are the same with every seed, so they take the first.
        show_progress: draw a bar with an estimate of the time left.

    Raises:
        InvalidInput: for a split by time of plays without times, or if nothing is held out.
        NotReady: if there are too few plays.
    """
    known, encoder = library.interactions(), library.fingerprint()
    embeddings = None if encoder is None else align(library.embeddings(encoder), known.track_ids)
    kind = kind or ("time" if known.plays.has_times else "pairs")
    # Splits by time are not random: more runs would only repeat the first.
    seeds = seeds[:1] if kind in ("time", "last") else seeds
    splits = [_split(known.plays, kind, seed) for seed in seeds]
    about = f"{IN_WORDS[kind]}; seeds {', '.join(map(str, seeds))}"
    return evaluate_plays(splits, embeddings, about=about, seeds=seeds, show_progress=show_progress)


def evaluate_files(
    plays: Path,
    vectors: Path | None,
    kind: SplitKind | None = None,
    *,
    columns: Sequence[str] | None = None,
    seeds: Sequence[int] = (0,),
    show_progress: bool = False,
) -> Evaluation:
    """Evaluate on files, which are read into a temporary library; see `evaluate_library`.

    Args:
        plays: as read by `hybridrec ingest plays`.
        vectors: as read by `hybridrec ingest embeddings`, or None.
        kind: as in `evaluate_library`.
        seeds: as in `evaluate_library`.
        show_progress: as in `evaluate_library`.
        columns: names of the columns of a file of plays without a header.
    """
    with TemporaryDirectory() as folder, Library.open(folder, create=True) as library:
        ingest_plays(library, plays, columns=columns)
        if vectors is not None:
            ingest_embeddings(library, vectors, name=vectors.stem)
        return evaluate_library(library, kind, seeds=seeds, show_progress=show_progress)


def evaluate_plays(
    splits: Sequence[Split],
    embeddings: NDArray[np.floating] | None,
    *,
    about: str,
    seeds: Sequence[int],
    show_progress: bool = False,
) -> Evaluation:
    """Tune and evaluate all recommenders on splits of the same plays.

    Args:
        splits: one per run.
        embeddings: `(n_tracks, d)`, a row of NaN without audio; None if no track has any.
        about: data and split in words, for the report.
        seeds: one per run, of validation folds, fitting and shuffling.
        show_progress: draw a bar with an estimate of the time left.

    Raises:
        NotReady: if there are too few plays.
    """
    begin = time.monotonic()
    # The same users in every run, so that their runs can be averaged.
    users = evaluated_users(splits)
    if len(users) < FEWEST_USERS:
        problem = "too few users have a held-out track to find"
        raise NotReady(problem, got=len(users), fix="ingest more plays")
    comparisons = [
        SplitComparison(split, embeddings, users=users, seed=seed)
        for split, seed in zip(splits, seeds, strict=True)
    ]
    about = _counts(splits[0], len(users)) + about
    total = sum(comparison.steps for comparison in comparisons)
    runs = []
    with tqdm(total=total, desc="evaluating", unit="setting", disable=not show_progress) as bar:
        while comparisons:  # each is dropped when it is done: its factors are large
            runs.append(comparisons.pop(0).run(bar.update))
        bar.set_description("resampling")
        report = _report(runs, about, begin)
    return Evaluation(report, runs)


def _split(plays: PlayTable, kind: SplitKind, seed: int) -> Split:
    if kind == "time":
        return split_by_time(plays)
    if kind == "last":
        return split_last(plays)
    split = split_pairs if kind == "pairs" else split_cold_tracks
    return split(plays.interactions(), seed=seed)


def _counts(split: Split, n_evaluated: int) -> str:
    users, tracks = split.train.shape
    pairs = (split.train + split.held_out).nnz
    return f"{users} users ({n_evaluated} evaluated), {tracks} tracks, {pairs} pairs; "


def _report(runs: Sequence[Comparison], about: str, begin: float) -> PlaysReport:
    names = list(runs[0].judged)
    qualities = {name: [run.judged[name].quality for run in runs] for name in names}
    recommenders = [
        figures_of(
            name,
            [run.judged[name].setting for run in runs],
            runs[0].judged[name].trials,
            qualities[name],
            seed=0,
        )
        for name in names
    ]
    # The blend is compared with all others, but not with itself.
    ours = qualities.pop(BLEND)
    singles = {name: qualities[name] for name in SINGLE_SOURCES if name in qualities}
    return PlaysReport(
        about,
        bucket_users(ours),
        recommenders,
        overall=gains(ours, qualities, [ALL_TRACKS], seed=0),
        by_support=gains(ours, singles, list(SUPPORT_BUCKETS), seed=0),
        notes=NOTES,
        seconds=time.monotonic() - begin,
    )
