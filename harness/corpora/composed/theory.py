"""Keys, chords and phrases. A phrase is a row of Roman numerals; how it ends is its cadence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PITCHES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "pentatonic": (0, 2, 4, 7, 9),
}
"""Semitones above the tonic."""

OVER_DOMINANT = (0, 2, 3, 5, 7, 9, 11)
"""The minor scale over its dominant: the leading note is raised, and the sixth with it, so that no step is of three
semitones."""

NUMERALS = ("I", "II", "III", "IV", "V", "VI", "VII")

PENTATONIC_CHORDS = {"I": (0, 4, 7), "vi": (9, 0, 4), "ii": (2, 9), "V": (7, 2)}
"""Root first. What the scale lacks is left out, so that second and fifth degree are open fifths."""

OPEN, CLOSED, BRIDGE = "open", "closed", "bridge"

PHRASES: dict[str, dict[str, tuple[str, ...]]] = {
    "major": {
        OPEN: ("I vi ii V", "I IV ii V", "I iii IV V", "I IV I V"),
        CLOSED: ("I IV V7 I", "vi ii V7 I", "I ii V7 I", "IV ii V7 I"),
        BRIDGE: ("vi iii IV V", "IV I ii V", "vi ii IV V", "ii vi ii V"),
    },
    "minor": {
        OPEN: ("i VI iv V", "i iv i V", "i VII VI V", "i III iv V"),
        CLOSED: ("i iv V7 i", "VI iv V7 i", "i VI V7 i", "iv i V7 i"),
        BRIDGE: ("III VII VI V", "VI III iv V", "iv VII III V", "III VI iv V"),
    },
    "dorian": {
        OPEN: ("i IV i VII", "i III IV VII", "i v IV VII"),
        CLOSED: ("i IV VII i", "III IV VII i", "i v VII i"),
        BRIDGE: ("III VII IV VII", "v IV v VII", "IV III IV VII"),
    },
    "pentatonic": {
        OPEN: ("I vi I V", "I ii vi V", "vi I ii V"),
        CLOSED: ("vi ii V I", "I vi V I", "I ii V I"),
        BRIDGE: ("vi I ii V", "vi ii vi V", "ii vi ii V"),
    },
}
"""By mode and kind. Open phrases and bridges end in a half cadence (on the dominant; in dorian on VII), closed ones in
an authentic one (to the tonic from there)."""


@dataclass(frozen=True)
class Chord:
    """`pitches` are pitch classes (C is 0), the root first; `leading` and `seventh` those that must resolve."""

    numeral: str
    pitches: tuple[int, ...]
    leading: int | None = None
    seventh: int | None = None

    @property
    def root(self) -> int:
        return self.pitches[0]

    @property
    def symbol(self) -> str:
        """In Harte's notation, such as "A:min"; "G:5" has no third.

        >>> Chord("V7", (7, 11, 2, 5)).symbol
        'G:7'
        """
        above = tuple((p - self.root) % 12 for p in self.pitches)
        kinds = {(0, 4, 7): "maj", (0, 3, 7): "min", (0, 4, 7, 10): "7", (0, 7): "5"}
        return f"{PITCHES[self.root]}:{kinds[above]}"


@dataclass(frozen=True)
class Key:
    """`tonic` is a pitch class, `mode` one of `SCALES`."""

    tonic: int
    mode: str

    @property
    def name(self) -> str:
        """Such as "A minor"."""
        return f"{PITCHES[self.tonic]} {self.mode}"

    def chord(self, numeral: str) -> Chord:
        """The chord of a Roman numeral: of the scale, but in minor the dominant has its leading note.

        >>> Key(9, "minor").chord("V7").symbol
        'E:7'
        """
        degree = numeral.removesuffix("7")
        if self.mode == "pentatonic":
            return Chord(numeral, tuple((self.tonic + p) % 12 for p in PENTATONIC_CHORDS[degree]))
        dominant = degree == "V"  # written small where it is minor
        scale = self.scale(dominant)
        start = NUMERALS.index(degree.upper())
        pitches = [(self.tonic + scale[(start + step) % 7]) % 12 for step in (0, 2, 4, 6)]
        wanted = 4 if numeral.endswith("7") else 3
        leading = (self.tonic + 11) % 12 if dominant else None
        return Chord(numeral, tuple(pitches[:wanted]), leading, pitches[3] if wanted == 4 else None)

    def scale(self, dominant: bool = False) -> tuple[int, ...]:
        """Semitones above the tonic, over the dominant or elsewhere."""
        return OVER_DOMINANT if dominant and self.mode == "minor" else SCALES[self.mode]

    def ladder(self, chord: Chord, low: int, high: int) -> list[int]:
        """The MIDI pitches of the scale over `chord`, from `low` to `high`."""
        classes = {(self.tonic + p) % 12 for p in self.scale(chord.leading is not None)}
        return [p for p in range(low, high + 1) if p % 12 in classes]


def section(key: Key, kinds: tuple[str, ...], rng: np.random.Generator) -> list[Chord]:
    """The chords of phrases of these kinds, four each; where a closed phrase follows an open one it answers it."""
    rows = [str(rng.choice(PHRASES[key.mode][kind])) for kind in kinds]
    return [key.chord(numeral) for row in rows for numeral in row.split()]
