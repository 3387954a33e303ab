"""The notes of one track: chords, patterns, and a melody as a random walk on the scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .styles import MODES, Layer, Style

STEPS_A_BEAT = 4
MELODY_STEPS = (
    -3,
    -2,
    -1,
    -1,
    -1,
    0,
    1,
    1,
    1,
    2,
    2,
)  # scale degrees from one melody note to the next
DRUM_PITCH = 60  # drums sound the same at any
TONICS = tuple(range(-5, 7))  # semitones from C


@dataclass(frozen=True)
class Note:
    """One note: a MIDI pitch, times in seconds from the start, and a level of 0 to 1."""

    instrument: str
    pitch: int
    start_seconds: float
    seconds: float
    level: float


@dataclass(frozen=True)
class _Key:
    """A scale over all octaves; degree 0 is the tonic."""

    tonic: int
    mode: tuple[int, ...]

    def pitch(self, degree: int) -> int:
        octave, step = divmod(degree, len(self.mode))
        return self.tonic + 12 * octave + self.mode[step]

    def nearest(self, degree: int, pitch: int) -> int:
        """`degree`, moved by octaves to be nearest to `pitch`."""
        octaves = round((pitch - self.pitch(degree)) / 12)
        return degree + octaves * len(self.mode)


@dataclass(frozen=True)
class _Part:
    """A layer in one track: its instrument, two patterns and a melodic motif."""

    layer: Layer
    instrument: str
    patterns: tuple[str, str]
    motif: NDArray[np.int64]


def compose(
    style: Style,
    seconds: float,
    tempo_bpm: float,
    line_up: np.random.Generator,
    rng: np.random.Generator,
) -> list[Note]:
    """The notes of one track.

    Args:
        style: instruments, patterns, chords and scales to choose from.
        seconds: length of the track; the last bar is truncated.
        tempo_bpm: beats a minute.
        line_up: chooses the instruments; the same state for all tracks of an artist.
        rng: everything else that is random.
    """
    key = _Key(60 + int(rng.choice(TONICS)), MODES[str(rng.choice(style.modes))])
    progression = style.progressions[int(rng.integers(len(style.progressions)))]
    instruments = [str(line_up.choice(layer.instruments)) for layer in style.layers]
    parts = [
        _rehearse(layer, instrument, rng)
        for layer, instrument in zip(style.layers, instruments, strict=True)
        if rng.random() < layer.chance
    ]
    step_seconds = 60 / tempo_bpm / STEPS_A_BEAT
    notes: list[Note] = []
    start_seconds, bar = 0.0, 0
    while start_seconds < seconds:
        for part in parts:
            degree = progression[bar % len(progression)]
            notes += _play_bar(style, part, key, degree, bar, start_seconds, step_seconds)
        start_seconds += len(parts[0].patterns[0]) * step_seconds
        bar += 1
    return [_humanise(note, rng) for note in notes if note.start_seconds < seconds - step_seconds]


def _rehearse(layer: Layer, instrument: str, rng: np.random.Generator) -> _Part:
    first, second = (str(pattern) for pattern in rng.choice(layer.patterns, 2))
    motif = np.cumsum(rng.choice(MELODY_STEPS, 16))
    return _Part(layer, instrument, (first, second), motif - round(float(motif.mean())))


def _play_bar(
    style: Style,
    part: _Part,
    key: _Key,
    degree: int,
    bar: int,
    start_seconds: float,
    step_seconds: float,
) -> list[Note]:
    """One bar of one part; every fourth bar has the second pattern."""
    pattern = part.patterns[1 if bar % 4 == 3 else 0]
    notes: list[Note] = []
    melody_note = 0
    for step, symbol in enumerate(pattern):
        if symbol in ".-":
            continue
        held = len(pattern[step + 1 :]) - len(pattern[step + 1 :].lstrip("-"))
        late = style.swing * 2 if step % 4 == 2 else 0.0
        start = start_seconds + (step + late) * step_seconds
        accent = 1.0 if step % 8 == 0 else 0.8
        for pitch in _pitches(style, part, key, degree, symbol, step, melody_note):
            seconds, level = (held + 1) * step_seconds, accent * part.layer.level
            notes.append(Note(part.instrument, pitch, start, seconds, level))
        melody_note += symbol == "m"
    return notes


def _pitches(
    style: Style, part: _Part, key: _Key, degree: int, symbol: str, step: int, melody_note: int
) -> list[int]:
    """MIDI pitches of one symbol of a pattern, see `styles`."""
    centre = part.layer.pitch
    if centre is None:
        return [DRUM_PITCH]
    chord = [degree + 2 * tone for tone in range(style.chord_tones)]
    if symbol == "x":  # close position, so that the tones of successive chords move little
        return sorted({key.pitch(key.nearest(tone, centre)) for tone in chord})
    root = key.nearest(degree, centre)
    if symbol == "m":
        walked = root + int(part.motif[melody_note % len(part.motif)])
        on_beat = step % 8 == 0
        tone = _chord_tone_near(walked, root, len(key.mode)) if on_beat else walked
        return [key.pitch(tone)]
    octaves, tone = divmod(int(symbol), 3)
    return [key.pitch(root + 2 * tone + octaves * len(key.mode))]


def _chord_tone_near(walked: int, root: int, octave: int) -> int:
    """The tone of the triad on `root` nearest to the degree that the melody is at."""
    triad = [root + 2 * tone + octave * shift for shift in (-2, -1, 0, 1, 2) for tone in range(3)]
    return min(triad, key=lambda degree: abs(degree - walked))


def _humanise(note: Note, rng: np.random.Generator) -> Note:
    """Delay a note by some milliseconds and vary its level, as in human playing."""
    return Note(
        note.instrument,
        note.pitch,
        note.start_seconds + float(rng.uniform(0, 0.008)),
        note.seconds,
        note.level * float(rng.uniform(0.8, 1.0)),
    )
