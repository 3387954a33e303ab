"""`tune` chooses settings on validation folds, stores the choice, and every later fit uses it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from waiting import wait_for

from hybridrec.config import BlendConfig, CollaborativeConfig, ProjectionConfig
from hybridrec.data.plays import Play
from hybridrec.errors import LibraryError, NotReady
from hybridrec.evaluation.selection import mean_over_folds, not_worse
from hybridrec.evaluation.tuning_report import Trial, Tuning
from hybridrec.model.store import load_model
from hybridrec.pages.tuning import as_html, as_text, write_curves
from hybridrec.serving.service import RecommendationService
from hybridrec.storage.library import Library
from hybridrec.workflows.fit import fit
from hybridrec.workflows.tune import search as tune_module
from hybridrec.workflows.tune.search import (
    AUDIO_WEIGHTS,
    HALF_LIVES,
    search,
    steps,
    tune,
    validation_folds,
)
from hybridrec.workflows.tuning import tuned

pytestmark = pytest.mark.slow

USERS, TRACKS, DIMENSIONS = 240, 200, 6
GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def world() -> tuple[sp.csr_matrix, np.ndarray]:
    """Interactions and embeddings: users play tracks near to them, of very uneven popularity."""
    rng = np.random.default_rng(5)
    embeddings = rng.normal(size=(TRACKS, DIMENSIONS))
    user_vectors = rng.normal(size=(USERS, DIMENSIONS))
    popularity = -1.1 * np.log(1.0 + rng.permutation(TRACKS))
    drawn = user_vectors @ embeddings.T + popularity + rng.gumbel(size=(USERS, TRACKS))
    rows = np.repeat(np.arange(USERS), 10)
    columns = np.argsort(-drawn, axis=1)[:, :10].ravel()
    values = np.ones(len(rows), np.float32)
    return sp.csr_matrix((values, (rows, columns)), shape=(USERS, TRACKS)), embeddings


def searched(plays: sp.csr_matrix, embeddings: np.ndarray | None) -> tuple[Tuning, int, int]:
    folds = validation_folds(plays, embeddings, seed=0)
    calls: list[None] = []
    return search(folds, done=lambda: calls.append(None)), len(calls), steps(folds[0])


@pytest.fixture(scope="module")
def with_audio(world: tuple[sp.csr_matrix, np.ndarray]) -> Tuning:
    return searched(*world)[0]


@pytest.fixture(scope="module")
def without_audio(world: tuple[sp.csr_matrix, np.ndarray]) -> Tuning:
    tuning, called, expected = searched(world[0], None)
    assert called == expected
    return tuning


@pytest.fixture(scope="module")
def with_noise(world: tuple[sp.csr_matrix, np.ndarray]) -> Tuning:
    plays, embeddings = world
    return searched(plays, np.random.default_rng(1).permutation(embeddings))[0]


def weights(tuning: Tuning) -> list[Trial]:
    """The trials of the weights, which follow those of ALS."""
    return list(tuning.trials[-len(AUDIO_WEIGHTS) * len(HALF_LIVES) :])


def test_informative_audio_gets_weight(with_audio: Tuning) -> None:
    assert with_audio.blend.audio_weight > 0
    assert with_audio.audio_against_chance is not None
    assert with_audio.audio_against_chance.p_value < 0.01


def test_uninformative_audio_gets_no_weight(with_noise: Tuning) -> None:
    assert with_noise.blend == BlendConfig(0.0, 0.0)
    assert "audio is no better than chance" in {trial.verdict for trial in weights(with_noise)}


def test_the_chosen_weights_are_not_worse_than_behaviour_alone(with_audio: Tuning) -> None:
    behaviour_alone, *_ = trials = weights(with_audio)
    (chosen,) = [trial for trial in trials if trial.verdict == "chosen"]
    assert behaviour_alone.setting == BlendConfig(0.0, 0.0).in_words()
    assert chosen.ndcg["all"] >= behaviour_alone.ndcg["all"]
    assert chosen.setting == with_audio.blend.in_words()


def test_the_curve_has_an_interval_at_every_audio_weight(with_audio: Tuning) -> None:
    assert [point.audio_weight for point in with_audio.curve][:2] == [0.0, 0.05]
    assert with_audio.curve[-1].audio_weight == 1.0
    for point in with_audio.curve:
        assert all(mean.low <= mean.mean <= mean.high for mean in point.ndcg.values())
    weight = with_audio.blend.audio_weight
    at_choice = next(point for point in with_audio.curve if point.audio_weight == weight)
    (chosen,) = [trial for trial in weights(with_audio) if trial.verdict == "chosen"]
    assert at_choice.ndcg["all"].mean == pytest.approx(chosen.ndcg["all"])


def test_without_audio_only_als_is_chosen(without_audio: Tuning) -> None:
    assert (without_audio.audio_against_chance, without_audio.curve) == (None, ())
    assert without_audio.blend == BlendConfig(0.0, 0.0)
    assert "No track has audio" in as_text(without_audio)
    assert "no audio weight to choose" in as_html(without_audio)


def test_the_same_seed_chooses_the_same_in_the_announced_number_of_steps(
    world: tuple[sp.csr_matrix, np.ndarray], with_audio: Tuning
) -> None:
    again, called, expected = searched(*world)
    assert (again.blend, again.collaborative) == (with_audio.blend, with_audio.collaborative)
    assert called == expected


def test_the_evidence_is_written_as_page_picture_and_text(
    with_audio: Tuning, tmp_path: Path
) -> None:
    folder = tmp_path / "new"
    write_curves(with_audio, folder)
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    page = (folder / "tuning.html").read_text()
    assert with_audio.blend.in_words() in page
    assert "http" not in page  # nothing from another host
    assert page.count("<svg") == len(with_audio.curve[0].ndcg)
    assert "chosen" in as_text(with_audio)


def test_without_matplotlib_only_the_png_is_missing(
    with_audio: Tuning, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(NotReady, match="pip install 'hybridrec"):
        write_curves(with_audio, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["tuning.html"]
    assert "<polyline" in (tmp_path / "tuning.html").read_text()


def test_buckets_are_shown_with_their_users_and_marked_where_these_are_few(
    with_audio: Tuning,
) -> None:
    counts = with_audio.data["bucket_users"]
    assert set(counts) == set(with_audio.trials[0].ndcg)
    few = replace(with_audio, data=with_audio.data | {"bucket_users": counts | {"0": 29}})
    assert "0 (n=29, too few)" in as_text(few)
    assert "0 (n=29, too few)" in as_html(few)
    assert f"all (n={counts['all']})" in as_text(few)


def test_the_choice_is_stored_and_used_by_fit(fitted_library: Library) -> None:
    tuning, report = tune(fitted_library, seed=0)
    assert report.tuning == 1
    assert fitted_library.status()["tuning"] == 1
    assert tuned(fitted_library) == tuning
    again = fit(fitted_library, seed=3)
    assert (again.tuning, again.other_encoder) == (1, False)
    model, _ = load_model(fitted_library)
    assert (model.blend, model.projection) == (tuning.blend, tuning.projection)
    assert model.fitted_model.collaborative.regularization == tuning.collaborative.regularization
    assert model.fitted_model.collaborative.alpha == tuning.collaborative.alpha


def chosen(audio_weight: float) -> Tuning:
    blend = BlendConfig(audio_weight, 0.0)
    data = {"users": 1, "tracks": 1, "pairs": 1, "evaluated_users": 1, "folds": 2, "seed": 0}
    return Tuning(CollaborativeConfig(factors=8), ProjectionConfig(), blend, (), (), None, data)


def test_recommendations_and_running_services_use_the_choice(
    fitted_library: Library, service: RecommendationService
) -> None:
    def weights_of_played() -> set[float]:
        hits = service.recommend("user-00", 20).hits
        return {round(hit.effective_audio_weight, 3) for hit in hits if hit.support > 0}

    before = weights_of_played()
    payload = chosen(0.625).to_bytes()
    fitted_library.save_artefact("tuning", payload, fitted_library.fingerprint() or "", {})
    assert weights_of_played() == before != {0.625}  # the model is still the old one
    fit(fitted_library)
    wait_for(lambda: weights_of_played() == {0.625})  # answers go on while the new one is loaded


def test_a_tuning_for_another_encoder_is_used_and_reported(fitted_library: Library) -> None:
    fitted_library.save_artefact("tuning", chosen(0.3).to_bytes(), "other-encoder", {})
    assert fit(fitted_library).other_encoder


def test_an_interrupted_tuning_changes_nothing(
    fitted_library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> Tuning:
        raise KeyboardInterrupt

    monkeypatch.setattr(tune_module, "search", interrupted)
    before = fitted_library.status()
    with pytest.raises(KeyboardInterrupt):
        tune(fitted_library)
    assert fitted_library.status() == before


def test_a_killed_tuning_changes_nothing_and_can_be_repeated(
    fitted_library: Library, tmp_path: Path
) -> None:
    before = fitted_library.status()
    place = str(tmp_path / "library")
    arguments = ["tune", "--library", place, "--curves", str(tmp_path / "curves")]
    command = [sys.executable, "-m", "hybridrec", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as tuning:
        assert tuning.stderr is not None
        assert b"tuning" in tuning.stderr.read(20)  # the bar: it is at work
        tuning.kill()
    assert tuning.returncode == -signal.SIGKILL
    assert fitted_library.status() == before
    assert tune(fitted_library)[1].tuning == 1


def test_too_few_plays_are_refused(library: Library) -> None:
    library.add_plays([Play("somebody", "something", played_at=1.0)])
    with pytest.raises(NotReady, match="too few plays"):
        tune(library)


def test_a_tuning_is_read_back_as_it_was_written(with_audio: Tuning) -> None:
    assert Tuning.from_bytes(with_audio.to_bytes()) == with_audio


def test_a_tuning_of_release_0_1_is_read() -> None:
    stored = Tuning.from_bytes((GOLDEN / "tuning_1.json").read_bytes())
    assert stored.blend == BlendConfig(0.25, 0.1)
    assert [point.audio_weight for point in stored.curve] == [0.0, 0.25]
    assert stored.trials[0].setting == "8 factors"
    assert stored.audio_against_chance is not None
    assert (stored.data["folds"], stored.data["evaluated_users"]) == (2, 55)
    assert "2 folds, 55 users evaluated" in as_html(stored)
    assert Tuning.from_bytes(stored.to_bytes()) == stored


def test_json_repeats_renamed_keys_under_their_former_names() -> None:
    former = json.loads((GOLDEN / "tuning_1.json").read_bytes())
    written = Tuning.from_bytes((GOLDEN / "tuning_1.json").read_bytes()).to_dict()
    assert written.pop("version") == former.pop("version") + 1
    for key in ("blend", "projection", "collaborative", "sound", "data"):
        assert former[key].items() <= written[key].items()
    for key in ("trials", "curve"):
        for old, new in zip(former[key], written[key], strict=True):
            assert old.items() <= new.items()


@pytest.mark.parametrize(
    ("payload", "message"),
    [(b'{"version": 3}', "by a later release"), (b"[]", "damaged"), (b"{", "damaged")],
)
def test_a_file_that_is_no_tuning_is_refused(payload: bytes, message: str) -> None:
    with pytest.raises(LibraryError, match=message):
        Tuning.from_bytes(payload)


def test_one_standard_error_below_the_best_is_not_worse() -> None:
    rng = np.random.default_rng(0)
    best = rng.random(400)
    assert not_worse(best - 0.0001 + rng.normal(0, 0.05, 400), best)
    assert not not_worse(best - 0.02 + rng.normal(0, 0.05, 400), best)
    assert not_worse(np.full(3, np.nan), np.full(3, np.nan))


def test_users_are_averaged_over_the_folds_in_which_they_have_a_value() -> None:
    found = mean_over_folds([np.array([0.2, np.nan, np.nan]), np.array([0.4, 0.6, np.nan])])
    np.testing.assert_allclose(found, [0.3, 0.6, np.nan])
