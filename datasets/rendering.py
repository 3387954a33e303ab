"""The audio of a track from its notes: instruments, echo, reverberation and loudness."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.signal import butter, oaconvolve, sosfilt

from .composition import Note
from .instruments import SAMPLE_RATE_HZ, Sound, play_note
from .styles import Style

LOUDNESS_RMS = 0.1  # -20 dB below full scale
CEILING = 0.85  # leaves room for what lossy formats add to a peak
FADE_SECONDS = 1.0


def render(
    style: Style,
    notes: Iterable[Note],
    seconds: float,
    tempo_bpm: float,
    brightness: float,
    rng: np.random.Generator,
) -> Sound:
    """Render a track to `(round(seconds * SAMPLE_RATE_HZ),)` float32, peak at most `CEILING`.

    Args:
        style: gives the reverberation and the echo.
        notes: in any order.
        seconds: where the track ends, with a short fade.
        tempo_bpm: beats a minute, for the echo.
        brightness: 0 (dark) to 1 (bright), of instruments and recording.
        rng: noise of drums, strings and reverberation.
    """
    sound = _mix(notes, round(seconds * SAMPLE_RATE_HZ), brightness, rng)
    if style.echo:
        sound = _with_echo(sound, 1.5 * 60 / tempo_bpm, style.echo)
    sound = _with_room(sound, style.reverb_seconds, style.wet, rng)
    treble = butter(1, 4000 + 7500 * brightness, fs=SAMPLE_RATE_HZ, output="sos")
    sound = np.asarray(sosfilt(treble, sound))
    fade_samples = round(FADE_SECONDS * SAMPLE_RATE_HZ)
    sound[-fade_samples:] *= np.linspace(1, 0, fade_samples)
    return _level(sound)


def _mix(notes: Iterable[Note], samples: int, brightness: float, rng: np.random.Generator) -> Sound:
    """The sum of all notes; equal notes are synthesised once."""
    mix = np.zeros(samples, dtype=np.float32)
    played: dict[tuple[str, int, int], Sound] = {}
    for note in notes:
        key = (note.instrument, note.pitch, round(note.seconds * 100))
        if key not in played:
            hertz = 440 * 2 ** ((note.pitch - 69) / 12)
            played[key] = play_note(note.instrument, hertz, note.seconds, brightness, rng)
        start = round(note.start_seconds * SAMPLE_RATE_HZ)
        sound = played[key][: samples - start]
        mix[start : start + len(sound)] += note.level * sound
    return mix


def _with_echo(sound: Sound, delay_seconds: float, level: float) -> Sound:
    echoed = sound.copy()
    delay_samples = round(delay_seconds * SAMPLE_RATE_HZ)
    for repeat in (1, 2, 3):
        late = repeat * delay_samples
        if late < len(sound):
            echoed[late:] += level**repeat * sound[:-late]
    return echoed


def _with_room(sound: Sound, reverb_seconds: float, wet: float, rng: np.random.Generator) -> Sound:
    """Convolve with band-limited noise that decays by 60 dB in `reverb_seconds`."""
    times = np.arange(round(reverb_seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    room = rng.standard_normal(len(times)) * 10 ** (-3 * times / reverb_seconds)
    band = butter(1, (200, 5000), btype="bandpass", fs=SAMPLE_RATE_HZ, output="sos")
    room = sosfilt(band, room)
    answer = oaconvolve(sound, (room / np.linalg.norm(room)).astype(np.float32))[: len(sound)]
    return np.asarray((1 - wet) * sound + wet * answer, dtype=np.float32)


def _level(sound: Sound) -> Sound:
    """Scale to `LOUDNESS_RMS` with soft clipping; repeated, since clipping lowers the level."""
    sound = sound.astype(np.float32)
    for _ in range(3):
        sound = sound * np.float32(LOUDNESS_RMS / max(float(np.sqrt(np.mean(sound**2))), 1e-9))
        sound = CEILING * np.tanh(sound / CEILING)
    return sound
