"""Which of the ranked tracks are returned: by filters, and each recording once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hybridrec.data.embeddings import Embeddings
from hybridrec.data.plays import Play
from hybridrec.data.tracks import Track
from hybridrec.errors import InvalidInput
from hybridrec.serving.answers import Answer, Filters
from hybridrec.serving.service import RecommendationService
from hybridrec.storage.library import Library

USER = "user-00"


def ids(answer: Answer) -> list[str]:
    return [hit.track.id for hit in answer.hits]


def test_denied_tracks_are_left_out_of_a_full_answer(
    service: RecommendationService,
) -> None:
    first = ids(service.recommend(USER, 5))
    answer = service.recommend(USER, 5, filters=Filters(deny=tuple(first)))
    assert len(answer.hits) == 5
    assert not set(first) & set(ids(answer))


def test_only_allowed_tracks_are_returned(service: RecommendationService) -> None:
    allowed = ("loud-03", "calm-19", "nowhere")
    assert set(
        ids(service.recommend(USER, 10, filters=Filters(allow=allowed), exclude_played=False))
    ) == {
        "loud-03",
        "calm-19",
    }
    assert ids(service.similar("calm-19", 10, filters=Filters(allow=allowed))) == ["loud-03"]


def test_tracks_of_one_artist_or_album(
    service: RecommendationService, fitted_library: Library
) -> None:
    assert {
        hit.track.artist
        for hit in service.recommend(USER, 10, filters=Filters(artist="loud band")).hits
    } == {"loud band"}
    fitted_library.put_tracks([Track("calm-19", album="Quiet"), Track("loud-19", album="Quiet")])
    assert set(ids(service.recommend(USER, 10, filters=Filters(album="Quiet")))) == {
        "calm-19",
        "loud-19",
    }
    both = Filters(artist="calm band", album="Quiet", deny=("loud-19",))
    assert ids(service.recommend(USER, 10, filters=both)) == ["calm-19"]
    assert service.recommend(USER, 10, filters=Filters(artist="nobody")).hits == []


def test_limits_of_artists_and_albums_are_kept(
    service: RecommendationService, fitted_library: Library
) -> None:
    answer = service.recommend(USER, 6, filters=Filters(per_artist=3))
    artists = [hit.track.artist for hit in answer.hits]
    assert artists.count("calm band") == artists.count("loud band") == 3
    fitted_library.put_tracks([Track(f"calm-{n:02d}", album=f"Album {n % 2}") for n in range(20)])
    albums = [
        hit.track.album for hit in service.recommend(USER, 10, filters=Filters(per_album=1)).hits
    ]
    assert sorted(filter(None, albums)) == ["Album 0", "Album 1"]
    assert albums.count("") == 8


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(InvalidInput, match="per_artist must be 1 or more"):
        Filters(per_artist=0)


@pytest.fixture
def doubled(fitted_library: Library) -> Library:
    """The library with a second file of calm-19, which is a little longer at its end."""
    original = replace(fitted_library.track("calm-19"), duration_seconds=180.0)
    embedded = fitted_library.embeddings("external:two-styles", ["calm-19"]).vectors
    copy = embedded + 0.01 * np.random.default_rng(0).normal(size=embedded.shape).astype(np.float32)
    fitted_library.put_tracks(
        [original, replace(original, id="calm-19-mp3", duration_seconds=180.9)]
    )
    fitted_library.put_embeddings(Embeddings("external:two-styles", ("calm-19-mp3",), copy))
    return fitted_library


def test_a_recording_in_two_files_is_returned_once_and_names_the_other(doubled: Library) -> None:
    with RecommendationService(doubled) as service:
        hits = {hit.track.id: hit for hit in service.recommend(USER, 40).hits}
        both = {"calm-19", "calm-19-mp3"}
        assert len(both & set(hits)) == 1
        assert {*hits[next(iter(both & set(hits)))].same_recording} | set(hits) >= both


def test_no_file_of_a_played_recording_is_returned(doubled: Library) -> None:
    with RecommendationService(doubled) as service:
        service.add_plays([Play(USER, "calm-19", played_at=1_800_000_000.0)])
        assert not {"calm-19", "calm-19-mp3"} & set(ids(service.recommend(USER, 40)))
        assert "calm-19-mp3" not in ids(service.similar("calm-19", 40))


@pytest.mark.parametrize(
    "other",
    [{"duration_seconds": 240.0}, {"recording_mbid": "6f8bc5f2-9b51-4d37-8a8c-1a3ad1a3a3a3"}],
    ids=["another length", "another recording id"],
)
def test_another_recording_with_similar_audio_is_returned_too(
    doubled: Library, other: dict[str, Any]
) -> None:
    doubled.put_tracks([Track("calm-19", recording_mbid="0b0b0b0b-9b51-4d37-8a8c-1a3ad1a3a3a3")])
    doubled.put_tracks([replace(doubled.track("calm-19-mp3"), **other)])
    with RecommendationService(doubled) as service:
        assert set(ids(service.recommend(USER, 40))) >= {"calm-19", "calm-19-mp3"}


def test_only_a_played_track_that_sounds_alike_keeps_another_away(doubled: Library) -> None:
    lengths = {"calm-19": 180.0, "calm-19-mp3": 240.0, "loud-18": 240.0, "loud-19": 300.0}
    doubled.put_tracks(
        [replace(doubled.track(id_), duration_seconds=seconds) for id_, seconds in lengths.items()]
    )
    embedded = doubled.embeddings("external:two-styles", ["loud-18"]).vectors
    doubled.put_embeddings(Embeddings("external:two-styles", ("loud-19",), embedded))
    with RecommendationService(doubled) as service:
        service.add_plays(
            [Play(USER, track, played_at=1_800_000_000.0) for track in ("calm-19", "loud-18")]
        )
        assert {"calm-19-mp3", "loud-19"} <= set(ids(service.recommend(USER, 40)))


def test_tracks_of_which_nothing_is_known_do_not_come_when_allowed(library: Library) -> None:
    library.put_tracks([Track("silent")])
    with RecommendationService(library) as service:
        assert service.recommend("anyone", filters=Filters(allow=("silent",))).hits == []


def test_one_recording_id_is_one_recording_however_it_sounds(doubled: Library) -> None:
    mbid = "0b0b0b0b-9b51-4d37-8a8c-1a3ad1a3a3a3"
    doubled.put_tracks(
        [Track("calm-18", recording_mbid=mbid), Track("loud-18", recording_mbid=mbid)]
    )
    with RecommendationService(doubled) as service:
        assert len({"calm-18", "loud-18"} & set(ids(service.recommend(USER, 40)))) == 1


def test_limits_of_artists_cost_a_bounded_share_of_the_ranking(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracks = 5000
    rng = np.random.default_rng(0)
    library.put_tracks(
        Track(f"t{n}", artist=f"artist {n % 40}", duration_seconds=60.0) for n in range(tracks)
    )
    vectors = rng.normal(size=(tracks, 16)).astype(np.float32)
    library.put_embeddings(Embeddings("external:x", tuple(f"t{n}" for n in range(tracks)), vectors))
    library.set_fingerprint("external:x")
    looked_up: list[int] = []
    real = Library.tracks

    def counting(self: Library, ids: list[str]) -> dict[str, Track]:
        looked_up.append(len(ids))
        return real(self, ids)

    with RecommendationService(library) as service:
        service.add_plays([Play(USER, f"t{n}") for n in range(5)])
        monkeypatch.setattr(Library, "tracks", counting)
        hits = service.recommend(USER, 100, filters=Filters(per_artist=1)).hits
        assert sorted(hit.track.artist for hit in hits) == sorted(f"artist {n}" for n in range(40))
        assert sum(looked_up) <= 1000


def test_many_files_of_one_recording_are_returned_once(library: Library) -> None:
    ids = tuple(f"copy-{n:03d}" for n in range(300))
    library.put_tracks(Track(id_, duration_seconds=60.0) for id_ in (*ids, "other"))
    one, other = np.eye(2, 16, dtype=np.float32)
    library.put_embeddings(
        Embeddings("external:x", (*ids, "other"), np.array([*[one] * 300, other]))
    )
    library.set_fingerprint("external:x")
    with RecommendationService(library) as service:
        service.add_plays([Play(USER, "other")])
        hits = service.recommend(USER, 10).hits
        assert len(hits) == 1
        assert {hits[0].track.id, *hits[0].same_recording} == set(ids)
        service.add_plays([Play(USER, "copy-000")])
        assert service.recommend(USER, 10).hits == []
