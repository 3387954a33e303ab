"""Counts of a small library are exact; those of a large one are cached for a while."""

from __future__ import annotations

import threading

import pytest

from hybridrec.data.plays import Play
from hybridrec.serving import counts
from hybridrec.serving.service import RecommendationService
from hybridrec.storage.library import Library


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with every counting."""
    times: list[int] = []
    real = Library.counts

    def counting(self: Library) -> dict[str, int]:
        times.append(1)
        return real(self)

    monkeypatch.setattr(Library, "counts", counting)
    return times


def test_a_small_library_is_counted_after_each_change_and_only_then(
    fitted_library: Library, counted: list[int]
) -> None:
    with RecommendationService(fitted_library) as service:
        counted.clear()  # writing the serving files may have counted, too
        before = service.readiness()["plays"]
        for _ in range(5):
            assert service.readiness()["plays"] == before
        assert len(counted) == 1
        service.add_plays([Play("u", "calm-00")])
        assert service.readiness()["plays"] == int(str(before)) + 1


def test_a_large_library_is_not_counted_for_every_request(
    fitted_library: Library, counted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "EXACT_UP_TO_PLAYS", 10)
    with RecommendationService(fitted_library) as service:
        counted.clear()
        for n in range(5):
            service.add_plays([Play("u", "calm-00", played_at=1.0 + n)])
            assert service.readiness()["ready"]
            assert service.figures()["library_plays"][0] > 0
        assert len(counted) == 1


def test_a_renamed_figure_stays_under_its_former_name(fitted_library: Library) -> None:
    with RecommendationService(fitted_library) as service:
        figures = service.figures()
        assert figures["index_embedded_tracks"][0] == figures["index_heard_tracks"][0] == 40


def test_is_ready_counts_nothing(fitted_library: Library, counted: list[int]) -> None:
    with RecommendationService(fitted_library) as service:
        counted.clear()
        assert service.is_ready()
        assert counted == []


def test_readiness_does_not_wait_for_the_lock_of_the_model(fitted_library: Library) -> None:
    with RecommendationService(fitted_library) as service:
        answered = threading.Event()

        def ask() -> None:
            assert service.readiness()["ready"]
            assert service.is_ready()
            assert service.figures()["index_tracks"][0] == 40
            answered.set()

        with service._model_reload.current().lock:
            threading.Thread(target=ask, daemon=True).start()
            assert answered.wait(60)
