"""The synthesised catalogue: audio files that differ by style, at even loudness, reproducibly."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import librosa
import mutagen
import numpy as np
import pytest
import soundfile

from hybridrec.datasets.composition import compose
from hybridrec.datasets.instruments import INSTRUMENTS, SAMPLE_RATE_HZ, play_note
from hybridrec.datasets.rendering import CEILING
from hybridrec.datasets.styles import STYLES, Style
from hybridrec.datasets.synthetic import SyntheticTrack, synthesise_catalogue
from hybridrec.errors import InvalidInput

pytestmark = pytest.mark.slow

TRACKS = 30
SUSTAINED = (
    "organ",
    "strings",
    "flute",
    "reed",
    "piano",
    "pluck",
    "upright bass",
    "electric piano",
    "square",
    "triangle",
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("catalogue")


@pytest.fixture(scope="module")
def catalogue(directory: Path) -> list[SyntheticTrack]:
    return synthesise_catalogue(directory, tracks=TRACKS, progress=False)


@pytest.fixture(scope="module")
def sounds(catalogue: list[SyntheticTrack]) -> list[np.ndarray]:
    return [soundfile.read(track.path, dtype="float32")[0] for track in catalogue]


def test_every_track_is_a_tagged_file(catalogue: list[SyntheticTrack]) -> None:
    assert len({track.path for track in catalogue}) == TRACKS
    for track in catalogue:
        tags = mutagen.File(track.path, easy=True).tags
        found = [tags[key][0] for key in ("title", "artist", "album", "genre")]
        assert found == [track.title, track.artist, track.album, track.style]


def test_several_formats_and_all_styles_exist(catalogue: list[SyntheticTrack]) -> None:
    formats = Counter(track.path.suffix for track in catalogue)

    assert set(formats) == {".ogg", ".flac", ".mp3", ".opus"}
    assert formats.most_common(1)[0][0] == ".ogg"
    assert {track.style for track in catalogue} == {style.name for style in STYLES}


def test_an_artist_keeps_mostly_to_one_style(catalogue: list[SyntheticTrack]) -> None:
    by_artist: dict[str, list[str]] = {}
    for track in catalogue:
        by_artist.setdefault(track.artist, []).append(track.style)
    at_home = [Counter(styles).most_common(1)[0][1] / len(styles) for styles in by_artist.values()]

    assert 0.7 < np.mean(at_home) < 1.0


def test_tracks_last_ten_to_twenty_seconds(
    catalogue: list[SyntheticTrack], sounds: list[np.ndarray]
) -> None:
    for track, sound in zip(catalogue, sounds, strict=True):
        assert len(sound) / SAMPLE_RATE_HZ == pytest.approx(track.seconds, abs=0.2)
        assert 10 <= track.seconds <= 20


def test_nothing_clips_and_loudness_is_even(sounds: list[np.ndarray]) -> None:
    loudness_db = [20 * np.log10(np.sqrt(np.mean(sound**2))) for sound in sounds]

    assert all(np.isfinite(sound).all() for sound in sounds)
    assert max(np.abs(sound).max() for sound in sounds) < 0.95 > CEILING
    assert np.ptp(loudness_db) < 1.5
    assert all(abs(sound.mean()) < 0.002 for sound in sounds)


def test_the_music_starts_without_silence_and_fades_out(sounds: list[np.ndarray]) -> None:
    for sound in sounds:
        assert np.abs(sound[: 4 * SAMPLE_RATE_HZ]).max() > 0.05
        assert np.abs(sound[-100:]).max() < 0.02


def test_timbre_predicts_style_better_than_chance_but_not_always(
    catalogue: list[SyntheticTrack], sounds: list[np.ndarray]
) -> None:
    timbres = []
    for sound in sounds:
        cepstra = librosa.feature.mfcc(
            y=sound[: 8 * SAMPLE_RATE_HZ], sr=SAMPLE_RATE_HZ, n_mfcc=20, n_fft=1024
        )
        timbres.append(np.r_[cepstra.mean(axis=1), cepstra.std(axis=1)])
    vectors = (np.array(timbres) - np.mean(timbres, axis=0)) / np.std(timbres, axis=0)
    distances = np.linalg.norm(vectors[:, None] - vectors, axis=2) + 1e9 * np.eye(len(vectors))
    styles = np.array([track.style for track in catalogue])

    assert 0.4 < np.mean(styles[distances.argmin(axis=1)] == styles) < 1.0  # chance: 0.1


def test_the_same_seed_gives_the_same_audio_and_another_does_not(tmp_path: Path) -> None:
    first, again, other = (
        synthesise_catalogue(tmp_path / name, tracks=4, seed=seed, progress=False)
        for name, seed in (("first", 5), ("again", 5), ("other", 6))
    )

    assert [replace(track, path=Path()) for track in again] == [
        replace(track, path=Path()) for track in first
    ]
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(soundfile.read(one.path)[0], soundfile.read(two.path)[0])
    assert not {track.title for track in first} & {track.title for track in other}


def test_existing_files_are_kept_and_missing_ones_are_made_again(
    directory: Path, catalogue: list[SyntheticTrack], sounds: list[np.ndarray]
) -> None:
    before = {track.path: track.path.stat().st_mtime_ns for track in catalogue}
    lost = catalogue[3].path
    lost.unlink()

    synthesise_catalogue(directory, tracks=TRACKS, progress=False)

    changed = [path for path, written_at in before.items() if path.stat().st_mtime_ns != written_at]
    assert changed == [lost]
    np.testing.assert_array_equal(soundfile.read(lost, dtype="float32")[0], sounds[3])
    assert len([path for path in directory.rglob("*") if path.is_file()]) == TRACKS


@pytest.mark.parametrize("tracks", [0, 100_001])
def test_a_catalogue_of_no_or_too_many_tracks_is_refused(tmp_path: Path, tracks: int) -> None:
    with pytest.raises(InvalidInput, match=f"tracks must be 1 to 100000; got {tracks}"):
        synthesise_catalogue(tmp_path, tracks=tracks)


@pytest.mark.parametrize("instrument", SUSTAINED)
@pytest.mark.parametrize("hertz", [110.0, 440.0])
def test_instruments_play_in_tune(instrument: str, hertz: float) -> None:
    sound = play_note(instrument, hertz, 1.5, 0.5, np.random.default_rng(0))
    period = librosa.yin(
        sound[: SAMPLE_RATE_HZ + 4096], fmin=60, fmax=1000, sr=SAMPLE_RATE_HZ, frame_length=4096
    )
    cents = 1200 * np.log2(np.median(period) / hertz)

    assert abs(cents) < 15


@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_a_note_is_at_full_level_and_ends_in_silence(instrument: str) -> None:
    sound = play_note(instrument, 220.0, 0.4, 0.5, np.random.default_rng(0))

    assert sound.dtype == np.float32
    assert np.abs(sound).max() == pytest.approx(1, abs=0.02)
    assert abs(sound[-1]) < 0.01


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
def test_patterns_fill_a_bar_and_notes_stay_in_one_scale(style: Style) -> None:
    assert {len(pattern) for layer in style.layers for pattern in layer.patterns} == {16}
    drums = {name for layer in style.layers if layer.pitch is None for name in layer.instruments}

    notes = compose(
        style, 15.0, style.tempo_bpm[0], np.random.default_rng(1), np.random.default_rng(2)
    )

    assert len({note.pitch % 12 for note in notes if note.instrument not in drums}) <= 7
    assert all(0 <= note.start_seconds < 15 and note.seconds > 0 for note in notes)
    assert all(24 <= note.pitch <= 108 for note in notes)
