"""Files and libraries that earlier releases wrote still open, and mean the same."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from hybridrec import HybridRecommender
from hybridrec.config import AudioLimits, BlendConfig, CollaborativeConfig, ProjectionConfig
from hybridrec.errors import LibraryError
from hybridrec.evaluation.significance import Difference
from hybridrec.evaluation.tuning_report import Tuning
from hybridrec.model.serialization import FORMAT_VERSION
from hybridrec.model.store import load_model
from hybridrec.serving.service import RecommendationService
from hybridrec.storage.library import Library
from hybridrec.workflows.fit import fit
from hybridrec.workflows.tuning import tuned

GOLDEN = Path(__file__).parent / "golden"
N = 12


def checkerboard() -> sp.csr_matrix:
    """Every user has played the items of the same parity, except the one of the same number."""
    plays = (np.add.outer(np.arange(N), np.arange(N)) % 2 == 0).astype(np.float32)
    np.fill_diagonal(plays, 0)
    return sp.csr_matrix(plays)


@pytest.mark.parametrize("version", range(1, FORMAT_VERSION + 1))
def test_a_model_of_each_format_is_read(version: int) -> None:
    model = HybridRecommender.load(str(GOLDEN / f"recommender_{version}.npz"))
    plays = checkerboard()
    found = [int(model.recommend(user, plays[user], N=1)[0][0]) for user in range(N)]
    assert found == list(range(N))
    assert set(model.similar_items(3, N=4)[0] % 2) == {1}


def test_a_model_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    with np.load(GOLDEN / f"recommender_{FORMAT_VERSION}.npz", allow_pickle=False) as golden:
        arrays = dict(golden)
    newer = FORMAT_VERSION + 1
    present, future = f'"version": {FORMAT_VERSION}', f'"version": {newer}'
    assert present in str(arrays["settings"])
    arrays["settings"] = np.array(str(arrays["settings"]).replace(present, future))
    np.savez(tmp_path / "newer.npz", **arrays)
    says = f"newer than this program; got {newer}; upgrade hybridrec"
    with pytest.raises(LibraryError, match=says):
        HybridRecommender.load(str(tmp_path / "newer.npz"))


def test_a_model_with_an_index_answers_as_it_did_in_release_0_1() -> None:
    model = HybridRecommender.load(str(GOLDEN / "recommender_2_index.npz"))
    assert model.blend == BlendConfig(audio_weight=0.25, half_life=2.0)
    indexes = model.fitted_model.indexes
    assert indexes is not None
    assert all(search.recall > 0.9 for search in indexes.users.search_parameters)
    items, scores = model.recommend(
        3, None, N=5, filter_already_liked_items=False, audio_weight=0.4
    )
    assert items.tolist() == [703, 143, 85, 1091, 69]
    expected = [1.8672707, 1.8237225, 1.7108630, 1.6981015, 1.6929173]
    np.testing.assert_allclose(scores, expected, rtol=1e-4)
    similar, scores = model.similar_items(11, N=5)
    assert similar.tolist() == [11, 509, 865, 1023, 235]
    expected = [1.0621465, 1.0067515, 1.0054369, 1.0028069, 0.9986278]
    np.testing.assert_allclose(scores, expected, rtol=1e-4)


def test_a_tuning_of_release_0_1_is_read() -> None:
    tuning = Tuning.from_bytes((GOLDEN / "tuning_0_1.json").read_bytes())
    assert tuning.collaborative == CollaborativeConfig(factors=8, regularization=2.5, alpha=3.0)
    assert tuning.projection == ProjectionConfig(user_ridge=12.0)
    assert tuning.blend == BlendConfig(audio_weight=0.25, half_life=0.1)
    assert [point.audio_weight for point in tuning.curve] == [0.0, 0.25]
    assert tuning.audio_against_chance == Difference(0.125, 0.0625, 0.1875, 0.015625, 12)
    assert Tuning.from_bytes(tuning.to_bytes()) == tuning


def test_a_library_of_release_0_1_answers_and_can_be_fitted_again(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "library.sqlite3") as database:
        database.executescript((GOLDEN / "library_0_1.sql").read_text(encoding="utf-8"))
    with Library.open(tmp_path) as library:
        tuning = tuned(library)
        assert tuning is not None
        assert tuning.blend == BlendConfig(audio_weight=0.25, half_life=0.5)
        model, track_ids = load_model(library)
        assert (len(track_ids), model.projection.user_ridge) == (20, 12.0)
        with RecommendationService(Library.open(tmp_path)) as service:
            hits = service.recommend("user-0", 4).hits
        assert [hit.track.id for hit in hits] == ["calm-09", "calm-05", "calm-00", "calm-03"]
        expected = [1.1283, 0.9386, 0.6576, 0.5902]
        assert [hit.score for hit in hits] == pytest.approx(expected, abs=2e-3)
        assert fit(library).tuning == 1


@pytest.mark.parametrize(
    ("kind", "stored", "attribute", "value"),
    [
        (BlendConfig, {"audio_share": 0.5}, "audio_weight", 0.5),
        (ProjectionConfig, {"taste_ridge": 7.0}, "user_ridge", 7.0),
        (AudioLimits, {"max_hearing_seconds": 9.0}, "max_embedding_seconds", 9.0),
    ],
)
def test_settings_of_earlier_releases_have_their_present_names(
    kind: Any, stored: dict[str, float], attribute: str, value: float
) -> None:
    settings = kind.from_dict(stored)
    assert getattr(settings, attribute) == value
    assert set(stored).isdisjoint(settings.to_dict())
