"""A small catalogue of synthesised music, for the demo and tests; synthetic.md is its data card."""

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
from hybridrec.files import replacing

from .composition import compose
from .instruments import SAMPLE_RATE_HZ, Sound
from .rendering import render
from .styles import STYLES, Style

MAX_TRACKS = 100_000
TRACKS_AN_ARTIST = 8
STRAY_SHARE = 0.12  # share of an artist's tracks that are in another style
SHORTEST_SECONDS, LONGEST_SECONDS = 10.0, 20.0
FORMATS = {
    "ogg": ("OGG", "VORBIS"),
    "flac": ("FLAC", "PCM_16"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "opus": ("OGG", "OPUS"),
}
FORMAT_SHARES = {"ogg": 0.62, "flac": 0.2, "mp3": 0.12, "opus": 0.06}
BLOCK_SAMPLES = SAMPLE_RATE_HZ  # libsndfile's Vorbis encoder can crash on long writes

FIRST_WORDS = (
    "Amber", "Autumn", "Blue", "Broken", "Copper", "Crooked", "Distant", "Early", "Empty", "Faded",
    "Gentle", "Golden", "Hidden", "Hollow", "Idle", "Indigo", "Little", "Lonely", "Lost", "Marble",
    "Midnight", "Northern", "Open", "Paper", "Patient", "Quiet", "Restless", "Salt", "Second",
    "Silver", "Slow", "Velvet",
)  # fmt: skip
LAST_WORDS = (
    "Arcade", "Avenue", "Bridge", "Candle", "Circuit", "Compass", "Corner", "Engine", "Ferry",
    "Garden", "Harbour", "Hotel", "Island", "Kite", "Ladder", "Lantern", "Letter", "Machine",
    "Meadow", "Mirror", "Orchard", "Parade", "Pilot", "Planet", "Postcard", "Radio", "River",
    "Signal", "Station", "Tide", "Tower", "Window",
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
        seed: of everything random in the track; the same seed gives the same audio.
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
    """A made-up artist.

    Attributes:
        name: unique in the catalogue.
        style: of most of the artist's tracks.
        seed: of the choice of instruments.
        tempo, brightness: where the artist's tracks lie between slow and fast, dark and bright,
            0 to 1.
    """

    name: str
    style: Style
    seed: tuple[int, ...]
    tempo: float
    brightness: float


def synthesise_catalogue(
    directory: str | Path, *, tracks: int = 240, seed: int = 0, progress: bool = True
) -> list[SyntheticTrack]:
    """Synthesise a catalogue as tagged Ogg Vorbis, FLAC, MP3 and Opus files, on all cores.

    Existing files are kept, so that an interrupted run can be continued. Every file appears whole
    or not at all.

    Args:
        directory: where the catalogue goes, one folder for each artist.
        tracks: how many, 1 to 100,000; 10 to 20 seconds each.
        seed: the same seed gives the same music.
        progress: show a progress bar.

    Raises:
        InvalidInput: for a number of tracks out of range.
    """
    if not 1 <= tracks <= MAX_TRACKS:
        fix = "choose a value in that range"
        raise InvalidInput(f"tracks must be 1 to {MAX_TRACKS}", got=tracks, fix=fix)
    planned = list(_plan(Path(directory), tracks, seed))
    absent = [(artist, track) for artist, track in planned if not track.path.exists()]
    workers = min(os.cpu_count() or 1, 1 + len(absent) // 8)
    written = joblib.Parallel(n_jobs=workers, return_as="generator")(
        joblib.delayed(_write)(artist, track) for artist, track in absent
    )
    bar = tqdm(written, total=len(absent), unit="track", desc="synthesising", disable=not progress)
    try:
        for _ in bar:
            pass
    finally:
        get_reusable_executor().shutdown(wait=True)  # otherwise its idle processes stay alive
    return [track for _, track in planned]


def _plan(directory: Path, tracks: int, seed: int) -> Iterator[tuple[_Artist, SyntheticTrack]]:
    """The tracks with their artists; each has a seed of its own, so it can be rendered alone."""
    n_artists = max(-(-tracks // TRACKS_AN_ARTIST), min(tracks, len(STYLES)))
    artists = _invent_artists(n_artists, seed)
    rng = np.random.default_rng((seed, 1))
    titles = [f"{first} {last}" for first in FIRST_WORDS for last in LAST_WORDS]
    order = rng.permutation(len(titles))
    for number in range(tracks):
        artist = artists[number % len(artists)]
        stray = rng.random() < STRAY_SHARE
        style = STYLES[int(rng.integers(len(STYLES)))] if stray else artist.style
        again = number // len(titles)
        title = titles[order[number % len(titles)]] + (f" {again + 1}" if again else "")
        suffix = str(rng.choice(list(FORMAT_SHARES), p=list(FORMAT_SHARES.values())))
        seconds = round(float(rng.uniform(SHORTEST_SECONDS, LONGEST_SECONDS)), 2)
        path = directory / _slug(artist.name) / f"{_slug(title)}.{suffix}"
        album = f"{artist.name.split()[1]} Sketches"
        yield (
            artist,
            SyntheticTrack(path, style.name, artist.name, album, title, seconds, (seed, 2, number)),
        )


def _invent_artists(count: int, seed: int) -> list[_Artist]:
    """Artists of all styles in turn; a number keeps names unique once all are used."""
    rng = np.random.default_rng((seed, 0))
    names = [f"{first} {last}" for first in FIRST_WORDS for last in LAST_WORDS]
    order = rng.permutation(len(names))
    return [
        _Artist(
            name=f"{names[order[k % len(names)]]} {rng.choice(BANDS)}"
            + (f" {k}" if k >= len(names) else ""),
            style=STYLES[k % len(STYLES)],
            seed=(seed, 3, k),
            tempo=float(rng.random()),
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
    tempo_bpm = slow + (fast - slow) * float(np.clip(artist.tempo + rng.normal(0, 0.12), 0, 1))
    brightness = float(np.clip(artist.brightness + rng.normal(0, 0.08), 0.05, 1))
    notes = compose(style, track.seconds, tempo_bpm, np.random.default_rng(artist.seed), rng)
    audio = render(style, notes, track.seconds, tempo_bpm, brightness, rng)
    with replacing(track.path) as partial:
        _write_audio(partial, audio, *FORMATS[track.path.suffix[1:]])
        _tag(partial, track)


def _write_audio(path: Path, audio: Sound, container: str, codec: str) -> None:
    with soundfile.SoundFile(path, "w", SAMPLE_RATE_HZ, 1, format=container, subtype=codec) as file:
        for start in range(0, len(audio), BLOCK_SAMPLES):
            file.write(audio[start : start + BLOCK_SAMPLES])


def _tag(path: Path, track: SyntheticTrack) -> None:
    file = mutagen.File(path, easy=True)
    if file.tags is None:
        file.add_tags()
    for key in ("title", "artist", "album"):
        file[key] = getattr(track, key)
    file["genre"] = track.style
    file.save()
