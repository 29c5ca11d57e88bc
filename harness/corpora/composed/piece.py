"""One piece: sections out of phrases, parts out of voices and melody, dynamics, and what is true of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import pi, sin

import numpy as np

from harness.corpora.composed.melody import Line, Motif, melody, new_motif
from harness.corpora.composed.styles import STYLES, InstrumentPart, Style
from harness.corpora.composed.theory import BRIDGE, CLOSED, OPEN, Chord, Key, section
from harness.corpora.composed.voices import Voicings, lead

PHRASE_BARS, SECTION_BARS = 4, 8
LOUDER = {"A": 0, "B": 6, "C": -6}
"""Velocity of a section over that of the first."""


@dataclass(frozen=True)
class Sound:
    """One note: start and duration in quarters, MIDI pitch and velocity."""

    start: float
    length: float
    pitch: int
    velocity: int

    @property
    def end(self) -> float:
        return self.start + self.length


@dataclass(frozen=True)
class Truth:
    """What is true of a piece. `tempo` in beats a minute; `chords` as "quarter symbol"; `onsets`, distinct moments at
    which a note begins; `motifs`, duration:step by section letter; `seconds` from the first to the last note's end."""

    style: str
    seed: int
    key: str
    mode: str
    tempo: int
    metre: str
    bars: int
    form: str
    instruments: str
    onsets: int
    seconds: float
    chords: str
    motifs: str


@dataclass(frozen=True)
class Piece:
    """Notes by part, and the truth about them; `quarters` a minute is MIDI's tempo."""

    truth: Truth
    style: Style
    key: Key
    quarters: float
    parts: tuple[tuple[InstrumentPart, tuple[Sound, ...]], ...]


@dataclass(frozen=True)
class Section:
    """Eight bars: their chords, a voicing of each, and a melody over them."""

    chords: list[Chord]
    voicings: Voicings
    motif: Motif | None
    notes: list[tuple[float, float, int]]


def compose_piece(style_name: str, seed: int, tonic: int | None = None, program: int | None = None) -> Piece:
    """The piece of this style and seed, the same for ever. `tonic` (pitch class) moves it to another key as a whole,
    `program` gives every pitched part another instrument.

    >>> compose_piece("waltz", 0).truth == compose_piece("waltz", 0).truth
    True
    """
    style = STYLES[style_name]
    digest = hashlib.sha256(f"composed:1:{style_name}:{seed}".encode()).digest()
    # Streams of their own, so that a piece in another key, whose voicings differ, has the same chords and motifs.
    rng, voicing, tunes, dynamics = np.random.default_rng(int.from_bytes(digest[:8], "big")).spawn(4)
    key = Key(int(rng.integers(12)), str(rng.choice(style.modes)))
    tempo, form = int(rng.integers(style.tempo[0], style.tempo[1] + 1)), str(rng.choice(style.forms))
    key = key if tonic is None else replace(key, tonic=tonic)
    sections = {letter: _section(style, key, letter, (rng, voicing, tunes)) for letter in sorted(set(form))}
    parts = style.parts
    if program is not None:
        parts = tuple(part if part.drums else replace(part, program=program) for part in parts)
    played = tuple((part, _play(style, key, part, form, sections, dynamics)) for part in parts)
    quarters = tempo * style.beat
    every = [note for _, notes in played for note in notes]
    a_chord = SECTION_BARS * style.bar / len(sections["A"].chords)
    chords = [chord for letter in form for chord in sections[letter].chords]
    truth = Truth(
        style=style.name,
        seed=seed,
        key=key.name,
        mode=key.mode,
        tempo=tempo,
        metre=f"{style.metre[0]}/{style.metre[1]}",
        bars=SECTION_BARS * len(form),
        form=form,
        instruments=", ".join(dict.fromkeys(part.name for part in parts)) if program is None else f"program {program}",
        onsets=len({round(note.start * 480) for note in every}),
        seconds=round(max(note.end for note in every) * 60 / quarters, 3),
        chords=" ".join(f"{i * a_chord:g} {chord.symbol}" for i, chord in enumerate(chords)),
        motifs="; ".join(f"{letter} {s.motif.text()}" for letter, s in sections.items() if s.motif),
    )
    return Piece(truth, style, key, quarters, played)


