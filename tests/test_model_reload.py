"""The processes of a machine serve from files that they share, and go over to newer ones while they answer."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from waiting import attempts

from hybridrec.data.embeddings import Embeddings
from hybridrec.data.plays import Play
from hybridrec.data.tracks import Track
from hybridrec.datasets.synthetic_interactions import make_synthetic_interactions
from hybridrec.model import ranking
from hybridrec.serving import live_model
from hybridrec.serving import reload as model_reload
from hybridrec.serving.answers import Filters
from hybridrec.serving.live_model import LiveModel
from hybridrec.serving.service import RecommendationService
from hybridrec.storage.library import Library
from hybridrec.workflows.fit import fit

ENCODER = "external:crowd"
TRACKS = 1500


def put_synthetic_interactions(library: Library) -> None:
    synthetic = make_synthetic_interactions(TRACKS, 200, 30, genres=20, dimensions=16)
    ids = tuple(f"t{row:04d}" for row in range(TRACKS))
    library.put_tracks(
        Track(id_, title=f"song {id_}", artist=f"band {row % 50}") for row, id_ in enumerate(ids)
    )
    library.put_embeddings(Embeddings(ENCODER, ids, synthetic.embeddings))
    library.set_fingerprint(ENCODER)
    users, tracks = synthetic.plays.nonzero()
    library.add_plays(
        [
            Play(f"u{u}", ids[t], played_at=float(n))
            for n, (u, t) in enumerate(zip(users, tracks, strict=True))
        ]
    )


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a library that is large enough for an index, fitted with one."""
    place = tmp_path_factory.mktemp("filled") / "library"
    with Library.open(place, create=True) as library:
        put_synthetic_interactions(library)
        assert (fit(library, index_from=1000).recall or 0.0) >= 0.99
    return place


