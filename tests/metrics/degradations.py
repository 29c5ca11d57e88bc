"""Five graded levels, 1 the mildest and 5 the worst, of five ways to spoil music. A metric of quality must rank them.

Pure functions of (audio (samples,), rate in Hz, level) that return float32 of the same length, level 0 being the audio
as it is. What is random follows from the length of the audio alone, so that a level differs from the next in strength
and in nothing else.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

from metrics.io.audio import resample

Audio = NDArray[np.float32]
Degradation = Callable[[Audio, int, int], Audio]

LEVELS = (1, 2, 3, 4, 5)

NOISE_DB = (30.0, 20.0, 10.0, 5.0, 0.0)
"""Of the signal above white noise."""

LOW_PASS_HZ = (4000.0, 2000.0, 1000.0, 500.0, 250.0)

DRIVE_DB = (6.0, 12.0, 18.0, 24.0, 36.0)
"""Of the root mean square, above the level at which it would be cut off."""

PIECE_SECONDS = (0.7, 0.4, 0.22, 0.12, 0.06)
"""Of the pieces that are put in another order."""

WOBBLE_SEMITONES = (0.25, 0.5, 1.0, 2.0, 4.0)
"""To either side, six times a second."""

WOBBLE_HZ = 6.0
FINER = 8


def noise(audio: Audio, rate: int, level: int) -> Audio:
    """White noise is added."""
    if level == 0:
        return audio
    added = np.random.default_rng(audio.size).standard_normal(audio.size)
    gain = np.sqrt(np.mean(np.square(audio, dtype=np.float64))) * 10 ** (-NOISE_DB[level - 1] / 20)
    return (audio + gain * added).astype(np.float32)


def low_pass(audio: Audio, rate: int, level: int) -> Audio:
    """The upper band is lost, at 48 dB an octave and without delay."""
    if level == 0:
        return audio
    return sosfiltfilt(butter(4, LOW_PASS_HZ[level - 1], fs=rate, output="sos"), audio).astype(np.float32)


def clipping(audio: Audio, rate: int, level: int) -> Audio:
    """The waveform is cut off; the loudness stays about the same, as it would in a comparison at equal loudness."""
    if level == 0:
        return audio
    rms = float(np.sqrt(np.mean(np.square(audio, dtype=np.float64))))
    # A sine is cut off from 3 dB above its root mean square on: 12 dB leave room for music's peaks.
    ceiling = rms * 10 ** ((12.0 - DRIVE_DB[level - 1]) / 20)
    cut = np.clip(audio, -ceiling, ceiling)
    return (cut * rms / np.sqrt(np.mean(np.square(cut, dtype=np.float64)) + 1e-20)).astype(np.float32)


def time_scramble(audio: Audio, rate: int, level: int) -> Audio:
    """Pieces come in a random order, shorter ones from level to level."""
    if level == 0:
        return audio
    length = round(PIECE_SECONDS[level - 1] * rate)
    count = audio.size // length
    pieces = audio[: count * length].reshape(count, length)
    shuffled = pieces[np.random.default_rng(audio.size).permutation(count)].ravel()
    return np.concatenate([shuffled, audio[count * length :]])


def pitch_wobble(audio: Audio, rate: int, level: int) -> Audio:
    """The tape runs now faster, now slower: the pitch swings like a sine and time stays the same on the whole."""
    if level == 0:
        return audio
    time = np.arange(audio.size) / rate
    # The speed is 1 + depth·cos; its integral is where to read.
    depth = 2 ** (WOBBLE_SEMITONES[level - 1] / 12) - 1
    place = time + depth / (2 * np.pi * WOBBLE_HZ) * np.sin(2 * np.pi * WOBBLE_HZ * time)
    # Straight lines between the samples would dull the treble: they are drawn between eight times as many.
    fine = resample(audio, rate, FINER * rate)
    return np.interp(FINER * rate * place, np.arange(fine.size), fine).astype(np.float32)


DEGRADATIONS: dict[str, Degradation] = {
    "noise": noise,
    "low-pass": low_pass,
    "clipping": clipping,
    "time-scramble": time_scramble,
    "pitch wobble": pitch_wobble,
}
