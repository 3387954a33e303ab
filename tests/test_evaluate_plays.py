"""The report on held-out plays: everybody is judged alike, and the figures can be read by people and by scripts."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from hybridrec.data.embeddings import Embeddings
from hybridrec.data.plays import Play
from hybridrec.data.splits import split_pairs
from hybridrec.data.tracks import Track
from hybridrec.errors import InvalidInput, NotReady
from hybridrec.evaluation.plays_page import in_words
from hybridrec.storage.library import Library
from hybridrec.workflows.evaluate import recommenders as recommenders_module
from hybridrec.workflows.evaluate.compare import BLEND, SHUFFLED, SOUND_ONLY
from hybridrec.workflows.evaluate.plays import Evaluation, evaluate_files, evaluate_library
from hybridrec.workflows.evaluate.recommenders import SETTINGS_EACH
from hybridrec.workflows.tune.fold import Fold

USERS, TRACKS, PLAYS = 60, 50, 14
BASELINES = ["popularity", "item neighbours", "ALS", "BPR", "EASE"]


def plays_over_a_year() -> tuple[list[Play], Embeddings]:
    """Users play what sounds near to them, at random times."""
    rng = np.random.default_rng(3)
    sounds, user_vectors = rng.normal(size=(TRACKS, 5)), rng.normal(size=(USERS, 5))
    liked = np.argsort(-(user_vectors @ sounds.T + rng.gumbel(size=(USERS, TRACKS))), axis=1)[:, :PLAYS]
    times = rng.integers(1_700_000_000, 1_730_000_000, size=(USERS, PLAYS))
    plays = [
        Play(f"u{user}", f"t{track}", played_at=float(when))
        for user in range(USERS)
        for track, when in zip(liked[user], times[user], strict=True)
    ]
    return plays, Embeddings("external:five", tuple(f"t{n}" for n in range(TRACKS)), sounds.astype(np.float32))


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    plays, embeddings = plays_over_a_year()
    with Library.open(tmp_path_factory.mktemp("library"), create=True) as library:
        library.put_tracks([Track(id_) for id_ in embeddings.ids])
        library.add_plays(plays)
        library.put_embeddings(embeddings)
        library.set_fingerprint(embeddings.fingerprint)
        return evaluate_library(library)


def test_a_library_is_split_by_time_where_its_plays_have_times(evaluation: Evaluation) -> None:
    assert "the last fifth of the plays held out" in evaluation.report.about


def test_all_are_judged_in_one_run_and_had_as_many_settings_to_choose_from(evaluation: Evaluation) -> None:
    tried = {each.name: each.tried for each in evaluation.report.recommenders}
    assert list(tried) == [BLEND, SOUND_ONLY, SHUFFLED, *BASELINES, "audio neighbours", "projection"]
    assert tried.pop("popularity") == 1
    assert set(tried.values()) <= {SETTINGS_EACH, SETTINGS_EACH + 1}


def test_every_figure_has_its_interval_and_its_range(evaluation: Evaluation) -> None:
    for each in evaluation.report.recommenders:
        for by_bucket in each.figures.values():
            assert next(iter(by_bucket)) == "all"
            assert all(0 <= mean.low <= mean.mean <= mean.high <= 1 for mean in by_bucket.values())
        assert 0 < each.coverage <= 1
        assert each.novelty > 0


def test_popularity_recommends_what_is_most_popular_and_least_novel(evaluation: Evaluation) -> None:
    found = {each.name: each for each in evaluation.report.recommenders}
    assert found["popularity"].mean_popularity == max(each.mean_popularity for each in found.values())
    assert found["popularity"].novelty == min(each.novelty for each in found.values())


def test_differences_are_corrected_for_their_number(evaluation: Evaluation) -> None:
    for gains in (evaluation.report.overall, evaluation.report.by_support):
        assert all(gain.p_corrected >= gain.difference.p_value for gain in gains)
    assert {gain.other for gain in evaluation.report.overall} >= {SHUFFLED, *BASELINES}


def test_the_report_is_for_people_and_for_scripts(evaluation: Evaluation) -> None:
    told = json.loads(json.dumps(dataclasses.asdict(evaluation.report), allow_nan=False))
    assert told["recommenders"][0]["name"] == BLEND
    page = evaluation.as_html()
    assert "data:image/svg+xml" in page
    assert 'src="http' not in page
    assert "<script" not in page
    words = in_words(evaluation.report)
    assert all(name in words and name in page for name in BASELINES)


def write(path: Path, *, times: bool) -> Path:
    plays, _ = plays_over_a_year()
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["user", "track", *(["played_at"] if times else [])])
        rows.writerows([play.user, play.track, *([play.played_at] if times else [])] for play in plays)
    return path


def test_files_without_times_and_vectors_are_judged_by_pairs_and_behaviour(tmp_path: Path) -> None:
    report = evaluate_files(write(tmp_path / "plays.csv", times=False), None, seeds=[4]).report
    assert "a fifth of the pairs" in report.about
    assert [each.name for each in report.recommenders] == [BLEND, *BASELINES]
    (beside_als,) = [gain for gain in report.overall if gain.other == "ALS"]
    assert beside_als.difference.mean == pytest.approx(0.0, abs=1e-3)  # it is ALS, tuned alike


def test_plays_without_times_cannot_be_judged_by_time(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="some have no time"):
        evaluate_files(write(tmp_path / "plays.csv", times=False), None, "time")


def test_too_few_plays_are_said_in_words(tmp_path: Path) -> None:
    plays = tmp_path / "plays.csv"
    plays.write_text("user,track\na,x\na,y\n")
    with pytest.raises(NotReady, match="too few"):
        evaluate_files(plays, None)


def test_a_catalogue_that_is_too_large_for_ease_is_judged_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recommenders_module, "EASE_USERS", 5)
    fold = Fold(split_pairs(sp.csr_matrix(np.ones((10, 10), np.float32)), seed=0), None, seed=0)
    assert [each.name for each in recommenders_module.compared_recommenders(fold)] == [
        "popularity",
        "item neighbours",
        "ALS",
        "BPR",
    ]
