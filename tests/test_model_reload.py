"""Processes of a machine serve from shared files, and reload newer ones while they answer."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from waiting import attempts

from hybridrec.data.embeddings import Embeddings
from hybridrec.data.plays import Play
from hybridrec.data.tracks import Track
from hybridrec.datasets.synthetic_interactions import make_synthetic_interactions
from hybridrec.model import ranking
from hybridrec.serving import live_model, loading
from hybridrec.serving import reload as model_reload
from hybridrec.serving.answers import Filters
from hybridrec.serving.files import FORMAT_VERSION
from hybridrec.serving.live_model import LiveModel
from hybridrec.serving.service import RecommendationService
from hybridrec.storage.library import Library
from hybridrec.workflows.fit import fit

pytestmark = pytest.mark.slow

ENCODER = "external:synthetic"
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
    """A copy of it, which is served as large libraries are."""
    monkeypatch.setattr(ranking, "FEW_ROWS", 100)
    monkeypatch.setattr(loading, "INDEXED_FROM", 1000)
    monkeypatch.setattr(live_model, "MAX_FRESH", 5)
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


def test_files_are_written_once_and_read_from_then_on(
    large: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RecommendationService(large) as service:
        first = ids(service)
    monkeypatch.delattr(LiveModel, "built")
    with RecommendationService(Library.open(large.opened_at)) as service:
        assert ids(service) == first


def test_large_columns_are_mapped_in_half_precision_and_changes_stay_in_a_process(
    large: Library,
) -> None:
    one, other = loading.load_live_model(large), loading.load_live_model(large)
    for name in ("factors", "features", "embeddings"):
        column = getattr(one.model.tracks, name)
        assert column.dtype == np.float16
        assert isinstance(one.model.tracks._room[name].base, np.memmap)
    one.model.tracks.factors[0] = 7.0
    assert not (other.model.tracks.factors[0] == 7.0).any()
    assert not (loading.load_live_model(large).model.tracks.factors[0] == 7.0).any()


def test_a_new_track_is_found_at_once_and_later_by_the_index(large: Library) -> None:
    with RecommendationService(large) as service:
        embed(large, "new", like="t0007")
        assert service.similar("t0007", 3, audio_weight=1.0).hits[0].track.id == "new"
        for n in range(8):
            embed(large, f"more-{n}", like=f"t01{n}0")
        await_reload(service)
        assert service.figures()["index_fresh_tracks"][0] <= 5
        assert service.similar("t0007", 3, audio_weight=1.0).hits[0].track.id == "new"
        assert service.similar("t0170", 3, audio_weight=1.0).hits[0].track.id == "more-7"


def test_a_deleted_track_is_never_recommended_again(large: Library) -> None:
    with RecommendationService(large) as service:
        gone = ids(service)[0]
        service.delete_track(gone)
        assert gone not in ids(service)
        for n in range(8):
            embed(large, f"more-{n}", like=f"t01{n}0")
        await_reload(service)
        assert gone not in ids(service)
    with RecommendationService(Library.open(large.opened_at)) as service:
        assert gone not in ids(service)


def test_a_new_fit_is_reloaded_while_every_request_is_answered(large: Library) -> None:
    with RecommendationService(large) as service:
        before = service.recommend("u3").model_version
        assert before is not None
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


def test_a_fit_that_ends_during_a_reload_is_not_missed(
    large: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, go_on = threading.Event(), threading.Event()
    real = loading.load_live_model

    def slow(library: Library) -> LiveModel:
        live = real(library)
        loaded.set()
        go_on.wait(60)
        return live

    with RecommendationService(large) as service:
        before = service.recommend("u3").model_version
        assert before is not None
        monkeypatch.setattr(model_reload, "load_live_model", slow)
        for n in range(8):
            embed(large, f"more-{n}", like=f"t01{n}0")
        service.recommend("u3")
        assert loaded.wait(60)
        fit(large, index_from=1000)
        assert service.recommend("u3").model_version == before
        go_on.set()
        for _ in attempts():
            assert len(ids(service)) == 10
            if (version := service.recommend("u3").model_version) != before:
                break
        assert version == before + 1


def test_a_catalogue_without_audio_is_indexed_too(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "INDEXED_FROM", 1000)
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


def test_the_present_model_goes_on_serving_where_the_next_cannot_be_loaded(
    large: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RecommendationService(large) as service:
        before = ids(service)
        large.save_artefact("model", b"no model", ENCODER, {})
        assert ids(service) == before
        await_reload(service)
        assert ids(service) == before


def now(library: Library) -> Path:
    """The folder of the files that a library is served from."""
    (folder,) = Path(library.opened_at).glob("*-serving/now")
    return folder


DAMAGES: list[tuple[str, bytes | None]] = [
    ("about.json", None),
    ("ids.json", None),
    ("model.npz", None),
    ("tracks/support.npy", None),
    ("users.faiss", None),
    ("tracks/support.npy", b""),
    ("about.json", b"[1]"),
]
"""A file and what it holds after the damage; None is its first 100 bytes."""


@pytest.mark.parametrize(("name", "content"), DAMAGES)
def test_damaged_files_are_written_again(large: Library, name: str, content: bytes | None) -> None:
    with RecommendationService(large) as service:
        before = ids(service)
    file = now(large) / name
    whole = file.read_bytes()
    file.write_bytes(whole[:100] if content is None else content)
    with RecommendationService(Library.open(large.opened_at)) as service:
        assert ids(service) == before
    assert len(file.read_bytes()) == len(whole)


def set_format(folder: Path, version: int) -> None:
    header = json.loads((folder / "about.json").read_text())
    (folder / "about.json").write_text(json.dumps(header | {"format": version}))


def make_release_0_1(folder: Path) -> None:
    """Names of columns and of the model's arrays as release 0.1 had them."""
    set_format(folder, 1)
    (folder / "tracks" / "has_audio.npy").rename(folder / "tracks" / "heard.npy")


