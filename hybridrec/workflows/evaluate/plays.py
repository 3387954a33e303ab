"""The blend judged on held-out plays, beside the usual recommenders."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, get_args

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from tqdm import tqdm

from hybridrec.data.embeddings import align
from hybridrec.data.play_table import PlayTable
from hybridrec.data.splits import SUPPORT_BUCKETS, Split, split_by_time, split_cold_tracks, split_last, split_pairs
from hybridrec.errors import NotReady
from hybridrec.evaluation.plays_page import as_html as report_as_html
from hybridrec.evaluation.plays_report import FEWEST_USERS, PlaysReport, figures_of, gains
from hybridrec.evaluation.quality import ALL_TRACKS
from hybridrec.storage.library import Library
from hybridrec.workflows.evaluate.compare import BLEND, SHUFFLED, SOUND_ONLY, Comparison, SplitComparison
from hybridrec.workflows.evaluate.recommenders import ALS, EASE, SETTINGS_EACH
from hybridrec.workflows.ingest.embeddings import ingest_embeddings
from hybridrec.workflows.ingest.plays import ingest_plays
from hybridrec.workflows.tune.page import curve_figure
from hybridrec.workflows.tune.search import asked_users

SplitKind = Literal["time", "last", "pairs", "tracks"]
SPLIT_KINDS: tuple[SplitKind, ...] = get_args(SplitKind)
IN_WORDS = {
    "time": "the last fifth of the plays held out",
    "last": "the track that each user took up last held out",
    "pairs": "a fifth of the pairs of user and track held out, at random",
    "tracks": "all plays of a fifth of the tracks held out, drawn at random",
}
SINGLE_SOURCES = (ALS, EASE, SOUND_ONLY, SHUFFLED)

NOTES = [
    "Learnt from the training part only. Every setting was chosen on validation cuts of that part; nothing was chosen"
    " on what is judged here.",
    f"Of each recommender {SETTINGS_EACH} settings were tried (item neighbours 21, popularity has none), each on the"
    " same validation cuts; the weights of ours were tried on one setting of ALS without fitting it again.",
    "Ranked is every track that the user has not met in training. The figures of a bucket are those of a ranking"
    " within the tracks that so many users played in training.",
    "Intervals are 95 % percentile bootstraps over users, p-values of paired randomisation tests on NDCG@20, corrected"
    " for the number of comparisons in their table after Holm. A user's runs are averaged first. Runs with other"
    " seeds are other cuts of the same plays, not new plays.",
    "Coverage: share of the tracks that anybody gets among her first 20. Novelty: mean of -log2 of a track's share of"
    " the users. Mean listeners: of the recommended tracks, in training.",
    "EASE is left out where its matrices would be too large.",
    "Ours ranks no track that nobody played and nobody can hear; the others order such tracks by chance, so without"
    " audio their figures at 0 listeners are those of chance and ours are 0.",
    "Audio shuffled: ours, tuned anew, with each track given the sound of another. It should be no worse than ALS.",
]


@dataclass(frozen=True)
class Evaluation:
    """A report, and the comparison of each run that it is made of."""

    report: PlaysReport
    runs: list[Comparison]

    def as_html(self) -> str:
        """One document that needs nothing else, with the tuning curve of the first run.

        Raises:
            NotReady: if matplotlib is not installed.
        """
        return report_as_html(self.report, curve=curve_figure(self.runs[0].tuning))


def evaluate_library(
    library: Library, kind: SplitKind | None = None, *, seeds: Sequence[int] = (0,), show_progress: bool = False
) -> Evaluation:
    """Judge on the plays of a library; see `evaluate_plays`.

    Args:
        library: with plays.
        kind: of split; None takes `time` where all plays have times, else `pairs`.
        seeds: one run each; a split by time is the same with every seed, so it takes the first only.
        show_progress: draw a bar with an estimate of the time left.

    Raises:
        InvalidInput: for a split by time of plays without times, or where nothing can be found.
        NotReady: if there are too few plays.
    """
    known, encoder = library.interactions(), library.encoder()
    embeddings = None if encoder is None else align(library.embeddings(encoder), known.track_ids)
    kind = kind or ("time" if known.plays.has_times else "pairs")
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
    """Judge on a file of plays as `ingest plays` reads it, and one of vectors as `ingest embeddings` does.

    They are read into a library that is thrown away; otherwise as `evaluate_library`.
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
    """Tune and judge all recommenders on splits of the same plays.

    Args:
        splits: one a run.
        embeddings: `(n_tracks, d)`, a row of NaN without audio; None where no track has any.
        about: data and split in words, for the report.
        seeds: one a run, of validation cuts, fitting and shuffling.
        show_progress: draw a bar with an estimate of the time left.

    Raises:
        NotReady: if there are too few plays.
    """
    begin = time.monotonic()
    users = asked_users(splits)
    if len(users) < FEWEST_USERS:
        raise NotReady("too few users have a held-out track to find", got=len(users), fix="ingest more plays")
    comparisons = [
        SplitComparison(split, embeddings, users=users, seed=seed) for split, seed in zip(splits, seeds, strict=True)
    ]
    total = sum(comparison.steps for comparison in comparisons)
    runs = []
    with tqdm(total=total, desc="evaluating", unit="setting", disable=not show_progress) as bar:
        while comparisons:
            runs.append(comparisons.pop(0).run(bar.update))
        bar.set_description("resampling")
        report = _report(runs, _counts(splits[0].train + splits[0].held_out, len(users)) + about, begin)
    return Evaluation(report, runs)


def _split(plays: PlayTable, kind: SplitKind, seed: int) -> Split:
    if kind == "time":
        return split_by_time(plays)
    if kind == "last":
        return split_last(plays)
    return (split_pairs if kind == "pairs" else split_cold_tracks)(plays.interactions(), seed=seed)


def _counts(plays: sp.csr_matrix, n_asked: int) -> str:
    users, tracks = plays.shape
    return f"{users} users ({n_asked} asked), {tracks} tracks, {plays.nnz} pairs; "


def _report(runs: Sequence[Comparison], about: str, begin: float) -> PlaysReport:
    names = list(runs[0].judged)
    qualities = {name: [run.judged[name].quality for run in runs] for name in names}
    recommenders = [
        figures_of(
            name,
            [run.judged[name].setting for run in runs],
            runs[0].judged[name].tried,
            qualities[name],
            seed=0,
        )
        for name in names
    ]
    ours = qualities.pop(BLEND)
    singles = {name: qualities[name] for name in SINGLE_SOURCES if name in qualities}
    overall = gains(ours, qualities, [ALL_TRACKS], seed=0)
    by_support = gains(ours, singles, list(SUPPORT_BUCKETS), seed=0)
    return PlaysReport(about, recommenders, overall, by_support, NOTES, time.monotonic() - begin)
