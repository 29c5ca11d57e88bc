"""The styles, as data: what is heard of a style is its metre, tempo, modes, instruments and how they play the voices.

A pattern is what an instrument plays in each bar: (start, duration, voices), in quarters, voice 0 being the bass and 3
the soprano of the harmony. A bar with several chords has the pattern once for each.
"""

from __future__ import annotations

from dataclasses import dataclass

Pattern = tuple[tuple[float, float, tuple[int, ...]], ...]
Beats = tuple[tuple[float, int, int], ...]


@dataclass(frozen=True)
class InstrumentPart:
    """One instrument: General MIDI `program` (from 0), and what it plays: a `pattern` of the voices, the melody where
    there is none, or `drums` as (start, General MIDI drum, velocity)."""

    name: str
    program: int
    velocity: int
    pattern: Pattern = ()
    shift: int = 0  # semitones, by octaves
    drums: Beats = ()
    passing: bool = False  # fill thirds between voices with passing notes


@dataclass(frozen=True)
class Style:
    """`tempo` is the range of beats a minute; a beat is `beat` quarters, a bar `bar` quarters, `metre` its name."""

    name: str
    modes: tuple[str, ...]
    tempo: tuple[int, int]
    metre: tuple[int, int]
    parts: tuple[InstrumentPart, ...]
    forms: tuple[str, ...]
    cells: tuple[tuple[float, ...], ...] = ()  # rhythms of a bar that a motif may have
    melody: tuple[int, int] = (60, 84)  # MIDI range
    chords_a_phrase: int = 4  # in four bars

    @property
    def bar(self) -> float:
        """Quarters in a bar."""
        return 4 * self.metre[0] / self.metre[1]

    @property
    def beat(self) -> float:
        """Quarters in a beat: one and a half in compound metres."""
        return 1.5 if self.metre == (6, 8) else 4 / self.metre[1]


def _spread(order: str, step: float, length: float, start: float = 0.0) -> Pattern:
    """One voice after another: `_spread("0121", 0.5, 1)`."""
    return tuple((start + i * step, length, (int(voice),)) for i, voice in enumerate(order))


FOUR = ((1, 1, 1, 1), (1.5, 0.5, 1, 1), (2, 1, 1), (1, 0.5, 0.5, 2), (0.5, 0.5, 1, 1, 1), (1, 1, 2))
QUICK = ((0.5, 0.5, 0.5, 0.5, 1, 1), (0.75, 0.75, 0.5, 1, 1), (1, 0.5, 0.5, 1, 0.5, 0.5), (1.5, 0.5, 0.5, 0.5, 1))
THREE = ((2, 1), (1, 1, 1), (1.5, 0.5, 1), (1, 0.5, 0.5, 1))
SIX = ((1, 0.5, 1, 0.5), (1.5, 1, 0.5), (0.5, 0.5, 0.5, 1, 0.5))

KICK, SNARE, HAT = 36, 38, 42
BACKBEAT: Beats = (
    *((beat, KICK, 100) for beat in (0.0, 2.0)),
    (2.5, KICK, 84),
    *((beat, SNARE, 92) for beat in (1.0, 3.0)),
    *((eighth / 2, HAT, 62 if eighth % 2 else 74) for eighth in range(8)),
)

STYLES: dict[str, Style] = {
    style.name: style
    for style in (
        Style(
            "chorale", ("major", "minor"), (66, 84), (4, 4),
            tuple(InstrumentPart("choir aahs", 52, 84 - 4 * (v in (1, 2)), ((0, 2, (v,)),), passing=True) for v in
            range(4)), ("AABA", "ABA"), chords_a_phrase=8,
        ),
        Style(
            "waltz", ("major", "minor"), (138, 174), (3, 4),
            (
                InstrumentPart("accordion", 21, 92),
                InstrumentPart("acoustic grand piano", 0, 66, ((1, 0.7, (1, 2, 3)), (2, 0.7, (1, 2, 3)))),
                InstrumentPart("acoustic bass", 32, 92, ((0, 1.5, (0,)),)),
            ),
            ("AABBACA", "AABACA"), THREE, (67, 86),
        ),
        Style(
            "lullaby", ("major",), (48, 60), (6, 8),
            (InstrumentPart("music box", 10, 96), InstrumentPart("music box", 10, 64, _spread("012321", 0.5, 0.5),
            shift=12)), ("AABA", "ABA"), SIX, (76, 96),
        ),
        Style(
            "ballad", ("major", "minor"), (68, 88), (4, 4),
            (
                InstrumentPart("flute", 73, 88),
                InstrumentPart("acoustic guitar (steel)", 25, 80, ((0, 4, (0,)), *_spread("1232321", 0.5, 1,
                start=0.5))),
            ),
            ("ABA", "AABA"), FOUR, (67, 86),
        ),
        Style(
            "ostinato", ("dorian", "minor"), (108, 132), (4, 4),
            (
                InstrumentPart("marimba", 12, 92, _spread("32312321", 0.5, 0.5)),
                InstrumentPart("acoustic grand piano", 0, 70, _spread("1213121312131213", 0.25, 0.25), shift=12),
                InstrumentPart("vibraphone", 11, 60, ((0, 4, (0, 2)),)),
            ),
            ("AABBAA", "ABABA"),
        ),
        Style(
            "plucked", ("pentatonic",), (72, 96), (4, 4),
            (
                InstrumentPart("koto", 107, 96),
                InstrumentPart("koto", 107, 72, ((0, 2, (0,)), (1, 1, (2,)), (2.5, 1, (1,)), (3, 1, (2,)))),
            ),
            ("ABA", "AABA"), QUICK, (62, 84),
        ),
        Style(
            "organ", ("minor", "major"), (60, 76), (4, 4),
            (
                InstrumentPart("church organ", 19, 84),
                InstrumentPart("church organ", 19, 66, _spread("1232123212321232", 0.25, 0.25)),
                InstrumentPart("church organ", 19, 84, ((0, 4, (0,)),), shift=-12),
            ),
            ("ABA", "AABA"), FOUR, (67, 84),
        ),
        Style(
            "pulse", ("minor", "dorian"), (118, 132), (4, 4),
            (
                InstrumentPart("lead (square)", 80, 70),
                InstrumentPart("lead (sawtooth)", 81, 62, _spread("1231231212312312", 0.25, 0.2)),
                InstrumentPart("synth bass", 38, 92, _spread("00000000", 0.5, 0.4)),
                InstrumentPart("drums", 0, 0, drums=BACKBEAT),
            ),
            ("AABBABA", "ABABAA"), QUICK, (64, 84),
        ),
    )
}  # fmt: skip