def _section(style: Style, key: Key, letter: str, streams: tuple[np.random.Generator, ...]) -> Section:
    """An A answers its open phrase with a closed one; the others lead back to it with a half cadence."""
    kinds = (OPEN, CLOSED) if letter == "A" else (BRIDGE, OPEN)
    doubled = kinds if style.chords_a_phrase == 4 else (kinds[0], OPEN, kinds[0], kinds[1])
    rng, voicing, tunes = streams
    chords = section(key, doubled, rng)
    voicings = lead(chords, voicing)
    if not style.cells:
        return Section(chords, voicings, None, [])
    motif = new_motif(style.cells, tunes)
    line = Line(key, *style.melody, style.bar)
    return Section(chords, voicings, motif, melody(motif, chords, line, PHRASE_BARS))


def _play(
    style: Style, key: Key, part: InstrumentPart, form: str, sections: dict[str, Section], rng: np.random.Generator
) -> tuple[Sound, ...]:
    """All notes of a part, in order, none of them sounding when its pitch is struck again."""
    length, total = SECTION_BARS * style.bar, SECTION_BARS * style.bar * len(form)
    notes: list[Sound] = []
    for index, letter in enumerate(form):
        found = sections[letter]
        ends = index == len(form) - 1
        if part.drums:
            raw = _drummed(part, style, ends)
        elif part.pattern:
            raw = _patterned(part, style, key, found, ends)
        else:
            raw = [(start, held, pitch, part.velocity) for start, held, pitch in found.notes]
        for start, held, pitch, velocity in raw:
            loud = velocity + LOUDER[letter] + _arch(style, start) + int(rng.integers(-3, 4))
            at = index * length + start
            notes.append(Sound(at, min(held, total - at), pitch, int(np.clip(loud, 20, 120))))
    return _released(notes)


def _arch(style: Style, start: float) -> int:
    """A phrase swells and falls; a bar leans on its first beat."""
    phrase = PHRASE_BARS * style.bar
    return round(8 * sin(pi * (start % phrase) / phrase)) + 5 * (start % style.bar == 0)


def _drummed(part: InstrumentPart, style: Style, ends: bool) -> list[tuple[float, float, int, int]]:
    """The beat in every bar; the last bar of a piece has its first stroke only."""
    return [
        (bar * style.bar + start, 0.25, drum, velocity)
        for bar in range(SECTION_BARS)
        for start, drum, velocity in part.drums
        if not (ends and bar == SECTION_BARS - 1 and start > 0)
    ]


def _patterned(
    part: InstrumentPart, style: Style, key: Key, found: Section, ends: bool
) -> list[tuple[float, float, int, int]]:
    """The pattern on each chord's voicing; the last chord of a piece is struck and held."""
    a_chord = SECTION_BARS * style.bar / len(found.chords)
    notes = []
    for i, (chord, voicing) in enumerate(zip(found.chords, found.voicings, strict=True)):
        start = i * a_chord
        pattern = part.pattern
        if ends and i == len(found.chords) - 1:
            voices = sorted({voice for _, _, some in pattern for voice in some})
            pattern = ((0.0, a_chord, tuple(voices)),)
        for offset, held, voices in pattern:
            for voice in voices:
                pitch = int(voicing[voice]) + part.shift
                after = int(found.voicings[i + 1][voice]) + part.shift if i + 1 < len(found.chords) else pitch
                between = _between(key.ladder(chord, 0, 127), pitch, after) if part.passing else None
                if between is None:
                    notes.append((start + offset, held, pitch, part.velocity))
                else:
                    notes.append((start + offset, held / 2, pitch, part.velocity))
                    notes.append((start + offset + held / 2, held / 2, between, part.velocity - 6))
    return notes


def _between(ladder: Sequence[int], pitch: int, after: int) -> int | None:
    """The one note of the scale that lies between two a third apart."""
    if abs(after - pitch) not in (3, 4):
        return None
    return next((p for p in ladder if min(pitch, after) < p < max(pitch, after)), None)


def _released(notes: list[Sound]) -> tuple[Sound, ...]:
    """Each note ends before its pitch sounds again; one that would sound twice at once sounds once."""
    by_pitch: dict[int, list[Sound]] = {}
    for note in sorted(notes, key=lambda n: (n.start, -n.velocity)):
        row = by_pitch.setdefault(note.pitch, [])
        if row and row[-1].start == note.start:
            continue
        if row and row[-1].end > note.start:
            row[-1] = replace(row[-1], length=note.start - row[-1].start)
        row.append(note)
    return tuple(sorted((n for row in by_pitch.values() for n in row), key=lambda n: (n.start, n.pitch)))
