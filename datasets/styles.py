"""Ten styles of the synthesised catalogue.

They differ in instruments, tempo, scale, density, register and reverberation.

A layer's pattern is one bar of equal steps. In it `-` holds the note, `.` is a rest, a digit is
that tone of the chord counted upwards (0 the root, 1 the third), `x` is the whole chord (or one
stroke of a drum), and `m` is the next note of the melody.
"""

from __future__ import annotations

from dataclasses import dataclass

MODES: dict[str, tuple[int, ...]] = {  # semitones above the tonic
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "pentatonic": (0, 2, 4, 7, 9),
}
HOPEFUL = ((0, 4, 5, 3), (0, 3, 4, 0), (0, 5, 3, 4))  # chords as scale degrees, one a bar
WISTFUL = ((0, 5, 2, 6), (0, 3, 5, 4), (0, 6, 5, 6))
JAZZ_TURNS = ((1, 4, 0, 5), (0, 5, 1, 4), (2, 5, 1, 4))
DRONES = ((0, 0, 3, 0), (0, 1, 0, 3), (0, 2, 0, 1))


@dataclass(frozen=True)
class Layer:
    """One part of the arrangement.

    Attributes:
        instruments: a track has one of them; a repeated name is likelier.
        patterns: a track has one or two of them.
        pitch: MIDI note around which the part lies; None for drums, which have none.
        level: loudness, 0 to 1.
        chance: probability that a track has this part.
    """

    instruments: tuple[str, ...]
    patterns: tuple[str, ...]
    pitch: int | None = None
    level: float = 0.5
    chance: float = 1.0


@dataclass(frozen=True)
class Style:
    """How tracks of one style are generated.

    Attributes:
        name: goes into the genre tag.
        tempo_bpm: slowest and fastest.
        reverb_seconds: decay by 60 dB; `wet` is the share of reverberation, 0 to 1.
        swing: delay of every second eighth, in eighths.
        echo: level of a repeat after three eighths, 0 for none.
        chord_tones: 3 for triads, 4 with sevenths.
    """

    name: str
    tempo_bpm: tuple[float, float]
    modes: tuple[str, ...]
    progressions: tuple[tuple[int, ...], ...]
    layers: tuple[Layer, ...]
    reverb_seconds: float = 0.8
    wet: float = 0.15
    swing: float = 0.0
    echo: float = 0.0
    chord_tones: int = 3


def _drum(name: str, pattern: str, level: float, chance: float = 1.0) -> Layer:
    return Layer((name,), (pattern,), level=level, chance=chance)


def _pad(level: float, chance: float) -> Layer:
    return Layer(("strings", "strings", "organ"), ("x---------------",), 62, level, chance)


