"""The evaluation on held-out plays: the same users and budget for all, for people and scripts."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from hybridrec.data.embeddings import Embeddings
from hybridrec.data.plays import Play
from hybridrec.data.splits import SUPPORT_BUCKETS, Split, split_pairs
from hybridrec.data.tracks import Track
from hybridrec.errors import InvalidInput, NotReady
from hybridrec.evaluation.plays_report import PlaysReport, bucket_users, figures_of
from hybridrec.evaluation.quality import measure
from hybridrec.pages.plays import as_html, as_text
from hybridrec.storage.library import Library
from hybridrec.workflows.evaluate import recommenders as recommenders_module
from hybridrec.workflows.evaluate.compare import AUDIO_ONLY, BLEND, SHUFFLED
from hybridrec.workflows.evaluate.plays import Evaluation, evaluate_files, evaluate_library
from hybridrec.workflows.evaluate.recommenders import SETTINGS_EACH
from hybridrec.workflows.tune.fold import Fold

pytestmark = pytest.mark.slow

USERS, TRACKS, PLAYS = 60, 50, 14
BASELINES = ["popularity", "item neighbours", "ALS", "BPR", "EASE"]


def plays_over_a_year() -> tuple[list[Play], Embeddings]:
    """Users play tracks near to them, at random times."""
    rng = np.random.default_rng(3)
    vectors, user_vectors = rng.normal(size=(TRACKS, 5)), rng.normal(size=(USERS, 5))
    preferences = user_vectors @ vectors.T + rng.gumbel(size=(USERS, TRACKS))
    liked = np.argsort(-preferences, axis=1)[:, :PLAYS]
    times = rng.integers(1_700_000_000, 1_730_000_000, size=(USERS, PLAYS))
    plays = [
        Play(f"u{user}", f"t{track}", played_at=float(when))
        for user in range(USERS)
        for track, when in zip(liked[user], times[user], strict=True)
    ]
    ids = tuple(f"t{n}" for n in range(TRACKS))
    return plays, Embeddings("external:five", ids, vectors.astype(np.float32))


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    plays, embeddings = plays_over_a_year()
    with Library.open(tmp_path_factory.mktemp("library"), create=True) as library:
        library.put_tracks([Track(id_) for id_ in embeddings.ids])
        library.add_plays(plays)
        library.put_embeddings(embeddings)
        library.set_fingerprint(embeddings.fingerprint)
        return evaluate_library(library)


def test_a_library_is_split_by_time_if_its_plays_have_times(evaluation: Evaluation) -> None:
    assert "the last fifth of the plays held out" in evaluation.report.about


def test_all_recommenders_had_the_same_number_of_trials(evaluation: Evaluation) -> None:
    trials = {each.name: each.trials for each in evaluation.report.recommenders}
    audio = ["audio neighbours", "projection"]
    assert list(trials) == [BLEND, AUDIO_ONLY, SHUFFLED, *BASELINES, *audio]
    assert trials.pop("popularity") == 1
    assert set(trials.values()) <= {SETTINGS_EACH, SETTINGS_EACH + 1}


def test_every_metric_is_within_its_interval_and_its_range(evaluation: Evaluation) -> None:
    for each in evaluation.report.recommenders:
        for by_bucket in each.figures.values():
            assert next(iter(by_bucket)) == "all"
            assert all(0 <= mean.low <= mean.mean <= mean.high <= 1 for mean in by_bucket.values())
        assert 0 < each.coverage <= 1
        assert each.novelty > 0


def test_popularity_is_most_popular_and_least_novel(evaluation: Evaluation) -> None:
    found = {each.name: each for each in evaluation.report.recommenders}
    popularity = found["popularity"]
    assert popularity.mean_popularity == max(each.mean_popularity for each in found.values())
    assert popularity.novelty == min(each.novelty for each in found.values())


def test_differences_are_corrected_for_their_number(evaluation: Evaluation) -> None:
    for gains in (evaluation.report.overall, evaluation.report.by_support):
        assert all(gain.p_holm >= gain.difference.p_value for gain in gains)
    assert {gain.other for gain in evaluation.report.overall} >= {SHUFFLED, *BASELINES}


def test_the_report_can_be_read_by_people_and_by_scripts(evaluation: Evaluation) -> None:
    report = json.loads(json.dumps(evaluation.report.to_dict(), allow_nan=False))
    assert report["recommenders"][0]["name"] == BLEND
    page = as_html(evaluation.report, evaluation.runs[0].tuning)
    assert "<polyline" in page
    assert "http" not in page
    assert "<script" not in page
    text = as_text(evaluation.report)
    assert all(f"{BLEND} - {name}" in text and f"{BLEND} - {name}" in page for name in BASELINES)
    for name in ("item popularity bucket", "p (Holm)", "coverage@20", "trials"):
        assert name in text
        assert name in page


def test_json_repeats_renamed_keys_under_their_former_names(evaluation: Evaluation) -> None:
    report = evaluation.report.to_dict()
    ours, difference = report["recommenders"][0], report["overall"][0]
    assert ours["tried"] == ours["trials"] == evaluation.report.recommenders[0].trials
    assert difference["p_corrected"] == difference["p_holm"]


def test_a_page_is_drawn_without_matplotlib(
    evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert "<polyline" in as_html(evaluation.report, evaluation.runs[0].tuning)


def test_buckets_say_their_users_and_which_are_too_few(evaluation: Evaluation) -> None:
    report = evaluation.report
    counts = report.bucket_users
    assert list(counts) == ["all", *SUPPORT_BUCKETS]
    assert counts["all"] == report.overall[0].difference.n_users
    for bucket, users in counts.items():
        expected = f"{bucket} (n={users})" if users >= 30 else f"{bucket} (n={users}, too few)"
        assert expected in as_text(report)
        assert expected in as_html(report)


def test_a_bucket_in_which_nobody_has_a_play_to_find_is_shown_as_empty() -> None:
    train = sp.csr_matrix(np.array([[1.0, 0, 0], [1, 0, 0], [0, 0, 1]], dtype=np.float32))
    held_out = sp.csr_matrix(np.array([[0.0, 0, 1], [0, 0, 1], [1, 0, 0]], dtype=np.float32))
    quality = measure(lambda users: np.ones((len(users), 3), np.float32), Split(train, held_out))
    assert bucket_users([quality]) == {"all": 3, "0": 0, "1-2": 3, "3-7": 0, "8-19": 0, "20+": 0}
    figures = figures_of("constant", ["none"], 1, [quality], seed=0)
    counts = bucket_users([quality])
    report = PlaysReport("three users", counts, [figures], [], [], [], seconds=0.0)
    by_bucket = as_text(report).split("item popularity bucket")[1]
    assert by_bucket.splitlines()[2].split() == [
        "constant",
        f"{figures.figures['ndcg']['all'].mean:.4f}",
        "-",
        f"{figures.figures['ndcg']['1-2'].mean:.4f}",
        *"---",
    ]


def write(path: Path, *, times: bool) -> Path:
    plays, _ = plays_over_a_year()
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["user", "track", *(["played_at"] if times else [])])
        rows.writerows(
            [play.user, play.track, *([play.played_at] if times else [])] for play in plays
        )
    return path


def test_files_without_times_and_vectors_are_split_by_pairs(tmp_path: Path) -> None:
    report = evaluate_files(write(tmp_path / "plays.csv", times=False), None, seeds=[4]).report
    assert "a fifth of the pairs" in report.about
    assert [each.name for each in report.recommenders] == [BLEND, *BASELINES]
    (beside_als,) = [gain for gain in report.overall if gain.other == "ALS"]
    assert beside_als.difference.mean == pytest.approx(
        0.0, abs=1e-3
    )  # it is ALS, with the same trials


def test_plays_without_times_cannot_be_split_by_time(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="some have no time"):
        evaluate_files(write(tmp_path / "plays.csv", times=False), None, "time")


def test_too_few_plays_are_refused(tmp_path: Path) -> None:
    plays = tmp_path / "plays.csv"
    plays.write_text("user,track\na,x\na,y\n")
    with pytest.raises(NotReady, match="too few"):
        evaluate_files(plays, None)


def test_a_catalogue_too_large_for_ease_is_evaluated_without_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recommenders_module, "EASE_USERS", 5)
    fold = Fold(split_pairs(sp.csr_matrix(np.ones((10, 10), np.float32)), seed=0), None, seed=0)
    assert [each.name for each in recommenders_module.compared_recommenders(fold)] == [
        "popularity",
        "item neighbours",
        "ALS",
        "BPR",
    ]
