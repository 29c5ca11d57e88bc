"""Four voices through a row of chords, by the rules of the textbook, as the cheapest path through all voicings.

No voice leaves its range or crosses another, upper neighbours stay within an octave; no parallel fifths, octaves or
unisons; the leading note rises to the tonic and is not doubled, a seventh falls by step. Among what is allowed, voices
move little, the soprano does not stand still, and a seeded noise chooses.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from harness.corpora.composed.theory import Chord

RANGES = ((40, 57), (48, 67), (55, 72), (60, 79))
"""Lowest and highest MIDI pitch of bass, tenor, alto and soprano."""

FORBIDDEN = 1000.0
PAIRS = tuple(combinations(range(4), 2))

Voicings = NDArray[np.int64]
"""(n, 4) MIDI pitches, the bass first."""


def candidates(chord: Chord, first: bool, last: bool) -> Voicings:
    """All voicings (n, 4) of a chord; it stands on its root where it begins or ends a section, or on its third."""
    basses = (chord.root,) if first or last or len(chord.pitches) == 2 else chord.pitches[:2]
    needed = set(chord.pitches) - ({chord.pitches[2]} if len(chord.pitches) == 4 else set())
    allowed = (basses, chord.pitches, chord.pitches, chord.pitches)
    voices = [
        [p for p in range(low, high + 1) if p % 12 in classes]
        for (low, high), classes in zip(RANGES, allowed, strict=True)
    ]
    rows = np.stack(np.meshgrid(*voices, indexing="ij"), -1).reshape(-1, 4)
    gaps = np.diff(rows, axis=1)
    rows = rows[(gaps > 0).all(1) & (gaps[:, 1:] <= 12).all(1) & (gaps[:, 0] <= 19)]
    classes = rows % 12
    keep = np.all([(classes == pitch).any(1) for pitch in needed], axis=0)
    for single in (chord.leading, chord.seventh):
        if single is not None:
            keep &= (classes == single).sum(1) <= 1
    return rows[keep]


def broken_rules(before: Voicings, after: Voicings, chords: tuple[Chord, Chord]) -> NDArray[np.int64]:
    """How many rules each step from a voicing (..., 4) to another breaks."""
    moved = after - before
    broken = np.zeros(moved.shape[:-1], np.int64)
    for low, high in PAIRS:
        interval, then = (x[..., high] - x[..., low] for x in (before, after))
        perfect = (interval % 12 == then % 12) & np.isin(then % 12, (0, 7))
        broken += perfect & (moved[..., low] * moved[..., high] > 0)
    here, there = chords
    if here.leading is not None and (here.leading + 1) % 12 == there.root:
        broken += ((before % 12 == here.leading) & (moved != 1)).sum(-1)
    if here.seventh is not None and here.numeral != there.numeral:
        broken += ((before % 12 == here.seventh) & ~np.isin(moved, (-1, -2))).sum(-1)
    return broken


def lead(chords: Sequence[Chord], rng: np.random.Generator) -> Voicings:
    """One voicing for each chord: (chords, 4) MIDI pitches."""
    options = [candidates(c, i == 0, i == len(chords) - 1) for i, c in enumerate(chords)]
    cost = _taste(options[0], chords[0]) + rng.random(len(options[0]))
    came_from = []
    for i in range(1, len(chords)):
        before, after = options[i - 1][:, None], options[i][None]
        moved = np.abs(after - before)
        step = moved[..., 1:].sum(-1) + 0.3 * moved[..., 0] + 3.0 * (moved[..., 1:] > 5).sum(-1)
        step = step + 2.5 * (moved[..., 3] == 0) + FORBIDDEN * broken_rules(before, after, (chords[i - 1], chords[i]))
        total = cost[:, None] + step
        came_from.append(total.argmin(0))
        cost = total.min(0) + _taste(options[i], chords[i]) + 3.0 * rng.random(len(options[i]))
    path = [int(cost.argmin())]
    for back in reversed(came_from):
        path.append(int(back[path[-1]]))
    return np.stack([options[i][place] for i, place in enumerate(reversed(path))])


def _taste(voicings: Voicings, chord: Chord) -> NDArray[np.float64]:
    """The cost of a voicing in itself: a soprano off the middle of its range, a bass that is not the root."""
    return 0.25 * np.abs(voicings[:, 3] - 70) + 2.0 * (voicings[:, 0] % 12 != chord.root)