def make_later_release(folder: Path) -> None:
    set_format(folder, FORMAT_VERSION + 1)


def rename_column(folder: Path) -> None:
    """A release that renames an array without a new format."""
    (folder / "tracks" / "has_audio.npy").rename(folder / "tracks" / "with_audio.npy")


@pytest.mark.parametrize("make", [make_release_0_1, make_later_release, rename_column])
def test_files_of_another_release_are_written_again(
    large: Library, make: Callable[[Path], None]
) -> None:
    with RecommendationService(large) as service:
        before = ids(service)
    names = {path.name for path in now(large).rglob("*")}
    make(now(large))
    with RecommendationService(Library.open(large.opened_at)) as service:
        assert ids(service) == before
    assert json.loads((now(large) / "about.json").read_text())["format"] == FORMAT_VERSION
    assert {path.name for path in now(large).rglob("*")} == names


def test_files_of_another_library_are_not_used(large: Library, tmp_path: Path) -> None:
    with RecommendationService(large) as service:
        ids(service)
    files = now(large).parent
    with Library.open(tmp_path / "other", create=True) as other:
        other.put_tracks([Track("only")])
        shutil.copytree(files, tmp_path / "other" / files.name)
        with RecommendationService(other) as service:
            assert service.readiness()["tracks"] == 1
            assert service.recommend("u3").hits == []


def test_a_process_serves_alone_where_no_files_can_be_written(large: Library) -> None:
    loading.serving_files(large)._folder.write_text("a file where the folder should be")
    with RecommendationService(large) as service:
        assert len(ids(service)) == 10
        assert service.recommend("u3", filters=Filters(artist="band 3")).hits


def await_reload(service: RecommendationService) -> None:
    """Ask once, and wait until no reload is under way."""
    service.recommend("u3")
    assert service.settle()
