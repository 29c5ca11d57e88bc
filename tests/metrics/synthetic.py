"""Sounds with a known pulse, key and form, at 22,050 Hz."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

RATE = 22050
C_MAJOR = ((48, 60, 64, 67), (53, 60, 65, 69), (55, 59, 62, 67), (48, 60, 64, 67))
"""I, IV, V, I, as MIDI pitches."""


def clicks(bpm: float, seconds: float = 12.0) -> NDArray[np.float32]:
    """A click of 1 kHz on every beat."""
    audio = np.zeros(round(seconds * RATE))
    time = np.arange(1000) / RATE
    click = np.sin(2 * np.pi * 1000 * time) * np.exp(-100 * time)
    for start in np.arange(0.2, seconds - 0.1, 60 / bpm):
        place = round(start * RATE)
        audio[place : place + click.size] += click
    return audio.astype(np.float32)


def note(pitch: float, seconds: float) -> NDArray[np.float64]:
    """A plucked note of five partials."""
    time = np.arange(round(seconds * RATE)) / RATE
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    partials = sum(np.sin(2 * np.pi * hertz * k * time) / k**1.5 for k in range(1, 6))
    return 0.1 * partials * np.exp(-2 * time) * np.minimum(1, time / 0.01)


def chords(pitches: Sequence[Sequence[int]], seconds: float = 1.0, transposed: int = 0) -> NDArray[np.float32]:
    """One chord after another, `seconds` each, moved up by so many semitones."""
    played = [sum(note(pitch + transposed, seconds) for pitch in chord) for chord in pitches]
    return np.concatenate(played).astype(np.float32)


def random_notes(seed: int, seconds: float = 16.0, note_seconds: float = 0.25) -> NDArray[np.float32]:
    """Three random pitches at a time: unrelated to whatever has another seed."""
    pitches = np.random.default_rng(seed).integers(45, 85, size=(round(seconds / note_seconds), 3))
    return chords(pitches.tolist(), note_seconds)
