"""`tune` chooses by evidence, keeps what it chose, and every later fit goes by it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from hybridrec.config import BlendConfig, CollaborativeConfig, ProjectionConfig
from hybridrec.data.plays import Play
from hybridrec.errors import LibraryError, NotReady
from hybridrec.evaluation.selection import mean_over_folds, not_worse
from hybridrec.model.store import load_model
from hybridrec.serving.service import RecommendationService
from hybridrec.storage.library import Library
from hybridrec.workflows.fit import fit
from hybridrec.workflows.tune import search as tune_module
from hybridrec.workflows.tune.page import as_html, in_words, write_curves
from hybridrec.workflows.tune.search import search, steps, tune, validation_folds
from hybridrec.workflows.tuning import Tuning, tuned

USERS, TRACKS, DIMENSIONS = 240, 200, 6


@pytest.fixture(scope="module")
def world() -> tuple[sp.csr_matrix, np.ndarray]:
    """Users who like what sounds near to them, some tracks being far better known than others."""
    rng = np.random.default_rng(5)
    sounds, user_vectors = rng.normal(size=(TRACKS, DIMENSIONS)), rng.normal(size=(USERS, DIMENSIONS))
    fame = -1.1 * np.log(1.0 + rng.permutation(TRACKS))
    drawn = user_vectors @ sounds.T + fame + rng.gumbel(size=(USERS, TRACKS))
    rows = np.repeat(np.arange(USERS), 10)
    columns = np.argsort(-drawn, axis=1)[:, :10].ravel()
    return sp.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=(USERS, TRACKS)), sounds


def searched(plays: sp.csr_matrix, sounds: np.ndarray | None) -> tuple[Tuning, int, int]:
    folds = validation_folds(plays, sounds, seed=0)
    calls: list[None] = []
    return search(folds, done=lambda: calls.append(None)), len(calls), steps(folds[0])


@pytest.fixture(scope="module")
def by_sound(world: tuple[sp.csr_matrix, np.ndarray]) -> Tuning:
    return searched(*world)[0]


@pytest.fixture(scope="module")
def by_plays(world: tuple[sp.csr_matrix, np.ndarray]) -> Tuning:
    tuning, called, foretold = searched(world[0], None)
    assert called == foretold
    return tuning


@pytest.fixture(scope="module")
def by_noise(world: tuple[sp.csr_matrix, np.ndarray]) -> Tuning:
    plays, sounds = world
    return searched(plays, np.random.default_rng(1).permutation(sounds))[0]


def test_sound_that_tells_of_tastes_is_given_weight(by_sound: Tuning) -> None:
    assert by_sound.blend.audio_weight > 0
    assert by_sound.sound is not None
    assert by_sound.sound.p_value < 0.01


def test_sound_that_tells_nothing_is_given_none(by_noise: Tuning) -> None:
    assert by_noise.blend == BlendConfig(0.0, 0.0)
    verdicts = {trial.verdict for trial in by_noise.trials if trial.words.startswith("audio weight")}
    assert "sound is no better than chance" in verdicts


def test_the_weights_that_are_chosen_are_not_worse_than_behaviour_alone(by_sound: Tuning) -> None:
    weights = [trial for trial in by_sound.trials if trial.words.startswith("audio weight")]
    (chosen,) = [trial for trial in weights if trial.verdict == "chosen"]
    assert weights[0].words == "audio weight 0, half-life 0"
    assert chosen.ndcg["all"] >= weights[0].ndcg["all"]
    assert chosen.words == by_sound.blend.in_words()


def test_the_curve_has_an_interval_at_every_audio_share(by_sound: Tuning) -> None:
    assert [point.audio_weight for point in by_sound.curve][:2] == [0.0, 0.05]
    assert by_sound.curve[-1].audio_weight == 1.0
    for point in by_sound.curve:
        assert all(mean.low <= mean.mean <= mean.high for mean in point.ndcg.values())
    at_choice = next(p for p in by_sound.curve if p.audio_weight == by_sound.blend.audio_weight)
    (chosen,) = [t for t in by_sound.trials if t.verdict == "chosen" and t.words.startswith("audio weight")]
    assert at_choice.ndcg["all"].mean == pytest.approx(chosen.ndcg["all"])


def test_without_audio_only_als_is_chosen(by_plays: Tuning) -> None:
    assert (by_plays.sound, by_plays.curve, by_plays.blend) == (None, (), BlendConfig(0.0, 0.0))
    assert "No track can be heard" in in_words(by_plays)
    assert "nothing to weigh" in as_html(by_plays)


def test_the_same_seed_chooses_the_same_in_as_many_steps_as_foretold(
    world: tuple[sp.csr_matrix, np.ndarray], by_sound: Tuning
) -> None:
    again, called, foretold = searched(*world)
    assert (again.blend, again.collaborative) == (by_sound.blend, by_sound.collaborative)
    assert called == foretold


def test_the_evidence_can_be_read_and_seen(by_sound: Tuning, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("curves") / "new"
    write_curves(by_sound, folder)
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    page = (folder / "tuning.html").read_text()
    assert by_sound.blend.in_words() in page
    assert "http" not in page.replace("http://www.w3.org", "")  # nothing from another host
    assert "chosen" in in_words(by_sound)


def test_what_was_chosen_is_stored_and_fit_goes_by_it(fitted_library: Library) -> None:
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
    data = {"users": 1, "tracks": 1, "pairs": 1, "asked_users": 1, "cuts": 2, "seed": 0}
    return Tuning(CollaborativeConfig(factors=8), ProjectionConfig(), blend, (), (), None, data)


def test_recommendations_and_running_services_go_by_what_was_chosen(
    fitted_library: Library, service: RecommendationService
) -> None:
    before = service.recommend("user-00", 5).hits[0].audio_weight
    fitted_library.save_artefact("tuning", chosen(0.625).to_bytes(), fitted_library.encoder() or "", {})
    assert service.recommend("user-00", 5).hits[0].audio_weight == before  # the model is still the old one
    fit(fitted_library)
    played = [hit for hit in service.recommend("user-00", 20).hits if hit.support > 0]
    assert {round(hit.audio_weight, 3) for hit in played} == {0.625}


def test_a_tuning_for_other_ears_is_used_and_said(fitted_library: Library) -> None:
    fitted_library.save_artefact("tuning", chosen(0.3).to_bytes(), "other-ears", {})
    assert fit(fitted_library).other_encoder


def test_a_tuning_that_is_cut_short_changes_nothing(fitted_library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> Tuning:
        raise KeyboardInterrupt

    monkeypatch.setattr(tune_module, "search", interrupted)
    before = fitted_library.status()
    with pytest.raises(KeyboardInterrupt):
        tune(fitted_library)
    assert fitted_library.status() == before


def test_a_tuning_that_is_killed_changes_nothing_and_can_be_repeated(fitted_library: Library, tmp_path: Path) -> None:
    before = fitted_library.status()
    place = str(tmp_path / "library")
    command = [sys.executable, "-m", "hybridrec", "tune", "--library", place, "--curves", str(tmp_path / "curves")]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as tuning:
        assert tuning.stderr is not None
        assert b"tuning" in tuning.stderr.read(20)  # the bar: it is at work
        tuning.kill()
    assert tuning.returncode == -signal.SIGKILL
    assert fitted_library.status() == before
    assert tune(fitted_library)[1].tuning == 1


def test_too_few_plays_are_said_in_words(library: Library) -> None:
    library.add_plays([Play("somebody", "something", played_at=1.0)])
    with pytest.raises(NotReady, match="too few plays"):
        tune(library)


def test_a_tuning_survives_its_file(by_sound: Tuning) -> None:
    assert Tuning.from_bytes(by_sound.to_bytes()) == by_sound


@pytest.mark.parametrize(
    ("payload", "says"), [(b'{"version": 2}', "newer than this program"), (b"[]", "damaged"), (b"{", "damaged")]
)
def test_a_file_that_is_no_tuning_is_refused(payload: bytes, says: str) -> None:
    with pytest.raises(LibraryError, match=says):
        Tuning.from_bytes(payload)


def test_one_standard_error_is_the_price_of_simplicity() -> None:
    rng = np.random.default_rng(0)
    best = rng.random(400)
    assert not_worse(best - 0.0001 + rng.normal(0, 0.05, 400), best)
    assert not not_worse(best - 0.02 + rng.normal(0, 0.05, 400), best)
    assert not_worse(np.full(3, np.nan), np.full(3, np.nan))


def test_a_user_counts_by_the_cuts_in_which_she_has_a_figure() -> None:
    found = mean_over_folds([np.array([0.2, np.nan, np.nan]), np.array([0.4, 0.6, np.nan])])
    np.testing.assert_allclose(found, [0.3, 0.6, np.nan])
