"""Choosing the settings of the blend on validation cuts of the plays, and telling how."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from tqdm import tqdm

from hybridrec.collaborative.als import als_grid, suitable_config
from hybridrec.config import BlendConfig, CollaborativeConfig, ProjectionConfig
from hybridrec.data.embeddings import align
from hybridrec.data.splits import Split, split_cold_tracks, split_pairs
from hybridrec.errors import NotReady
from hybridrec.evaluation.plays_report import FEWEST_USERS
from hybridrec.evaluation.quality import ALL_TRACKS, Rows, Scorer, wanting
from hybridrec.evaluation.selection import Figures, mean_over_folds, not_worse
from hybridrec.evaluation.significance import Difference, mean_with_interval, paired_difference
from hybridrec.model.fitted_model import FittedModel
from hybridrec.storage.library import Library
from hybridrec.workflows.fit import FitReport, fit
from hybridrec.workflows.tune.fold import Fold, blended, by_behaviour
from hybridrec.workflows.tuning import CurvePoint, Trial, Tuning

N_FOLDS = 2
MOST_USERS = 2000
STRENGTHS, CONFIDENCES = (0.25, 0.5, 1.0, 2.0), (1.0, 2.0)
AUDIO_WEIGHTS, HALF_LIVES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3), (0.0, 0.1)
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
    known, encoder = library.interactions(), library.encoder()
    embeddings = None if encoder is None else align(library.embeddings(encoder), known.track_ids)
    folds = validation_folds(known.matrix, embeddings, seed=seed)
    with tqdm(total=steps(folds[0]), desc="tuning", unit="setting", disable=not show_progress) as bar:
        tuning = search(folds, done=bar.update)
    chosen = {"blend": tuning.blend.to_dict(), "collaborative": tuning.collaborative.to_dict(), **tuning.data}
    library.save_artefact("tuning", tuning.to_bytes(), encoder or "", chosen)
    return tuning, fit(library, seed=seed)


def validation_folds(
    plays: sp.csr_matrix, embeddings: NDArray[np.floating] | None, *, seed: int, n_folds: int = N_FOLDS
) -> list[Fold]:
    """Cuts of plays that hold out a fifth of the pairs each, at random.

    Raises:
        NotReady: if in one of them nothing is learnt or fewer than two users have something to find.
    """
    seeds = np.random.SeedSequence(seed).generate_state(n_folds).tolist()
    folds = [Fold(split_pairs(plays, seed=each), embeddings, seed=seed) for each in seeds]
    if any(fold.plays.nnz == 0 or len(wanting(fold.split)) < FEWEST_USERS for fold in folds):
        raise NotReady("there are too few plays to hold some of them out", got=plays.nnz, fix="ingest more plays")
    return folds


def asked_users(splits: Sequence[Split]) -> Rows:
    """Users who have something to find in a split, ascending rows; a sample of `MOST_USERS` where they are more."""
    users = np.unique(np.concatenate([wanting(split) for split in splits]))
    return np.sort(np.random.default_rng(0).permutation(users)[:MOST_USERS])


def steps(fold: Fold) -> int:
    """How often `search` calls `done`."""
    weights = len(AUDIO_WEIGHTS) * len(HALF_LIVES) + len(CURVE) if fold.has_audio else 0
    return N_FOLDS * (len(_als_settings(fold)) + weights) + int(fold.has_audio)


def search(folds: Sequence[Fold], *, done: Done) -> Tuning:
    """Choose on cuts of one training part: first ALS by behaviour alone, then the weights.

    Args:
        cuts: from `validation_folds`.
        done: called after each setting on each cut.
    """
    users = asked_users([fold.split for fold in folds])
    config, als_trials = _choose_als(folds, users, done)
    projection, told = ProjectionConfig(), _told_of(folds, users)
    if not folds[0].has_audio:
        return Tuning(config, projection, BlendConfig(0.0, 0.0), tuple(als_trials), (), None, told)
    fitted_models = [fold.fitted_model(config, projection, half_life=0.0) for fold in folds]
    sound = _worth_of_sound(folds[0], config, projection, done)
    blend, weight_trials = _choose_weights(folds, fitted_models, users, sound, done)
    for fitted_model in fitted_models:
        fitted_model.tracks.half_life = blend.half_life
    curve = tuple(_curve(folds, fitted_models, users, done))
    return Tuning(config, projection, blend, (*als_trials, *weight_trials), curve, sound, told)


def _told_of(folds: Sequence[Fold], users: Rows) -> dict[str, int]:
    split = folds[0].split
    pairs = split.train.nnz + split.held_out.nnz
    counts = {"users": split.train.shape[0], "tracks": split.train.shape[1], "pairs": pairs}
    return {**counts, "asked_users": len(users), "cuts": len(folds), "seed": folds[0].seed}


def _choose_als(folds: Sequence[Fold], users: Rows, done: Done) -> tuple[CollaborativeConfig, list[Trial]]:
    """The setting of ALS that ranks best by behaviour alone."""
    grid = _als_settings(folds[0])
    figures = [_by_bucket(folds, [by_behaviour(*fold.factors(each)) for fold in folds], users, done) for each in grid]
    best = _best(figures)
    verdicts = ["chosen" if n == best else "worse" for n in range(len(grid))]
    return grid[best], [_trial(c.in_words(), f, v) for c, f, v in zip(grid, figures, verdicts, strict=True)]


def _als_settings(fold: Fold) -> list[CollaborativeConfig]:
    """Few where weights are to be tried as well, all that are tried of ALS where no track can be heard."""
    plays = sp.csr_matrix(fold.split.train + fold.split.held_out)
    base = suitable_config(plays, CollaborativeConfig())
    return als_grid(base, STRENGTHS, CONFIDENCES) if fold.has_audio else als_grid(base)


def _choose_weights(
    folds: Sequence[Fold], fitted_models: Sequence[FittedModel], users: Rows, sound: Difference, done: Done
) -> tuple[BlendConfig, list[Trial]]:
    """The least audio that is as good as the best.

    Of the settings that are not worse than the best over all tracks, nor worse than
    behaviour alone in any bucket of played tracks, each by more than one standard error,
    the smallest audio share is taken, then the smallest half-life. Where sound ranks cold
    tracks no better than chance, only behaviour ranks the played ones.
    """
    helps = sound.mean > 0 and sound.p_value < SURE_ENOUGH
    grid = [BlendConfig(a, h) for h in HALF_LIVES for a in AUDIO_WEIGHTS]
    figures = []
    for blend in grid:
        for fitted_model in fitted_models:
            fitted_model.tracks.half_life = blend.half_life
        scorers = [blended(fitted_model, blend.audio_weight) for fitted_model in fitted_models]
        figures.append(_by_bucket(folds, scorers, users, done))
    best, alone = figures[_best(figures)], figures[0]
    verdicts = [_verdict(each, best, alone, helps or n == 0) for n, each in enumerate(figures)]
    good = [(blend.audio_weight, blend.half_life, n) for n, blend in enumerate(grid) if not verdicts[n]]
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


def _worth_of_sound(fold: Fold, config: CollaborativeConfig, projection: ProjectionConfig, done: Done) -> Difference:
    """How much better sound ranks tracks that lost all their plays than chance does, NDCG@20 among them."""
    plays = sp.csr_matrix(fold.split.train + fold.split.held_out)
    hidden = Fold(split_cold_tracks(plays, seed=fold.seed), fold.embeddings, seed=fold.seed)
    if len(wanting(hidden.split)) < FEWEST_USERS:
        done()
        return Difference(0.0, 0.0, 0.0, 1.0, 0)
    by_sound = hidden.measure(blended(hidden.fitted_model(config, projection, half_life=0.0), 1.0)).ndcg("0")
    rng = np.random.default_rng(fold.seed)
    by_chance = hidden.measure(lambda users: rng.random((len(users), plays.shape[1]), dtype=np.float32)).ndcg("0")
    done()
    return paired_difference(by_sound, by_chance, seed=fold.seed)


def _curve(
    folds: Sequence[Fold], fitted_models: Sequence[FittedModel], users: Rows, done: Done
) -> Iterator[CurvePoint]:
    for share in CURVE:
        figures = _by_bucket(folds, [blended(fitted_model, share) for fitted_model in fitted_models], users, done)
        told = {bucket: each[~np.isnan(each)] for bucket, each in figures.items()}
        means = {
            bucket: mean_with_interval(each, seed=folds[0].seed)
            for bucket, each in told.items()
            if len(each) >= FEWEST_USERS
        }
        yield CurvePoint(share, means)


def _by_bucket(folds: Sequence[Fold], scorers: Sequence[Scorer], users: Rows, done: Done) -> BY_BUCKET:
    """NDCG@20 of the same recommender fitted to each cut, users' means over cuts, by bucket."""
    found = []
    for fold, score in zip(folds, scorers, strict=True):
        found.append(fold.measure(score, users))
        done()
    return {bucket: mean_over_folds([quality.ndcg(bucket) for quality in found]) for bucket in found[0].hits}


def _best(figures: Sequence[BY_BUCKET]) -> int:
    return int(np.argmax([np.nanmean(each[ALL_TRACKS]) for each in figures]))


def _trial(words: str, figures: BY_BUCKET, verdict: str) -> Trial:
    told = {bucket: each for bucket, each in figures.items() if not np.isnan(each).all()}
    return Trial(words, {bucket: float(np.nanmean(each)) for bucket, each in told.items()}, verdict)
