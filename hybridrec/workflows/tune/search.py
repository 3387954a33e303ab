"""Choose the settings of the blend on validation folds of the plays, and report the evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from tqdm import tqdm

from hybridrec.collaborative.als import als_grid, suitable_config
from hybridrec.config import BlendConfig, CollaborativeConfig, ProjectionConfig
from hybridrec.data.arrays import Rows
from hybridrec.data.embeddings import align
from hybridrec.data.splits import Split, split_cold_tracks, split_pairs
from hybridrec.errors import NotReady
from hybridrec.evaluation.plays_report import FEWEST_USERS
from hybridrec.evaluation.quality import ALL_TRACKS, Scorer, wanting
from hybridrec.evaluation.selection import Figures, mean_over_folds, not_worse
from hybridrec.evaluation.significance import Difference, mean_with_interval, paired_difference
from hybridrec.evaluation.tuning_report import CurvePoint, Trial, Tuning
from hybridrec.model.fitted_model import FittedModel
from hybridrec.storage.library import Library
from hybridrec.workflows.fit import FitReport, fit
from hybridrec.workflows.tune.fold import Fold, blended, by_behaviour

N_FOLDS = 2
MOST_USERS = 2000
"""Users to evaluate at most; more would narrow the intervals little and take long."""

STRENGTHS, CONFIDENCES = (0.25, 0.5, 1.0, 2.0), (1.0, 2.0)
"""Of ALS: multiples of the suitable regularization and of alpha."""

AUDIO_WEIGHTS, HALF_LIVES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3), (0.0, 0.1)
CURVE = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0)
"""Audio weights of the curve."""

SIGNIFICANCE = 0.05
COLD = "0"
"""The item popularity bucket of tracks without plays."""

FiguresByBucket = Mapping[str, Figures]
"""NDCG@20 `(n_users,)` float64 by item popularity bucket, NaN for users without a value."""

Done = Callable[[], None]


def tune(
    library: Library, *, seed: int = 0, show_progress: bool = False
) -> tuple[Tuning, FitReport]:
    """Choose settings for a library, store them with their evidence, and fit a model with them.

    The choice is stored in one transaction before the fit, so an interrupted run changes nothing;
    every later fit uses the choice.

    Args:
        library: with plays.
        seed: of the folds and of all fitting.
        show_progress: draw a bar with an estimate of the time left.

    Raises:
        NotReady: if there are too few plays to hold some out.
    """
    known, encoder = library.interactions(), library.fingerprint()
    embeddings = None if encoder is None else align(library.embeddings(encoder), known.track_ids)
    folds = validation_folds(known.matrix, embeddings, seed=seed)
    total = steps(folds[0])
    with tqdm(total=total, desc="tuning", unit="setting", disable=not show_progress) as bar:
        tuning = search(folds, done=bar.update)
    settings = {
        "blend": tuning.blend.to_dict(),
        "collaborative": tuning.collaborative.to_dict(),
        **tuning.data,
    }
    library.save_artefact("tuning", tuning.to_bytes(), encoder or "", settings)
    return tuning, fit(library, seed=seed)


def validation_folds(
    plays: sp.csr_matrix,
    embeddings: NDArray[np.floating] | None,
    *,
    seed: int,
    n_folds: int = N_FOLDS,
) -> list[Fold]:
    """Random splits of the plays, each with a fifth of the pairs held out.

    Args:
        plays: CSR `(n_users, n_tracks)` float32 confidences.
        embeddings: `(n_tracks, d)`, a row of NaN without audio; None if no track has any.
        seed: of the splits and of all fitting.
        n_folds: number of splits.

    Raises:
        NotReady: if a fold has nothing to fit, or fewer than two users with a held-out track.
    """
    # Seeds of the folds are derived, or folds of neighbouring seeds would be shared.
    seeds = np.random.SeedSequence(seed).generate_state(n_folds).tolist()
    folds = [Fold(split_pairs(plays, seed=each), embeddings, seed=seed) for each in seeds]
    if any(fold.plays.nnz == 0 or len(wanting(fold.split)) < FEWEST_USERS for fold in folds):
        problem = "there are too few plays to hold some of them out"
        raise NotReady(problem, got=plays.nnz, fix="ingest more plays")
    return folds


def evaluated_users(splits: Sequence[Split]) -> Rows:
    """Users with a held-out track in any split, ascending rows; at most `MOST_USERS` at random."""
    users = np.unique(np.concatenate([wanting(split) for split in splits]))
    # The same sample whatever the seed of a run: runs are compared user by user.
    return np.sort(np.random.default_rng(0).permutation(users)[:MOST_USERS])


def steps(fold: Fold) -> int:
    """How often `search` calls `done`."""
    weights = len(AUDIO_WEIGHTS) * len(HALF_LIVES) + len(CURVE) if fold.has_audio else 0
    return N_FOLDS * (len(_als_settings(fold)) + weights) + int(fold.has_audio)


def search(folds: Sequence[Fold], *, done: Done) -> Tuning:
    """Choose the settings of ALS by behaviour alone, then the weights of audio and behaviour.

    Args:
        folds: of one training part, from `validation_folds`.
        done: called after each setting on each fold.
    """
    users = evaluated_users([fold.split for fold in folds])
    config, als_figures, als_trials = _choose_als(folds, users, done)
    projection, data = ProjectionConfig(), _data(folds, users, als_figures)
    if not folds[0].has_audio:
        blend = BlendConfig(0.0, 0.0)
        return Tuning(config, projection, blend, tuple(als_trials), (), None, data)
    # Fitted once: half-life and audio weight only change how the same parts are weighted.
    models = [fold.fitted_model(config, projection, half_life=0.0) for fold in folds]
    audio = _audio_against_chance(folds[0], config, projection, done)
    blend, weight_trials = _choose_weights(folds, models, users, audio, done)
    for model in models:
        model.tracks.half_life = blend.half_life
    curve = tuple(_curve(folds, models, users, done))
    return Tuning(config, projection, blend, (*als_trials, *weight_trials), curve, audio, data)


def _data(folds: Sequence[Fold], users: Rows, figures: FiguresByBucket) -> dict[str, object]:
    """What the choice is based on, as `Tuning.data`; the users of a bucket have a value in it."""
    split = folds[0].split
    return {
        "users": split.train.shape[0],
        "tracks": split.train.shape[1],
        "pairs": split.train.nnz + split.held_out.nnz,
        "evaluated_users": len(users),
        "bucket_users": {
            bucket: int(np.count_nonzero(~np.isnan(each))) for bucket, each in figures.items()
        },
        "folds": len(folds),
        "seed": folds[0].seed,
    }


def _choose_als(
    folds: Sequence[Fold], users: Rows, done: Done
) -> tuple[CollaborativeConfig, FiguresByBucket, list[Trial]]:
    """The setting of ALS that ranks best by behaviour alone, with its figures."""
    grid = _als_settings(folds[0])
    figures = [
        _by_bucket(folds, [by_behaviour(*fold.factors(each)) for fold in folds], users, done)
        for each in grid
    ]
    best = _best(figures)
    verdicts = ["chosen" if n == best else "worse" for n in range(len(grid))]
    words = [config.in_words() for config in grid]
    return grid[best], figures[best], _trials(words, figures, verdicts)


def _als_settings(fold: Fold) -> list[CollaborativeConfig]:
    """A small grid if weights are tried as well, the whole grid of ALS without audio."""
    plays = sp.csr_matrix(fold.split.train + fold.split.held_out)
    base = suitable_config(plays, CollaborativeConfig())
    return als_grid(base, STRENGTHS, CONFIDENCES) if fold.has_audio else als_grid(base)


def _choose_weights(
    folds: Sequence[Fold],
    models: Sequence[FittedModel],
    users: Rows,
    audio: Difference,
    done: Done,
) -> tuple[BlendConfig, list[Trial]]:
    """The least audio that is as good as the best.

    Of the settings that are not worse than the best over all tracks, nor worse than behaviour
    alone in any bucket of played tracks, each by more than one standard error, the smallest audio
    weight is taken, then the smallest half-life. If audio ranks cold tracks no better than chance,
    played tracks are ranked by behaviour alone.
    """
    audio_helps = audio.mean > 0 and audio.p_value < SIGNIFICANCE
    grid = [BlendConfig(weight, half_life) for half_life in HALF_LIVES for weight in AUDIO_WEIGHTS]
    figures = []
    for blend in grid:
        for model in models:
            model.tracks.half_life = blend.half_life
        scorers = [blended(model, blend.audio_weight) for model in models]
        figures.append(_by_bucket(folds, scorers, users, done))
    best, behaviour = figures[_best(figures)], figures[0]  # the first setting has no audio
    objections = [
        _objection(each, best, behaviour, audio_helps or n == 0) for n, each in enumerate(figures)
    ]
    chosen = _least_audio(grid, objections)
    verdicts = [objection or "as good, but more audio" for objection in objections]
    verdicts[chosen] = "chosen"
    return grid[chosen], _trials([blend.in_words() for blend in grid], figures, verdicts)


def _least_audio(grid: Sequence[BlendConfig], objections: Sequence[str]) -> int:
    """Of the settings without an objection, the one with the least audio; else the first."""
    good = [
        (blend.audio_weight, blend.half_life, n)
        for n, blend in enumerate(grid)
        if not objections[n]
    ]
    return min(good)[2] if good else 0


def _objection(
    figures: FiguresByBucket, best: FiguresByBucket, behaviour: FiguresByBucket, audio_helps: bool
) -> str:
    """Why a setting must not be chosen, or nothing."""
    if not audio_helps:
        return "audio is no better than chance"
    if not not_worse(figures[ALL_TRACKS], best[ALL_TRACKS]):
        return "worse than the best"
    played = [bucket for bucket in figures if bucket not in (ALL_TRACKS, COLD)]
    harmed = [bucket for bucket in played if not not_worse(figures[bucket], behaviour[bucket])]
    return f"worse than behaviour alone in bucket {', '.join(harmed)}" if harmed else ""


def _audio_against_chance(
    fold: Fold, config: CollaborativeConfig, projection: ProjectionConfig, done: Done
) -> Difference:
    """NDCG@20 of audio - NDCG@20 of random scores, among tracks that lost all their plays.

    No difference, with p = 1, if fewer than two users have such a track to find.
    """
    plays = sp.csr_matrix(fold.split.train + fold.split.held_out)
    # All plays of the fold again, since this split holds out whole tracks instead of pairs.
    cold = Fold(split_cold_tracks(plays, seed=fold.seed), fold.embeddings, seed=fold.seed)
    if len(wanting(cold.split)) < FEWEST_USERS:
        done()
        return Difference(0.0, 0.0, 0.0, 1.0, 0)
    model = cold.fitted_model(config, projection, half_life=0.0)
    by_audio = cold.measure(blended(model, 1.0)).ndcg(COLD)
    by_chance = cold.measure(_random_scorer(fold.seed, plays.shape[1])).ndcg(COLD)
    done()
    return paired_difference(by_audio, by_chance, seed=fold.seed)


def _random_scorer(seed: int, n_tracks: int) -> Scorer:
    rng = np.random.default_rng(seed)
    return lambda users: rng.random((len(users), n_tracks), dtype=np.float32)


def _curve(
    folds: Sequence[Fold], models: Sequence[FittedModel], users: Rows, done: Done
) -> Iterator[CurvePoint]:
    for weight in CURVE:
        figures = _by_bucket(folds, [blended(model, weight) for model in models], users, done)
        known = {bucket: each[~np.isnan(each)] for bucket, each in figures.items()}
        means = {
            bucket: mean_with_interval(each, seed=folds[0].seed)
            for bucket, each in known.items()
            if len(each) >= FEWEST_USERS
        }
        yield CurvePoint(weight, means)


def _by_bucket(
    folds: Sequence[Fold], scorers: Sequence[Scorer], users: Rows, done: Done
) -> FiguresByBucket:
    """NDCG@20 of one recommender, fitted to each fold: users' means over folds, by bucket."""
    found = []
    for fold, score in zip(folds, scorers, strict=True):
        found.append(fold.measure(score, users))
        done()
    return {
        bucket: mean_over_folds([quality.ndcg(bucket) for quality in found])
        for bucket in found[0].hits
    }


def _best(figures: Sequence[FiguresByBucket]) -> int:
    return int(np.argmax([np.nanmean(each[ALL_TRACKS]) for each in figures]))


def _trials(
    settings: Sequence[str], figures: Sequence[FiguresByBucket], verdicts: Sequence[str]
) -> list[Trial]:
    rows = zip(settings, figures, verdicts, strict=True)
    return [Trial(setting, _means(each), verdict) for setting, each, verdict in rows]


def _means(figures: FiguresByBucket) -> dict[str, float]:
    """Means over users, of the buckets with a value."""
    known = {bucket: each for bucket, each in figures.items() if not np.isnan(each).all()}
    return {bucket: float(np.nanmean(each)) for bucket, each in known.items()}
