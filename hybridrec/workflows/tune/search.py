"""Choosing the settings of the blend on validation cuts of the plays, and telling how."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from tqdm import tqdm

from hybridrec.collaborative.als import als_grid, suitable_config
from hybridrec.config import BlendConfig, CollaborativeConfig, ProjectionConfig
from hybridrec.data.splits import Split, split_cold_tracks, split_pairs
from hybridrec.errors import NotReady
from hybridrec.evaluation.plays_report import FEWEST_USERS
from hybridrec.evaluation.quality import ALL_TRACKS, Rows, Scorer, wanting
from hybridrec.evaluation.selection import Figures, mean_over_cuts, not_worse
from hybridrec.evaluation.significance import Difference, mean_with_interval, paired_difference
from hybridrec.fitted import Fitted
from hybridrec.storage.library import Library
from hybridrec.workflows.fit import FitReport, align, fit
from hybridrec.workflows.tune.choice import CurvePoint, Trial, Tuning
from hybridrec.workflows.tune.workbench import Workbench, blended, by_behaviour

N_CUTS = 2
MOST_USERS = 2000
STRENGTHS, CONFIDENCES = (0.25, 0.5, 1.0, 2.0), (1.0, 2.0)
AUDIO_SHARES, HALF_LIVES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3), (0.0, 0.1)
CURVE = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0)
SURE_ENOUGH = 0.05
BY_BUCKET = Mapping[str, Figures]
Done = Callable[[], None]


def tune(library: Library, *, seed: int = 0, show_progress: bool = False) -> tuple[Tuning, FitReport]:
    """Choose settings for a library, store them with their evidence, and fit a model with them.

    The choice is stored in one transaction before the fit; every later fit goes by it.

    Args:
        library: with plays.
        seed: of the cuts and of all fitting.
        show_progress: draw a bar with an estimate of the time left.

    Raises:
        NotReady: if there are too few plays to hold some out.
    """
    known, ears = library.interactions(), library.ears()
    embeddings = None if ears is None else align(library.embeddings(ears), known.track_ids)
    cuts = validation_cuts(known.matrix, embeddings, seed=seed)
    with tqdm(total=steps(cuts[0]), desc="tuning", unit="setting", disable=not show_progress) as bar:
        tuning = search(cuts, done=bar.update)
    chosen = {"blend": tuning.blend.to_dict(), "collaborative": tuning.collaborative.to_dict(), **tuning.data}
    library.save_artefact("tuning", tuning.to_bytes(), ears or "", chosen)
    return tuning, fit(library, seed=seed)


def validation_cuts(
    plays: sp.csr_matrix, embeddings: NDArray[np.floating] | None, *, seed: int, n_cuts: int = N_CUTS
) -> list[Workbench]:
    """Cuts of plays that hold out a fifth of the pairs each, at random.

    Raises:
        NotReady: if in one of them nothing is learnt or fewer than two users have something to find.
    """
    seeds = np.random.SeedSequence(seed).generate_state(n_cuts).tolist()
    cuts = [Workbench(split_pairs(plays, seed=each), embeddings, seed=seed) for each in seeds]
    if any(cut.plays.nnz == 0 or len(wanting(cut.split)) < FEWEST_USERS for cut in cuts):
        raise NotReady("there are too few plays to hold some of them out", got=plays.nnz, fix="ingest more plays")
    return cuts


def asked_users(splits: Sequence[Split]) -> Rows:
    """Users who have something to find in a split, ascending rows; a sample of `MOST_USERS` where they are more."""
    users = np.unique(np.concatenate([wanting(split) for split in splits]))
    return np.sort(np.random.default_rng(0).permutation(users)[:MOST_USERS])


def steps(cut: Workbench) -> int:
    """How often `search` calls `done`."""
    weights = len(AUDIO_SHARES) * len(HALF_LIVES) + len(CURVE) if cut.has_audio else 0
    return N_CUTS * (len(_als_settings(cut)) + weights) + int(cut.has_audio)


def search(cuts: Sequence[Workbench], *, done: Done) -> Tuning:
    """Choose on cuts of one training part: first ALS by behaviour alone, then the weights.

    Args:
        cuts: from `validation_cuts`.
        done: called after each setting on each cut.
    """
    users = asked_users([cut.split for cut in cuts])
    config, als_trials = _choose_als(cuts, users, done)
    projection, told = ProjectionConfig(), _told_of(cuts, users)
    if not cuts[0].has_audio:
        return Tuning(config, projection, BlendConfig(0.0, 0.0), tuple(als_trials), (), None, told)
    sides = [cut.fitted(config, projection, half_life=0.0) for cut in cuts]
    sound = _worth_of_sound(cuts[0], config, projection, done)
    blend, weight_trials = _choose_weights(cuts, sides, users, sound, done)
    for fitted in sides:
        fitted.tracks.half_life = blend.half_life
    curve = tuple(_curve(cuts, sides, users, done))
    return Tuning(config, projection, blend, (*als_trials, *weight_trials), curve, sound, told)


def _told_of(cuts: Sequence[Workbench], users: Rows) -> dict[str, int]:
    split = cuts[0].split
    pairs = split.train.nnz + split.held_out.nnz
    counts = {"users": split.train.shape[0], "tracks": split.train.shape[1], "pairs": pairs}
    return {**counts, "asked_users": len(users), "cuts": len(cuts), "seed": cuts[0].seed}


def _choose_als(cuts: Sequence[Workbench], users: Rows, done: Done) -> tuple[CollaborativeConfig, list[Trial]]:
    """The setting of ALS that ranks best by behaviour alone."""
    grid = _als_settings(cuts[0])
    figures = [_by_bucket(cuts, [by_behaviour(*cut.factors(each)) for cut in cuts], users, done) for each in grid]
    best = _best(figures)
    verdicts = ["chosen" if n == best else "worse" for n in range(len(grid))]
    return grid[best], [_trial(c.in_words(), f, v) for c, f, v in zip(grid, figures, verdicts, strict=True)]


def _als_settings(cut: Workbench) -> list[CollaborativeConfig]:
    """Few where weights are to be tried as well, all that are tried of ALS where no track can be heard."""
    plays = sp.csr_matrix(cut.split.train + cut.split.held_out)
    base = suitable_config(plays, CollaborativeConfig())
    return als_grid(base, STRENGTHS, CONFIDENCES) if cut.has_audio else als_grid(base)


def _choose_weights(
    cuts: Sequence[Workbench], sides: Sequence[Fitted], users: Rows, sound: Difference, done: Done
) -> tuple[BlendConfig, list[Trial]]:
    """The least audio that is as good as the best.

    Of the settings that are not worse than the best over all tracks, nor worse than
    behaviour alone in any bucket of played tracks, each by more than one standard error,
    the smallest audio share is taken, then the smallest half-life. Where sound ranks cold
    tracks no better than chance, only behaviour ranks the played ones.
    """
    helps = sound.mean > 0 and sound.p_value < SURE_ENOUGH
    grid = [BlendConfig(a, h) for h in HALF_LIVES for a in AUDIO_SHARES]
    figures = []
    for blend in grid:
        for fitted in sides:
            fitted.tracks.half_life = blend.half_life
        scorers = [blended(fitted, blend.audio_share) for fitted in sides]
        figures.append(_by_bucket(cuts, scorers, users, done))
    best, alone = figures[_best(figures)], figures[0]
    verdicts = [_verdict(each, best, alone, helps or n == 0) for n, each in enumerate(figures)]
    good = [(blend.audio_share, blend.half_life, n) for n, blend in enumerate(grid) if not verdicts[n]]
    chosen = min(good)[2] if good else 0
    verdicts = ["chosen" if n == chosen else verdict or "as good, but more sound" for n, verdict in enumerate(verdicts)]
    trials = [_trial(b.in_words(), f, v) for b, f, v in zip(grid, figures, verdicts, strict=True)]
    return grid[chosen], trials


def _verdict(figures: BY_BUCKET, best: BY_BUCKET, alone: BY_BUCKET, sound_helps: bool) -> str:
    """Why a setting is out of the question, or nothing."""
    if not sound_helps:
        return "sound is no better than chance"
    if not not_worse(figures[ALL_TRACKS], best[ALL_TRACKS]):
        return "worse than the best"
    played = [bucket for bucket in figures if bucket not in (ALL_TRACKS, "0")]
    harmed = [bucket for bucket in played if not not_worse(figures[bucket], alone[bucket])]
    return f"worse than behaviour alone at {', '.join(harmed)} listeners" if harmed else ""


def _worth_of_sound(
    cut: Workbench, config: CollaborativeConfig, projection: ProjectionConfig, done: Done
) -> Difference:
    """How much better sound ranks tracks that lost all their plays than chance does, NDCG@20 among them."""
    plays = sp.csr_matrix(cut.split.train + cut.split.held_out)
    hidden = Workbench(split_cold_tracks(plays, seed=cut.seed), cut.embeddings, seed=cut.seed)
    if len(wanting(hidden.split)) < FEWEST_USERS:
        done()
        return Difference(0.0, 0.0, 0.0, 1.0, 0)
    by_sound = hidden.measure(blended(hidden.fitted(config, projection, half_life=0.0), 1.0)).ndcg("0")
    rng = np.random.default_rng(cut.seed)
    by_chance = hidden.measure(lambda users: rng.random((len(users), plays.shape[1]), dtype=np.float32)).ndcg("0")
    done()
    return paired_difference(by_sound, by_chance, seed=cut.seed)


def _curve(cuts: Sequence[Workbench], sides: Sequence[Fitted], users: Rows, done: Done) -> Iterator[CurvePoint]:
    for share in CURVE:
        figures = _by_bucket(cuts, [blended(fitted, share) for fitted in sides], users, done)
        told = {bucket: each[~np.isnan(each)] for bucket, each in figures.items()}
        means = {
            bucket: mean_with_interval(each, seed=cuts[0].seed)
            for bucket, each in told.items()
            if len(each) >= FEWEST_USERS
        }
        yield CurvePoint(share, means)


def _by_bucket(cuts: Sequence[Workbench], scorers: Sequence[Scorer], users: Rows, done: Done) -> BY_BUCKET:
    """NDCG@20 of the same recommender fitted to each cut, users' means over cuts, by bucket."""
    found = []
    for cut, score in zip(cuts, scorers, strict=True):
        found.append(cut.measure(score, users))
        done()
    return {bucket: mean_over_cuts([quality.ndcg(bucket) for quality in found]) for bucket in found[0].hits}


def _best(figures: Sequence[BY_BUCKET]) -> int:
    return int(np.argmax([np.nanmean(each[ALL_TRACKS]) for each in figures]))


def _trial(words: str, figures: BY_BUCKET, verdict: str) -> Trial:
    told = {bucket: each for bucket, each in figures.items() if not np.isnan(each).all()}
    return Trial(words, {bucket: float(np.nanmean(each)) for bucket, each in told.items()}, verdict)
