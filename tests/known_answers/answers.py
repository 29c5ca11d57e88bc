"""What counts as right: a measured tempo, key, transposition or order of distances against what is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from harness.corpora.composed.piece import Piece
from harness.corpora.composed.theory import PITCHES

TEMPO_TOLERANCE = 0.04
OCTAVES = (2.0, 0.5)
LEVELS = (3.0, 1 / 3, 1.5, 2 / 3, 4.0, 0.25)
"""Other levels of the metre that a pulse may be heard at, but for the octaves."""


def tempo_answer(found: float | None, true: float) -> str:
    """ "right" within 4 %, "octave" for twice or half, "metre" for another level of the metre, "wrong", or "none".

    >>> [tempo_answer(t, 100) for t in (103, 201, 152, 120, None)]
    ['right', 'octave', 'metre', 'wrong', 'none']
    """
    if found is None:
        return "none"
    for name, ratios in (("right", (1.0,)), ("octave", OCTAVES), ("metre", LEVELS)):
        if any(abs(found / (true * ratio) - 1) <= TEMPO_TOLERANCE for ratio in ratios):
            return name
    return "wrong"


def key_answer(found: str | None, true: str) -> str:
    """ "right", or how the keys are related: "relative", "parallel", "fifth", "wrong", "none".

    The metric knows major and minor: a pentatonic key counts as major, a dorian one as minor.

    >>> [key_answer(k, "A minor") for k in ("A minor", "C major", "A major", "E minor", "B major")]
    ['right', 'relative', 'parallel', 'fifth', 'wrong']
    >>> key_answer("D minor", "D dorian"), key_answer("C major", "C pentatonic")
    ('right', 'right')
    """
    if found is None:
        return "none"
    (heard, heard_mode), (tonic, mode) = found.split(), true.split()
    minor = mode in ("minor", "dorian")
    apart = (PITCHES.index(heard) - PITCHES.index(tonic)) % 12
    same_mode = (heard_mode == "minor") == minor
    if apart == 0:
        return "right" if same_mode else "parallel"
    if same_mode:
        return "fifth" if apart in (5, 7) else "wrong"
    return "relative" if apart == (3 if minor else 9) else "wrong"


def true_onset_density(piece: Piece, seconds: float) -> float:
    """Distinct moments a second at which notes begin, in the first `seconds`."""
    quarters = seconds * piece.quarters / 60
    starts = {round(note.start * 480) for _, notes in piece.parts for note in notes if note.start < quarters}
    return len(starts) / seconds


def true_repetition(piece: Piece, seconds: float) -> float:
    """How like its most similar other bar a bar is, in the mean: the overlap of their (place, pitch) sets, 0 to 1."""
    bars = int(seconds * piece.quarters / 60 / piece.style.bar)
    held: list[set[tuple[int, int]]] = [set() for _ in range(bars)]
    for _, notes in piece.parts:
        for note in notes:
            bar = int(note.start / piece.style.bar)
            if bar < bars:
                held[bar].add((round((note.start - bar * piece.style.bar) * 480), note.pitch))
    likeness = np.zeros((bars, bars))
    for i, j in combinations(range(bars), 2):
        likeness[i, j] = likeness[j, i] = len(held[i] & held[j]) / max(1, len(held[i] | held[j]))
    return float(likeness.max(1).mean())


@dataclass(frozen=True)
class Pair:
    """A declared order: `near` is nearer to `style` than `far` is. Sets are (style, what was done to it)."""

    style: str
    near: tuple[str, str]
    far: tuple[str, str]
    why: str


def declared_pairs(styles: Sequence[str]) -> Iterator[Pair]:
    """What the truth says of distances to half of a style's pieces, written before anything was measured.

    The other half of the style is nearer than other styles, and than its own notes on another instrument; so is the
    other half in other keys.
    """
    for style in styles:
        for change in ("own", "other keys"):
            near = (style, change)
            for other in styles:
                if other != style:
                    yield Pair(style, near, (other, "own"), f"{change} < other style")
            yield Pair(style, near, (style, "other instrument"), f"{change} < other instrument")
