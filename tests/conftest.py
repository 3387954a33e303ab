"""Fixtures that several tests share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from hybridrec.data.embeddings import Embeddings, unit_length
from hybridrec.data.plays import Play
from hybridrec.data.tracks import Track
from hybridrec.serving.service import RecommendationService
from hybridrec.storage.library import Library
from hybridrec.workflows.fit import fit

settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def data_directory() -> Path:
    """The folder of real plays and music, where the machine has it."""
    place = os.environ.get("HYBRIDREC_DATA")
    if not place:
        pytest.skip("HYBRIDREC_DATA does not name the folder of real plays and music")
    return Path(place)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    """An empty library in a directory of its own."""
    with Library.open(tmp_path / "library", create=True) as library:
        yield library


TRACKS_BY_STYLE = 20


def two_styles(seed: int = 0) -> tuple[list[Track], Embeddings, list[Play]]:
    """Forty tracks of two styles with distant embeddings, and thirty listeners of one style each.

    The last two tracks of each style are cold.
    """
    rng = np.random.default_rng(seed)
    styles = ["calm"] * TRACKS_BY_STYLE + ["loud"] * TRACKS_BY_STYLE
    tracks = [
        Track(
            f"{style}-{n % TRACKS_BY_STYLE:02d}",
            title=f"{style} song {n}",
            artist=f"{style} band",
            genre=style,
        )
        for n, style in enumerate(styles)
    ]
    centres = dict(zip(("calm", "loud"), unit_length(rng.normal(size=(2, 128))), strict=True))
    vectors = np.array([centres[style] + rng.normal(0, 0.05, 128) for style in styles])
    embeddings = Embeddings(
        "external:two-styles", tuple(track.id for track in tracks), unit_length(vectors)
    )
    plays = [
        Play(
            f"user-{user:02d}",
            f"{style}-{track:02d}",
            played_at=1_700_000_000.0 + 1000 * user + track,
        )
        for user in range(30)
        for style in [["calm", "loud"][user % 2]]
        for track in rng.choice(TRACKS_BY_STYLE - 2, size=8, replace=False)
    ]
    return tracks, embeddings, plays


@pytest.fixture(scope="session")
def embedded_place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a closed library of two styles with embeddings and no plays; copy it."""
    place = tmp_path_factory.mktemp("embedded") / "library"
    tracks, embeddings, _ = two_styles()
    with Library.open(place, create=True) as library:
        library.put_tracks(tracks)
        library.put_embeddings(embeddings)
        library.set_fingerprint(embeddings.fingerprint)
    return place


@pytest.fixture(scope="session")
def fitted_place(embedded_place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a closed library of two styles with plays and a model; copy it."""
    place = tmp_path_factory.mktemp("fitted") / "library"
    shutil.copytree(embedded_place, place)
    with Library.open(place) as library:
        library.add_plays(two_styles()[2])
        fit(library)
    return place


@pytest.fixture
def embedded_library(embedded_place: Path, tmp_path: Path) -> Iterator[Library]:
    """A library of two styles with embeddings and no plays."""
    shutil.copytree(embedded_place, tmp_path / "library")
    with Library.open(tmp_path / "library") as library:
        yield library


@pytest.fixture
def fitted_library(fitted_place: Path, tmp_path: Path) -> Iterator[Library]:
    """The library of two styles with its plays, and a model fitted to both."""
    shutil.copytree(fitted_place, tmp_path / "library")
    with Library.open(tmp_path / "library") as library:
        yield library


@pytest.fixture
def service(fitted_library: Library) -> RecommendationService:
    """A service over the fitted library of two styles."""
    return RecommendationService(fitted_library)
