"""What others write reaches the live model: at once where that is promised, else soon after."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from sqlalchemy import event

from hybridrec.data.embeddings import Embeddings
from hybridrec.data.plays import Play
from hybridrec.data.tracks import Track
from hybridrec.errors import LibraryError
from hybridrec.serving import fold_in, live_model
from hybridrec.serving import reload as model_reload
from hybridrec.serving.live_model import LiveModel
from hybridrec.serving.loading import load_live_model
from hybridrec.serving.reload import ModelReload
from hybridrec.serving.service import RecommendationService
from hybridrec.storage.library import Library
from hybridrec.workflows.fit import fit

ENCODER = "external:two-styles"


@contextmanager
def statements_of(library: Library) -> Iterator[list[str]]:
    """The statements that are sent to the database inside the block."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    event.listen(library.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(library.engine, "before_cursor_execute", note)


def put_embedded(library: Library, ids: list[str]) -> None:
    rng = np.random.default_rng(1)
    library.put_tracks([Track(id_) for id_ in ids])
    library.put_embeddings(
        Embeddings(ENCODER, tuple(ids), rng.normal(size=(len(ids), 128)).astype(np.float32))
    )


@pytest.fixture
def no_background(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is applied in the background."""
    monkeypatch.setattr(ModelReload, "_wake", lambda self: None)


@pytest.mark.usefixtures("no_background")
@pytest.mark.parametrize("written", [1, 40, 800])
def test_a_request_sends_as_many_statements_however_much_others_wrote(
    fitted_library: Library, written: int
) -> None:
    with RecommendationService(fitted_library) as service:
        service.recommend("user-00")
        with statements_of(fitted_library) as quiet:
            service.recommend("user-00")
        put_embedded(fitted_library, [f"new-{n}" for n in range(written)])
        tracks = [f"calm-{n % 18:02d}" for n in range(written)]
        fitted_library.add_plays([Play(f"other-{n}", track) for n, track in enumerate(tracks)])
        with statements_of(fitted_library) as busy:
            service.recommend("user-00")
        assert len(busy) <= len(quiet) + 12  # each read sends BEGIN too


@pytest.mark.usefixtures("no_background")
def test_uploads_and_deletions_are_known_at_once_even_after_a_large_import(
    fitted_library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_model, "MAX_TRACKS_PER_REQUEST", 5)
    with RecommendationService(fitted_library) as service:
        service.recommend("user-00")
        put_embedded(fitted_library, [f"new-{n}" for n in range(50)])
        put_embedded(fitted_library, ["upload"])
        fitted_library.delete_track("calm-18")
        found = {hit.track.id for hit in service.recommend("user-00", 100).hits}
        assert "upload" in found
        assert "calm-18" not in found


@pytest.mark.usefixtures("no_background")
def test_no_request_waits_for_a_new_model(
    fitted_library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RecommendationService(fitted_library) as service:
        before = service.recommend("user-00")
        fit(fitted_library)

        def never(_library: Library) -> LiveModel:
            raise AssertionError("a request loaded a model")

        monkeypatch.setattr(model_reload, "load_live_model", never)
        assert service.recommend("user-00").model_version == before.model_version


def test_many_played_tracks_are_folded_in_with_few_statements(fitted_library: Library) -> None:
    live = load_live_model(fitted_library)
    fitted_library.add_plays(
        [Play("x", f"{style}-{n:02d}") for style in ("calm", "loud") for n in range(20)]
    )
    with statements_of(fitted_library) as sent:
        live.catch_up()
    assert len([one for one in sent if not one.startswith("BEGIN")]) <= 8
    built = LiveModel.built(fitted_library)
    order = built.ids.rows(list(live.ids))
    np.testing.assert_array_equal(live.model.tracks.support, built.model.tracks.support[order])


def test_a_new_track_is_folded_in_from_a_bounded_number_of_listeners(
    fitted_library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fold_in, "MAX_LISTENERS", 5)
    asked: list[int] = []
    real = Library.tracks_of

    def counting(self: Library, users: list[int], most: int) -> Any:
        asked.append(len(users))
        return real(self, users, most)

    monkeypatch.setattr(Library, "tracks_of", counting)
    live = load_live_model(fitted_library)
    fitted_library.add_plays([Play(f"user-{user:02d}", "hit") for user in range(0, 30, 2)])
    live.catch_up()
    assert sum(asked) == 5
    assert live.support("hit") == 15
    assert live.model.tracks.support[live.ids.row("hit")] == 15
    hit, calm, loud = (
        live.model.tracks.factors[live.ids.rows([id_])][0] for id_ in ("hit", "calm-00", "loud-00")
    )
    assert hit @ calm > hit @ loud


def failing(real: Callable[..., Any], times: int) -> Callable[..., Any]:
    left = [times]

    def once_more(*arguments: Any, **named: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise LibraryError("the connection is gone")
        return real(*arguments, **named)

    return once_more


@pytest.mark.usefixtures("no_background")
@pytest.mark.parametrize("method", ["seq", "newest_tracks", "tracks", "embeddings"])
def test_after_a_request_that_failed_midway_the_next_applies_everything(
    fitted_library: Library, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    with RecommendationService(fitted_library) as service:
        service.recommend("user-00")
        put_embedded(fitted_library, ["upload"])
        fitted_library.delete_track("calm-18")
        monkeypatch.setattr(Library, method, failing(getattr(Library, method), 1))
        with pytest.raises(LibraryError, match="the connection is gone"):
            service.recommend("user-00")
        found = {hit.track.id for hit in service.recommend("user-00", 100).hits}
        assert "upload" in found
        assert "calm-18" not in found
        assert not service._model_reload.current().model.tracks.scorable[
            service._model_reload.current().ids.row("calm-18")
        ]


@pytest.mark.parametrize(
    "method", ["changes_since", "tracks", "embeddings", "support", "listeners_of", "tracks_of"]
)
def test_catching_up_that_failed_midway_is_repeated_as_a_whole(
    fitted_library: Library, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    live = load_live_model(fitted_library)
    put_embedded(fitted_library, ["upload"])
    fitted_library.add_plays([Play("user-00", "calm-18"), Play("user-02", "calm-18")])
    monkeypatch.setattr(Library, method, failing(getattr(Library, method), 1))
    with pytest.raises(LibraryError, match="the connection is gone"):
        live.catch_up()
    live.catch_up()
    assert live.model.tracks.has_audio[live.ids.row("upload")]
    row = live.ids.row("calm-18")
    assert live.support("calm-18") == live.model.tracks.support[row] == 2
    assert live.model.tracks.factors[row].any()
    before = live.model.tracks.factors[row].copy()
    live.state.seq = 0
    live.catch_up()
    np.testing.assert_allclose(live.model.tracks.factors[row], before, rtol=1e-2, atol=1e-3)


def test_the_background_applies_what_was_written_after_an_error(
    fitted_library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RecommendationService(fitted_library) as service:
        service.recommend("user-00")
        fitted_library.add_plays([Play("user-00", "calm-18")])
        monkeypatch.setattr(Library, "support", failing(Library.support, 3))
        for _ in range(4):
            service.recommend("user-00")
            assert service.settle()
        hits = {hit.track.id: hit for hit in service.recommend("user-02", 40).hits}
        assert hits["calm-18"].support == 1


def test_the_background_does_not_undo_what_a_request_applied_meanwhile(
    fitted_library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = load_live_model(fitted_library)
    fitted_library.delete_track("calm-18")
    real = Library.embeddings

    def slow(self: Library, *arguments: Any) -> Embeddings:
        found = real(self, *arguments)
        monkeypatch.setattr(Library, "embeddings", real)
        put_embedded(fitted_library, ["calm-18"])
        assert live.apply_newest()
        return found

    monkeypatch.setattr(Library, "embeddings", slow)
    live.catch_up()
    assert live.model.tracks.has_audio[live.ids.row("calm-18")]


def test_factors_of_tracks_do_not_depend_on_how_many_users_are_read_at_once(
    fitted_library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = load_live_model(fitted_library)
    model, ids = live.model.fitted_model, ["calm-00", "calm-18", "loud-03", "loud-00"]
    at_once = fold_in.fold_in_tracks(fitted_library, model, live.ids, ids)
    monkeypatch.setattr(fold_in, "USERS_PER_STATEMENT", 3)
    in_blocks = fold_in.fold_in_tracks(fitted_library, model, live.ids, ids)
    np.testing.assert_allclose(in_blocks, at_once, rtol=1e-4, atol=1e-6)
    assert at_once.any(axis=1).tolist() == [True, False, True, True]  # calm-18 is cold
