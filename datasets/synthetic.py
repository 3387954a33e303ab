"""A small catalogue that the project synthesises itself, for demo and tests; see synthetic.md, its data card."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import joblib
import mutagen
import numpy as np
import soundfile
from joblib.externals.loky import get_reusable_executor
from tqdm import tqdm

from hybridrec.errors import InvalidInput

from .composition import compose
from .instruments import SAMPLE_RATE_HZ
from .rendering import render
from .styles import STYLES, Style

MAX_TRACKS = 100_000
TRACKS_AN_ARTIST = 8
STRAY_SHARE = 0.12  # tracks that an artist makes in a style that is not hers
SHORTEST_SECONDS, LONGEST_SECONDS = 10.0, 20.0
FORMATS = {
    "ogg": ("OGG", "VORBIS"),
    "flac": ("FLAC", "PCM_16"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "opus": ("OGG", "OPUS"),
}
FORMAT_SHARES = {"ogg": 0.62, "flac": 0.2, "mp3": 0.12, "opus": 0.06}
BLOCK_SAMPLES = SAMPLE_RATE_HZ  # libsndfile's Vorbis encoder is safest with short writes

FIRST_WORDS = (
    "Amber", "Autumn", "Blue", "Broken", "Copper", "Crooked", "Distant", "Early", "Empty", "Faded", "Gentle",
    "Golden", "Hidden", "Hollow", "Idle", "Indigo", "Little", "Lonely", "Lost", "Marble", "Midnight", "Northern",
    "Open", "Paper", "Patient", "Quiet", "Restless", "Salt", "Second", "Silver", "Slow", "Velvet",
)  # fmt: skip
LAST_WORDS = (
    "Arcade", "Avenue", "Bridge", "Candle", "Circuit", "Compass", "Corner", "Engine", "Ferry", "Garden", "Harbour",
    "Hotel", "Island", "Kite", "Ladder", "Lantern", "Letter", "Machine", "Meadow", "Mirror", "Orchard", "Parade",
    "Pilot", "Planet", "Postcard", "Radio", "River", "Signal", "Station", "Tide", "Tower", "Window",
)  # fmt: skip
BANDS = (
    "Assembly",
    "Band",
    "Brothers",
    "Club",
    "Collective",
    "Company",
    "Ensemble",
    "Five",
    "Four",
    "Orchestra",
    "Project",
    "Quartet",
    "Sisters",
    "Trio",
)


@dataclass(frozen=True)
class SyntheticTrack:
    """One track of the synthesised catalogue; artist, album and title are made up.

    Attributes:
        path: the audio file, below the directory of the catalogue.
        style: one of ten, as in the genre tag.
        artist, album, title: as tagged.
        seconds: length.
        seed: what the track is made from; the same seed sounds the same.
    """

    path: Path
    style: str
    artist: str
    album: str
    title: str
    seconds: float
    seed: tuple[int, ...]


@dataclass(frozen=True)
class _Artist:
    """A made-up artist: a style, a seed of the line-up, a place between slow and fast, mellow and bright (0 to 1)."""

    name: str
    style: Style
    seed: tuple[int, ...]
    pace: float
    brightness: float


def synthesise_catalogue(
    directory: str | Path, *, tracks: int = 240, seed: int = 0, progress: bool = True
) -> list[SyntheticTrack]:
    """Synthesise a catalogue as tagged Ogg Vorbis, FLAC, MP3 and Opus files, on all cores.

    Files that are there already are kept, so an interrupted run goes on. Every file appears whole or not at all.

    Args:
        directory: where the catalogue goes, a folder an artist.
        tracks: how many, 1 to 100,000; 10 to 20 seconds each.
        seed: the same seed gives the same music.
        progress: whether to show a progress bar.

    Raises:
        InvalidInput: for a number of tracks out of range.
    """
    if not 1 <= tracks <= MAX_TRACKS:
        raise InvalidInput(f"tracks must be 1 to {MAX_TRACKS}", got=tracks, fix="choose a value in that range")
    planned = list(_plan(Path(directory), tracks, seed))
    absent = [(artist, track) for artist, track in planned if not track.path.exists()]
    workers = min(os.cpu_count() or 1, 1 + len(absent) // 8)
    written = joblib.Parallel(n_jobs=workers, return_as="generator")(
        joblib.delayed(_write)(artist, track) for artist, track in absent
    )
    try:
        for _ in tqdm(written, total=len(absent), unit="track", desc="synthesising", disable=not progress):
            pass
    finally:
        get_reusable_executor().shutdown(wait=True)  # else its processes live on without work
    return [track for _, track in planned]


def _plan(directory: Path, tracks: int, seed: int) -> Iterator[tuple[_Artist, SyntheticTrack]]:
    """Who makes what; a track's sound depends on its own seed only, so any of them can be made alone."""
    artists = _invent_artists(max(-(-tracks // TRACKS_AN_ARTIST), min(tracks, len(STYLES))), seed)
    rng = np.random.default_rng((seed, 1))
    titles = [f"{first} {last}" for first in FIRST_WORDS for last in LAST_WORDS]
    order = rng.permutation(len(titles))
    for number in range(tracks):
        artist = artists[number % len(artists)]
        style = STYLES[int(rng.integers(len(STYLES)))] if rng.random() < STRAY_SHARE else artist.style
        again = number // len(titles)
        title = titles[order[number % len(titles)]] + (f" {again + 1}" if again else "")
        suffix = str(rng.choice(list(FORMAT_SHARES), p=list(FORMAT_SHARES.values())))
        seconds = round(float(rng.uniform(SHORTEST_SECONDS, LONGEST_SECONDS)), 2)
        path = directory / _slug(artist.name) / f"{_slug(title)}.{suffix}"
        album = f"{artist.name.split()[1]} Sketches"
        yield artist, SyntheticTrack(path, style.name, artist.name, album, title, seconds, (seed, 2, number))


def _invent_artists(count: int, seed: int) -> list[_Artist]:
    """Artists, styles in turn; names stay unique by a number once all are used."""
    rng = np.random.default_rng((seed, 0))
    names = [f"{first} {last}" for first in FIRST_WORDS for last in LAST_WORDS]
    order = rng.permutation(len(names))
    return [
        _Artist(
            name=f"{names[order[k % len(names)]]} {rng.choice(BANDS)}" + (f" {k}" if k >= len(names) else ""),
            style=STYLES[k % len(STYLES)],
            seed=(seed, 3, k),
            pace=float(rng.random()),
            brightness=float(rng.uniform(0.1, 0.9)),
        )
        for k in range(count)
    ]


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _write(artist: _Artist, track: SyntheticTrack) -> None:
    rng = np.random.default_rng(track.seed)
    style = next(style for style in STYLES if style.name == track.style)
    slow, fast = style.tempo_bpm
    tempo_bpm = slow + (fast - slow) * float(np.clip(artist.pace + rng.normal(0, 0.12), 0, 1))
    brightness = float(np.clip(artist.brightness + rng.normal(0, 0.08), 0.05, 1))
    notes = compose(style, track.seconds, tempo_bpm, np.random.default_rng(artist.seed), rng)
    sound = render(style, notes, track.seconds, tempo_bpm, brightness, rng)
    track.path.parent.mkdir(parents=True, exist_ok=True)
    partial = track.path.with_name(f".{track.path.name}.partial")
    container, codec = FORMATS[track.path.suffix[1:]]
    with soundfile.SoundFile(partial, "w", SAMPLE_RATE_HZ, 1, format=container, subtype=codec) as file:
        for start in range(0, len(sound), BLOCK_SAMPLES):
            file.write(sound[start : start + BLOCK_SAMPLES])
    _tag(partial, track)
    partial.replace(track.path)


def _tag(path: Path, track: SyntheticTrack) -> None:
    file = mutagen.File(path, easy=True)
    if file.tags is None:
        file.add_tags()
    for key in ("title", "artist", "album"):
        file[key] = getattr(track, key)
    file["genre"] = track.style
    file.save()
