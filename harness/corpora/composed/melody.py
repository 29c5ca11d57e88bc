"""A melody over chords, made of a motif of one bar that returns: stated, answered, varied, and led to a cadence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.corpora.composed.theory import Chord, Key


@dataclass(frozen=True)
class Motif:
    """`rhythm`, durations in quarters that fill a bar; `contour`, scale steps above the bar's first note."""

    rhythm: tuple[float, ...]
    contour: tuple[int, ...]

    def text(self) -> str:
        """For a table.

        >>> Motif((1.5, 0.5, 2), (0, 1, -1)).text()
        '1.5:0 0.5:1 2:-1'
        """
        return " ".join(f"{length:g}:{step}" for length, step in zip(self.rhythm, self.contour, strict=True))

    def inverted(self) -> Motif:
        """Upside down."""
        return Motif(self.rhythm, tuple(-step for step in self.contour))


@dataclass(frozen=True)
class Line:
    """Where a melody moves: `key`, its range in MIDI pitches, and quarters in a bar."""

    key: Key
    low: int
    high: int
    bar: float


Note = tuple[float, float, int]
"""Start and duration in quarters, MIDI pitch."""


def new_motif(cells: Sequence[tuple[float, ...]], rng: np.random.Generator) -> Motif:
    """A rhythm of the style's, and a contour of steps with one leap at most."""
    rhythm = cells[int(rng.integers(len(cells)))]
    steps = rng.choice([-1, 1], size=len(rhythm) - 1)
    if len(steps) > 1:
        steps[rng.integers(len(steps))] *= rng.integers(1, 3)
    return Motif(rhythm, (0, *(int(s) for s in np.cumsum(steps))))


def melody(motif: Motif, chords: Sequence[Chord], line: Line, phrase_bars: int) -> list[Note]:
    """Notes over `chords`, one a bar, in whole phrases; every phrase ends on a long note of its chord.

    The last phrase ends on the tonic where its chord has it.
    """
    notes: list[Note] = []
    before = (line.low + line.high) / 2
    for bar, chord in enumerate(chords):
        place, start = bar % phrase_bars, bar * line.bar
        rise = (0, 2, 3, -1)[place % 4]  # an arch over the phrase, in semitones
        first = _chord_note(chord, (line.low + line.high) / 2 + rise, before, line)
        if place == phrase_bars - 1:
            home = bar == len(chords) - 1 and line.key.tonic in chord.pitches
            notes += _cadence(start, first, chord, line.key.tonic if home else None, line)
        else:
            said = motif.inverted() if place == phrase_bars - 2 else motif
            notes += _stated(said, start, first, chord, line)
        before = notes[-1][2]
    return notes


def _stated(motif: Motif, start: float, first: int, chord: Chord, line: Line) -> list[Note]:
    """The motif from `first`: its contour in the scale, and in the chord where it is strong."""
    notes: list[Note] = []
    at = 0.0
    ladder = line.key.ladder(chord, line.low, line.high)
    nearest = int(np.argmin([abs(p - first) for p in ladder]))
    for length, step in zip(motif.rhythm, motif.contour, strict=True):
        pitch = ladder[int(np.clip(nearest + step, 0, len(ladder) - 1))]
        strong = at == 0 or length >= 1.5 or at * 2 == line.bar
        if strong:
            pitch = min((p for p in ladder if p % 12 in chord.pitches), key=lambda p: (abs(p - pitch), p))
        notes.append((start + at, length, pitch))
        at += length
    return notes


def _cadence(start: float, first: int, chord: Chord, tonic: int | None, line: Line) -> list[Note]:
    """A step into a long note of the chord, on the last strong beat."""
    ladder = line.key.ladder(chord, line.low, line.high)
    wanted = {tonic} if tonic is not None else set(chord.pitches)
    goal = min((p for p in ladder if p % 12 in wanted), key=lambda p: (abs(p - first), p))
    if tonic is not None:
        return [(start, line.bar, goal)]
    neighbour = ladder[min(ladder.index(goal) + 1, len(ladder) - 1)]
    return [(start, 1.0, goal), (start + 1, 0.5, neighbour), (start + 1.5, line.bar - 1.5, goal)]


def _chord_note(chord: Chord, wish: float, before: float, line: Line) -> int:
    """A note of the chord near the wished pitch and near the one before."""
    pitches = [p for p in range(line.low, line.high + 1) if p % 12 in chord.pitches]
    return min(pitches, key=lambda p: (abs(p - wish) + 1.5 * abs(p - before), p))