@pytest.fixture
def large(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    """A copy of it, served as large libraries are."""
    monkeypatch.setattr(ranking, "FEW_ROWS", 100)
    monkeypatch.setattr(model_reload, "INDEXED_FROM", 1000)
    monkeypatch.setattr(live_model, "MOST_FRESH", 5)
    shutil.copytree(filled, tmp_path / "library")
    with Library.open(tmp_path / "library") as library:
        yield library


def ids(service: RecommendationService, user: str = "u3") -> list[str]:
    return [hit.track.id for hit in service.recommend(user, 10).hits]


def embed(library: Library, id_: str, like: str) -> None:
    vector = library.embeddings(ENCODER, [like]).vectors
    library.put_tracks([Track(id_)])
    library.put_embeddings(Embeddings(ENCODER, (id_,), vector))


def test_answers_through_files_and_index_are_those_of_the_model_itself(large: Library) -> None:
    built = LiveModel.built(large)
    built.model.fitted_model.indexes = None
    with RecommendationService(large) as service:
        for user in ("u3", "u50", "u120"):
            played = built.user_row(large.user_weights(user))
            row, _ = built.model.recommend(0, played, 10, recalculate_user=True)
            expected = {built.ids.id(int(place)) for place in row}
            assert len(expected & set(ids(service, user))) >= 9


def test_files_are_written_once_and_then_only_opened(
    large: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RecommendationService(large) as service:
        first = ids(service)
    monkeypatch.delattr(LiveModel, "built")
    with RecommendationService(Library.open(large.opened_at)) as service:
        assert ids(service) == first


def test_large_columns_are_mapped_in_half_precision_and_changes_stay_with_who_made_them(
    large: Library,
) -> None:
    one, other = model_reload.open_live_model(large), model_reload.open_live_model(large)
    for name in ("factors", "features", "embeddings"):
        column = getattr(one.model.tracks, name)
        assert column.dtype == np.float16
        assert isinstance(one.model.tracks._room[name].base, np.memmap)
    one.model.tracks.factors[0] = 7.0
    assert not (other.model.tracks.factors[0] == 7.0).any()
    assert not (model_reload.open_live_model(large).model.tracks.factors[0] == 7.0).any()


def test_a_new_track_comes_at_once_and_later_from_the_index(large: Library) -> None:
    with RecommendationService(large) as service:
        embed(large, "new", like="t0007")
        assert service.similar("t0007", 3, audio_weight=1.0).hits[0].track.id == "new"
        for n in range(8):
            embed(large, f"more-{n}", like=f"t01{n}0")
        await_successor(service)
        tier = service.figures()["index_fresh_tracks"][0]
        assert tier <= 5
        assert service.similar("t0007", 3, audio_weight=1.0).hits[0].track.id == "new"
        assert service.similar("t0170", 3, audio_weight=1.0).hits[0].track.id == "more-7"


def test_a_deleted_track_never_comes_back(large: Library) -> None:
    with RecommendationService(large) as service:
        gone = ids(service)[0]
        service.delete_track(gone)
        assert gone not in ids(service)
        for n in range(8):
            embed(large, f"more-{n}", like=f"t01{n}0")
        await_successor(service)
        assert gone not in ids(service)
    with RecommendationService(Library.open(large.opened_at)) as service:
        assert gone not in ids(service)


def test_a_new_fit_is_taken_over_while_every_request_is_answered(large: Library) -> None:
    with RecommendationService(large) as service:
        before = service.recommend("u3").model_version
        fit(large, index_from=1000)
        versions = [service.recommend("u3").model_version]
        for _ in attempts():
            service.add_plays([Play("u3", "t0001", played_at=1e9 + len(versions))])
            answer = service.recommend("u3")
            assert len(answer.hits) == 10
            assert "t0001" not in [hit.track.id for hit in answer.hits]
            versions.append(answer.model_version)
            if versions[-1] != before:
                break
        assert set(versions) == {before, before + 1}


def test_a_fit_that_comes_while_a_successor_is_made_is_not_missed(
    large: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, go_on = threading.Event(), threading.Event()
    real = model_reload.open_live_model

    def slow(library: Library) -> LiveModel:
        live = real(library)
        opened.set()
        go_on.wait(60)
        return live

    with RecommendationService(large) as service:
        before = service.recommend("u3").model_version
        monkeypatch.setattr(model_reload, "open_live_model", slow)
        for n in range(8):
            embed(large, f"more-{n}", like=f"t01{n}0")
        service.recommend("u3")
        assert opened.wait(60)
        fit(large, index_from=1000)
        assert service.recommend("u3").model_version == before
        go_on.set()
        for _ in attempts():
            assert len(ids(service)) == 10
            if (version := service.recommend("u3").model_version) != before:
                break
        assert version == before + 1


def test_a_catalogue_without_sound_is_indexed_too(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_reload, "INDEXED_FROM", 1000)
    synthetic = make_synthetic_interactions(TRACKS, 200, 60, genres=20, dimensions=2)
    library.put_tracks(Track(f"t{row:04d}") for row in range(TRACKS))
    pairs = zip(*synthetic.plays.nonzero(), strict=True)
    library.add_plays(
        [Play(f"u{user}", f"t{track:04d}", played_at=1e9 + track) for user, track in pairs]
    )
    fit(library, index_from=500)
    with RecommendationService(library) as service:
        assert len(ids(service)) == 10
        assert service._model_reload.current().model.fitted_model.indexes is not None


def test_what_serves_goes_on_where_its_successor_cannot_be_made(
    large: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RecommendationService(large) as service:
        before = ids(service)
        large.save_artefact("model", b"no model", ENCODER, {})
        assert ids(service) == before
        await_successor(service)
        assert ids(service) == before


@pytest.mark.parametrize(
    "damage", ["about.json", "ids.json", "model.npz", "tracks/support.npy", "users.faiss"]
)
def test_damaged_files_are_written_anew(large: Library, damage: str) -> None:
    with RecommendationService(large) as service:
        before = ids(service)
    (file,) = Path(large.opened_at).glob(f"*-serving/now/{damage}")
    file.write_bytes(file.read_bytes()[:100])
    with RecommendationService(Library.open(large.opened_at)) as service:
        assert ids(service) == before


def test_files_of_another_library_are_not_used(large: Library, tmp_path: Path) -> None:
    with RecommendationService(large) as service:
        ids(service)
    (files,) = Path(large.opened_at).glob("*-serving")
    with Library.open(tmp_path / "other", create=True) as other:
        other.put_tracks([Track("only")])
        shutil.copytree(files, tmp_path / "other" / files.name)
        with RecommendationService(other) as service:
            assert service.readiness()["tracks"] == 1
            assert service.recommend("u3").hits == []


def test_where_no_files_can_be_written_it_serves_without_sharing(large: Library) -> None:
    model_reload._files(large)._folder.write_text("a file where the folder should be")
    with RecommendationService(large) as service:
        assert len(ids(service)) == 10
        assert service.recommend("u3", filters=Filters(artist="band 3")).hits


def await_successor(service: RecommendationService) -> None:
    """Ask until no successor is under way."""
    service.recommend("u3")
    assert service.settle()
