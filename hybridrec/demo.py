"""The demo: every step on synthesised music, without a download, with simulated users."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from hybridrec.data.plays import Play
from hybridrec.datasets.listeners import simulate_plays
from hybridrec.datasets.synthetic import synthesise_catalogue
from hybridrec.embedder.library_encoder import ensure_encoder
from hybridrec.files import sha256_of
from hybridrec.serving.answers import Answer
from hybridrec.serving.service import RecommendationService
from hybridrec.serving.uploads import TrackDetails
from hybridrec.storage.library import Library
from hybridrec.workflows.fit import fit
from hybridrec.workflows.ingest.audio import ingest_audio
from hybridrec.workflows.ingest.plays import ingest_plays

TRACKS = 240
FRESH_SEED = 1
Say = Callable[[str], object]
Show = Callable[[Answer], object]


def prepare_demo(
    directory: Path, *, music: Path | None, say: Say, show: Show, tracks: int = TRACKS
) -> Path:
    """Build the demo's library; show results for a user, a seed song and a new upload.

    Results of an earlier run are kept, so that a second run is fast.

    Args:
        directory: where the synthesised music and the library go.
        music: a folder of the user's own audio; None synthesises a small catalogue.
        say: called with a line of text for each step.
        show: called with each answer.
        tracks: how many tracks to synthesise.

    Returns:
        The library's directory, ready to be served.
    """
    begin = time.monotonic()
    if music is None:
        say(f"Synthesising {tracks} tracks")
        synthesise_catalogue(directory / "music", tracks=tracks)
    place = directory / ("library" if music is None else f"library-{_short_name(music)}")
    with Library.open(place, create=True) as library:
        _ingest(library, music or directory / "music", say)
        _simulate_users(library, directory / "simulated-plays.csv", say)
        say("\nFitting the model")
        fit(library)
        _show_answers(library, _fresh_upload(directory, music), say, show)
    say(f"\nThe demo took {time.monotonic() - begin:.0f} s; its library is {place}")
    return place


def _short_name(folder: Path) -> str:
    """A name unique to a folder, so that each folder of music gets a library of its own."""
    whole = folder.resolve()
    return f"{whole.name}-{sha256_of(bytes(whole))[:8]}"


def _ingest(library: Library, music: Path, say: Say) -> None:
    say("\nEmbedding them")
    embedded = ingest_audio(library, music, ensure_encoder(library))
    for unreadable in embedded.failed:
        say(f"  not read: {unreadable.path}: {unreadable.why}")
    counts = f"{embedded.added} tracks added, {embedded.unchanged} unchanged"
    say(f"{counts}, {embedded.tracks_per_second:.1f} tracks/s")


def _simulate_users(library: Library, file: Path, say: Say) -> None:
    if library.status()["plays"]:
        return
    tracks = library.find_tracks(limit=100_000)
    styles = [track.genre or track.album for track in tracks]
    plays = simulate_plays([track.id for track in tracks], styles)
    _write_plays(plays, file)
    report = ingest_plays(library, file)
    users = library.status()["users"]
    counts = f"{users} users, {report.added} plays"
    say(f"\nSimulated users, whose plays depend on audio only in part: {counts}")


def _write_plays(plays: list[Play], file: Path) -> None:
    columns = ["user", "track", "played_at", "fraction", "weight"]
    rows = [[getattr(play, column) for column in columns] for play in plays]
    pd.DataFrame(rows, columns=columns).to_csv(file, index=False)


def _fresh_upload(directory: Path, music: Path | None) -> Path | None:
    """A synthesised track outside the catalogue; None where the music is the user's own."""
    if music is not None:
        return None
    upload = directory / "upload"
    made = synthesise_catalogue(upload, tracks=1, seed=FRESH_SEED, progress=False)
    return Path(made[0].path)


def _show_answers(library: Library, fresh: Path | None, say: Say, show: Show) -> None:
    with RecommendationService(library) as service:
        user = library.find_users(limit=1)[0].id
        say(f"\nFor {user}:")
        show(service.recommend(user, 5))
        seed = library.find_tracks(limit=1)[0]
        say(f"\nSimilar to {seed.name} ({seed.id}):")
        show(service.similar(seed.id, 5))
        if fresh is not None:
            track, _ = service.add_track(fresh, TrackDetails(filename=fresh.name))
            upload = f"{track.name} ({track.genre})"
            say(f"\nSimilar to the new upload {upload}, which nobody has played:")
            show(service.similar(track.id, 5))
