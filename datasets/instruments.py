"""The synthesiser's instruments: each renders a pitch and a length as `(n,)` float32.

Plucked strings are Karplus and Strong (1983) with a fractional delay; bells and electric pianos
are frequency modulation (Chowning 1973); the rest is additive synthesis and shaped noise.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, lfilter, sosfilt

SAMPLE_RATE_HZ = 24_000
MAX_PARTIAL_HZ = 10_000.0

Sound = NDArray[np.float32]
Instrument = Callable[[float, float, float, np.random.Generator], Sound]
"""From hertz, seconds, brightness (0 to 1) and a generator to a note."""


def play_note(
    instrument: str, hertz: float, seconds: float, brightness: float, rng: np.random.Generator
) -> Sound:
    """One note, `(n,)` float32 at `SAMPLE_RATE_HZ`, peak 1; it may ring longer than `seconds`."""
    sound = INSTRUMENTS[instrument](hertz, seconds, brightness, rng)
    release_samples = min(len(sound), SAMPLE_RATE_HZ // 50)
    sound[-release_samples:] *= np.linspace(1, 0, release_samples, dtype=np.float32)
    return np.asarray(sound / max(float(np.abs(sound).max()), 1e-6), dtype=np.float32)


def _times(seconds: float) -> Sound:
    n_samples = max(round(seconds * SAMPLE_RATE_HZ), 64)
    return np.asarray(np.arange(n_samples) / SAMPLE_RATE_HZ, dtype=np.float32)


def _swell(times: Sound, seconds: float, attack_seconds: float, release_seconds: float) -> Sound:
    """An envelope that rises, holds until `seconds` and falls, as of bowed and blown notes."""
    rise = np.clip(times / attack_seconds, 0, 1)
    fall = np.clip((seconds + release_seconds - times) / release_seconds, 0, 1)
    return np.asarray(rise * fall, dtype=np.float32)


def _partials(
    times: Sound,
    hertz: float,
    levels: Sound,
    decays: Sound | None = None,
    wobble: Sound | None = None,
) -> Sound:
    """A sum of harmonics: harmonic k + 1 has `levels[k]`, the decay rate `decays[k]` per second.

    `wobble` is added to the phase of the fundamental, in radians.
    """
    phase = (2 * np.pi * hertz * times).astype(np.float32)
    if wobble is not None:
        phase = phase + wobble
    sound = np.zeros_like(times)
    for k in range(1, min(len(levels), int(MAX_PARTIAL_HZ / hertz)) + 1):
        if levels[k - 1] > 0.003:
            envelope = 1.0 if decays is None else np.exp(-decays[k - 1] * times)
            sound += levels[k - 1] * envelope * np.sin(k * phase)
    return sound


def _harmonics(count: int) -> Sound:
    return np.arange(1, count + 1, dtype=np.float32)


def _noise(times: Sound, rng: np.random.Generator, low_hz: float, high_hz: float) -> Sound:
    band = butter(2, (low_hz, high_hz), btype="bandpass", fs=SAMPLE_RATE_HZ, output="sos")
    return np.asarray(sosfilt(band, rng.standard_normal(len(times))), dtype=np.float32)


def _pluck(hertz: float, seconds: float, brightness: float, rng: np.random.Generator) -> Sound:
    period_samples = SAMPLE_RATE_HZ / hertz - 0.5  # the averaging below delays by half a sample
    delay, fraction = int(period_samples), period_samples % 1
    excitation = np.zeros(len(_times(seconds + 0.3)))
    burst = lfilter([1.0], [1, -(0.85 - 0.8 * brightness)], rng.uniform(-1, 1, delay))
    excitation[:delay] = burst - burst.mean()  # the loop would sustain a constant part
    loss = 0.994 ** (220 / hertz)
    loop = np.zeros(delay + 3)
    loop[0] = 1
    loop[delay:] = -loss * np.convolve([0.5, 0.5], [1 - fraction, fraction])
    return np.asarray(lfilter([1.0], loop, excitation), dtype=np.float32)


def _upright_bass(
    hertz: float, seconds: float, brightness: float, rng: np.random.Generator
) -> Sound:
    return _pluck(hertz, seconds, 0.25 * brightness, rng)


def _guitar(hertz: float, seconds: float, brightness: float, rng: np.random.Generator) -> Sound:
    """A power chord (root, fifth, octave) through an overdriven amplifier and its cabinet."""
    strings = sum(_pluck(hertz * ratio, seconds, 0.7, rng) for ratio in (1.0, 1.4983, 2.0))
    driven = np.tanh((4 + 8 * brightness) * np.asarray(strings))
    cabinet = butter(
        2, (80, 2500 + 2500 * brightness), btype="bandpass", fs=SAMPLE_RATE_HZ, output="sos"
    )
    sound = np.asarray(sosfilt(cabinet, driven), dtype=np.float32)
    return sound * _swell(_times(seconds + 0.3), seconds, 0.002, 0.3)


def _organ(hertz: float, seconds: float, brightness: float, rng: np.random.Generator) -> Sound:
    times = _times(seconds + 0.15)
    upper = [0.45 * brightness + 0.1, 0.5 * brightness, 0, 0.35 * brightness, 0, 0.4 * brightness]
    levels = np.array([1, 0.7, *upper], dtype=np.float32)
    wobble = 0.06 * np.sin(2 * np.pi * 5.5 * times)
    sound = _partials(times, hertz, levels, wobble=wobble)
    return sound * _swell(times, seconds, 0.02, 0.15)


def _strings(hertz: float, seconds: float, brightness: float, rng: np.random.Generator) -> Sound:
    """Two detuned desks with vibrato and a slow bow."""
    times = _times(seconds + 0.5)
    levels = _harmonics(18) ** -(1.9 - 0.9 * brightness)
    vibrato = 0.12 * np.clip(times * 2, 0, 1) * np.sin(2 * np.pi * rng.uniform(4.8, 5.8) * times)
    sound = _partials(times, hertz * 0.998, levels, wobble=vibrato)
    sound = sound + _partials(times, hertz * 1.0025, levels)
    return sound * _swell(times, seconds, min(0.25, seconds / 2), 0.5)


def _flute(hertz: float, seconds: float, brightness: float, rng: np.random.Generator) -> Sound:
    times = _times(seconds + 0.08)
    vibrato = 0.15 * np.clip(times * 3, 0, 1) * np.sin(2 * np.pi * 5 * times)
    levels = np.array([1, 0.35 * brightness + 0.1, 0.1 * brightness, 0.04], dtype=np.float32)
    breath = 0.06 * _noise(times, rng, 1500, 5000)
    sound = _partials(times, hertz, levels, wobble=vibrato) + breath
    return sound * _swell(times, seconds, 0.05, 0.08)


def _reed(hertz: float, seconds: float, brightness: float, rng: np.random.Generator) -> Sound:
    """A melodica, in which odd harmonics are the stronger ones."""
    times = _times(seconds + 0.06)
    levels = _harmonics(14) ** -(1.6 - 0.6 * brightness)
    levels[1::2] *= 0.45
    return _partials(times, hertz, levels) * _swell(times, seconds, 0.03, 0.06)


def _piano(hertz: float, seconds: float, brightness: float, rng: np.random.Generator) -> Sound:
    times = _times(seconds + 0.4)
    k = _harmonics(14)
    decays = (0.8 + 0.5 * k) * (hertz / 260) ** 0.5
    sound = _partials(times, hertz, k ** -(2.0 - brightness), decays=decays)
    hammer = 0.15 * _noise(times, rng, 600, 3000) * np.exp(-90 * times)
    return (sound + hammer) * _swell(times, seconds, 0.003, 0.4)


def _modulated(
    times: Sound, hertz: float, ratio: float, index: float, index_decay: float, decay: float
) -> Sound:
    # Carson's rule: with a greater index, sidebands would alias.
    greatest_index = max((MAX_PARTIAL_HZ / hertz - 1) / ratio - 1, 0.0)
    falling_index = min(index, greatest_index) * np.exp(-index_decay * times)
    modulator = falling_index * np.sin(2 * np.pi * hertz * ratio * times)
    carrier = np.sin(2 * np.pi * hertz * times + modulator)
    return np.asarray(np.exp(-decay * times) * carrier, dtype=np.float32)


def _bell(hertz: float, seconds: float, brightness: float, rng: np.random.Generator) -> Sound:
    return _modulated(_times(max(seconds, 1.0) + 1.2), hertz, 3.5, 1 + 3 * brightness, 2.0, 1.8)


def _electric_piano(
    hertz: float, seconds: float, brightness: float, rng: np.random.Generator
) -> Sound:
    times = _times(seconds + 0.25)
    body = _modulated(times, hertz, 1.0, 0.4 + brightness, 1.5, 1.5)
    tine = 0.3 * brightness * _modulated(times, hertz, 7.0, 0.8, 12, 8)
    return (body + tine) * _swell(times, seconds, 0.003, 0.25)


def _square(hertz: float, seconds: float, brightness: float, rng: np.random.Generator) -> Sound:
    """A pulse wave as of old sound chips; `brightness` narrows the pulse."""
    times = _times(seconds)
    k = _harmonics(24)
    levels = np.abs(np.sin(np.pi * k * (0.5 - 0.25 * brightness))) / k
    sound = _partials(times, hertz, levels.astype(np.float32)) * np.exp(-1.5 * times)
    return np.asarray(sound, dtype=np.float32)


def _triangle(hertz: float, seconds: float, brightness: float, rng: np.random.Generator) -> Sound:
    levels = _harmonics(15) ** -2
    levels[1::2] = 0
    return _partials(_times(seconds), hertz, levels)


def _saw_bass(hertz: float, seconds: float, brightness: float, rng: np.random.Generator) -> Sound:
    """A sawtooth with a closing filter: higher harmonics decay faster."""
    times = _times(seconds + 0.05)
    k = _harmonics(30)
    sound = _partials(times, hertz, k**-1, decays=k * (2.5 - 2 * brightness))
    return sound * _swell(times, seconds, 0.005, 0.05)


def _sub_bass(hertz: float, seconds: float, brightness: float, rng: np.random.Generator) -> Sound:
    times = _times(seconds + 0.08)
    sound = np.tanh((1 + 1.5 * brightness) * np.sin(2 * np.pi * hertz * times))
    return np.asarray(sound * _swell(times, seconds, 0.01, 0.08), dtype=np.float32)


def _kick(hertz: float, seconds: float, brightness: float, rng: np.random.Generator) -> Sound:
    times = _times(0.35)
    phase = 2 * np.pi * (48 * times + 110 / 35 * (1 - np.exp(-35 * times)))
    click = 0.3 * brightness * rng.standard_normal(len(times)) * np.exp(-400 * times)
    return np.asarray(np.sin(phase) * np.exp(-9 * times) + click, dtype=np.float32)


def _snare(hertz: float, seconds: float, brightness: float, rng: np.random.Generator) -> Sound:
    times = _times(0.25)
    rattle = _noise(times, rng, 900, 5000 + 5000 * brightness) * np.exp(-18 * times)
    tone = 0.5 * np.sin(2 * np.pi * 185 * times) * np.exp(-25 * times)
    return np.asarray(rattle + tone, dtype=np.float32)


def _clap(hertz: float, seconds: float, brightness: float, rng: np.random.Generator) -> Sound:
    times = _times(0.25)
    hands = sum(np.exp(-120 * np.abs(times - late)) for late in (0.0, 0.011, 0.022))
    envelope = np.asarray(hands + 0.5 * np.exp(-20 * times), dtype=np.float32)
    return _noise(times, rng, 800, 4000) * envelope


def _hat(hertz: float, seconds: float, brightness: float, rng: np.random.Generator) -> Sound:
    times = _times(0.08)
    return _noise(times, rng, 5500, 11_500) * np.exp(-60 * times)


def _open_hat(hertz: float, seconds: float, brightness: float, rng: np.random.Generator) -> Sound:
    times = _times(0.3)
    return _noise(times, rng, 5000, 11_500) * np.exp(-12 * times)


def _ride(hertz: float, seconds: float, brightness: float, rng: np.random.Generator) -> Sound:
    times = _times(0.5)
    ring = np.sin(2 * np.pi * 3170 * times) + np.sin(2 * np.pi * 4790 * times)
    sizzle = _noise(times, rng, 3500, 11_000) * np.exp(-9 * times)
    return np.asarray(sizzle + 0.08 * ring * np.exp(-7 * times), dtype=np.float32)


INSTRUMENTS: dict[str, Instrument] = {
    "pluck": _pluck,
    "upright bass": _upright_bass,
    "guitar": _guitar,
    "organ": _organ,
    "strings": _strings,
    "flute": _flute,
    "reed": _reed,
    "piano": _piano,
    "bell": _bell,
    "electric piano": _electric_piano,
    "square": _square,
    "triangle": _triangle,
    "saw bass": _saw_bass,
    "sub bass": _sub_bass,
    "kick": _kick,
    "snare": _snare,
    "clap": _clap,
    "hat": _hat,
    "open hat": _open_hat,
    "ride": _ride,
}