FOLK = Style(
    "Folk", (88, 116), ("major", "mixolydian"), HOPEFUL, wet=0.12,
    layers=(
        Layer(("pluck",), ("0-2-1-2-3-2-1-2-", "0-2132-10-2132-1"), 52, 0.6),
        Layer(("flute", "pluck", "reed", "piano"), ("m---m-m-m---m---", "m-m-m---m-m-m-m-"), 74,
            0.5, 0.85),
        Layer(("upright bass",), ("0-------2-------",), 38, 0.5, 0.6),
        _pad(0.12, 0.3),
        _drum("hat", "..x...x...x...x.", 0.12, 0.3),
    ),
)  # fmt: skip
CHURCH_ORGAN = Style(
    "Church Organ", (54, 72), ("minor", "dorian", "major"), HOPEFUL + WISTFUL, reverb_seconds=3.2,
    wet=0.4,
    layers=(
        Layer(("organ",), ("x-------x-------", "x-----------x---"), 60, 0.35),
        Layer(("organ", "organ", "flute", "reed"), ("m---m---m---m---", "m-----m-m---m-m-"), 74,
            0.4),
        Layer(("organ",), ("0---------------", "0-------2-------"), 38, 0.5),
        _pad(0.2, 0.25),
    ),
)  # fmt: skip
AMBIENT_BELLS = Style(
    "Ambient Bells", (58, 84), ("pentatonic",), DRONES, reverb_seconds=3.5, wet=0.45,
    layers=(
        Layer(("bell",), ("m-----m---m-----", "m-------m-----m-"), 79, 0.5),
        Layer(("bell", "bell", "electric piano"), ("0-----2-....3---", "....1-----3-...."), 67,
            0.35),
        _pad(0.3, 0.6),
        Layer(("pluck", "piano"), ("0---2---3---2---",), 55, 0.25, 0.3),
    ),
)  # fmt: skip
DRUM_AND_BASS = Style(
    "Drum and Bass", (164, 176), ("minor", "dorian"), WISTFUL + DRONES, wet=0.1,
    layers=(
        _drum("kick", "x.........x.....", 0.9),
        _drum("snare", "....x.......x...", 0.6),
        _drum("hat", "x.x.x.xxx.x.x.x.", 0.4),
        _drum("snare", ".......x.x.....x", 0.15, 0.6),
        Layer(("saw bass", "saw bass", "sub bass"), ("0---..0-....2-3-", "0-----0---..3---"), 34,
            0.6),
        Layer(("electric piano", "bell", "square"), ("m-----m-..m-----", "m--m--m-m--m--m-"), 70,
            0.3, 0.6),
        _pad(0.2, 0.7),
    ),
)  # fmt: skip
HOUSE = Style(
    "House", (117, 127), ("minor", "dorian"), WISTFUL, wet=0.15, chord_tones=4,
    layers=(
        _drum("kick", "x...x...x...x...", 0.9),
        _drum("clap", "....x.......x...", 0.5, 0.8),
        _drum("open hat", "..x...x...x...x.", 0.45),
        _drum("hat", "xxxxxxxxxxxxxxxx", 0.2, 0.4),
        Layer(("saw bass", "sub bass"), ("..0-..0-..0-..3-", "0-.0..0-.0..0-3-"), 38, 0.6),
        Layer(("electric piano", "organ", "piano"), ("x-.x-.x-..x-.x..", "..x-..x-..x-.xx-"), 62,
            0.35),
        _pad(0.15, 0.35),
    ),
)  # fmt: skip
CHIPTUNE = Style(
    "Chiptune", (128, 160), ("major", "minor"), HOPEFUL, reverb_seconds=0.3, wet=0.04,
    layers=(
        Layer(("square",), ("m-m-mmm-m-mmm-m-", "m--mm-m-m--mm-m-"), 76, 0.45),
        Layer(("square", "square", "triangle"), ("0123012301230123", "0-2-3-2-0-2-3-2-"), 64, 0.25),
        Layer(("triangle",), ("0-0-3-0-0-0-3-0-", "0---0-0-2---2-2-"), 40, 0.55),
        _drum("hat", "x.x.x.x.x.x.x.x.", 0.3, 0.8),
        _drum("snare", "....x.......x...", 0.25, 0.7),
        _drum("kick", "x.......x.......", 0.4, 0.5),
    ),
)  # fmt: skip
STRINGS = Style(
    "Strings", (50, 72), ("minor", "major"), WISTFUL + HOPEFUL, reverb_seconds=2.2, wet=0.3,
    layers=(
        Layer(("strings",), ("x---------------", "x-------x-------"), 60, 0.4),
        Layer(("strings", "strings", "flute"), ("m-------m---m---", "m-----m-m-----m-"), 76, 0.4),
        Layer(("strings",), ("0---------------",), 42, 0.4),
        Layer(("pluck", "piano"), ("0...2...1...2...", "0-2-3-2-1-2-3-2-"), 60, 0.25, 0.4),
    ),
)  # fmt: skip
DUB = Style(
    "Dub", (66, 80), ("minor", "dorian"), DRONES, reverb_seconds=1.4, wet=0.2, echo=0.45,
    layers=(
        Layer(("organ", "pluck", "piano"), ("..x...x...x...x.", "..xx..x...xx..x."), 62, 0.35),
        Layer(("sub bass", "sub bass", "saw bass"), ("0---..0-2---0-..", "..0-0-2-..3-2-0-"), 36,
            0.8),
        _drum("kick", "........x.......", 0.8),
        _drum("snare", "........x.......", 0.4),
        _drum("hat", "x.x.x.x.x.x.x.x.", 0.3),
        Layer(("reed", "flute"), ("m-----m-........", "....m---m-m-...."), 72, 0.3, 0.5),
    ),
)  # fmt: skip
JAZZ = Style(
    "Jazz", (112, 150), ("major", "dorian"), JAZZ_TURNS, wet=0.12, swing=0.33, chord_tones=4,
    layers=(
        Layer(("electric piano", "piano", "piano"), ("x--x......x-....", "..x---....x--x.."), 60,
            0.35),
        Layer(("upright bass",), ("0---1---2---3---", "0---2---3---1---"), 38, 0.6),
        _drum("ride", "x---x-x-x---x-x-", 0.3),
        _drum("hat", "....x.......x...", 0.15),
        Layer(("piano", "flute", "reed", "electric piano"),
            ("m-m-m---m-m-m-m-", "..m-m-m-m---m-m-"), 74, 0.45, 0.9),
        _drum("kick", "x.......x.......", 0.25, 0.3),
    ),
)  # fmt: skip
ROCK = Style(
    "Rock", (104, 144), ("minor", "mixolydian"), WISTFUL + HOPEFUL, wet=0.1,
    layers=(
        Layer(("guitar",), ("0-0-0-0-0-0-0-0-", "0---0-0-0---0-0-", "0-----0-0-------"), 42, 0.5),
        Layer(("saw bass", "upright bass"), ("0-0-0-0-0-0-0-0-", "0---0---0---0-2-"), 36, 0.5),
        _drum("kick", "x.....x.x.......", 0.8),
        _drum("snare", "....x.......x...", 0.6),
        _drum("hat", "x.x.x.x.x.x.x.x.", 0.35),
        Layer(("guitar", "organ", "reed"), ("m---m-m-m---m---", "m-m-m---m-----m-"), 66, 0.3, 0.6),
    ),
)  # fmt: skip

STYLES = (
    FOLK,
    CHURCH_ORGAN,
    AMBIENT_BELLS,
    DRUM_AND_BASS,
    HOUSE,
    CHIPTUNE,
    STRINGS,
    DUB,
    JAZZ,
    ROCK,
)
