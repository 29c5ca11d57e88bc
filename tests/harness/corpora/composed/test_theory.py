"""Chords against the textbook, voices against their rules, melodies against their chords."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from harness.corpora.composed.melody import Line, melody, new_motif
from harness.corpora.composed.styles import FOUR, STYLES, THREE
from harness.corpora.composed.theory import BRIDGE, CLOSED, OPEN, PHRASES, SCALES, Chord, Key, section
from harness.corpora.composed.voices import PAIRS, RANGES, broken_rules, lead

C_MAJOR, A_MINOR = Key(0, "major"), Key(9, "minor")


@pytest.mark.parametrize(
    ("key", "numerals", "symbols"),
    [
        (C_MAJOR, "I ii iii IV V vi V7", "C:maj D:min E:min F:maj G:maj A:min G:7"),
        (A_MINOR, "i III iv V VI VII V7", "A:min C:maj D:min E:maj F:maj G:maj E:7"),
        (Key(2, "dorian"), "i III IV v VII", "D:min F:maj G:maj A:min C:maj"),
        (Key(0, "pentatonic"), "I vi ii V", "C:maj A:min D:5 G:5"),
    ],
)
def test_chords_are_those_of_the_key(key, numerals, symbols):
    assert [key.chord(n).symbol for n in numerals.split()] == symbols.split()


@pytest.mark.parametrize("mode", SCALES)
def test_phrases_end_in_their_cadences(mode):
    away = "VII" if mode == "dorian" else "V"
    for kind, rows in PHRASES[mode].items():
        for row in (row.split() for row in rows):
            assert len(row) == 4
            assert (row[-1].upper() == "I") == (kind == CLOSED)
            assert row[-2 if kind == CLOSED else -1].removesuffix("7") == away


@pytest.mark.parametrize("mode", SCALES)
@pytest.mark.parametrize("seed", range(4))
def test_voices_break_no_rule(mode, seed):
    rng = np.random.default_rng(seed)
    chords = section(Key(seed * 5 % 12, mode), (OPEN, CLOSED) if seed % 2 else (BRIDGE, OPEN), rng)
    voicings = lead(chords, rng)
    for voice, (low, high) in enumerate(RANGES):
        assert voicings[:, voice].min() >= low
        assert voicings[:, voice].max() <= high
    assert (np.diff(voicings, axis=1) > 0).all()
    for chord, voicing in zip(chords, voicings, strict=True):
        assert set(voicing % 12) <= set(chord.pitches)
        assert len(set(voicing % 12)) >= min(3, len(chord.pitches))
    steps = zip(voicings, voicings[1:], pairwise(chords), strict=False)
    assert sum(int(broken_rules(a, b, pair)) for a, b, pair in steps) == 0


def parallels(before, after):
    """Counted the slow way, as a textbook words it."""
    found = 0
    for low, high in PAIRS:
        moved = after[low] - before[low], after[high] - before[high]
        kinds = (before[high] - before[low]) % 12, (after[high] - after[low]) % 12
        same_way = min(moved) > 0 or max(moved) < 0
        found += same_way and kinds in ((0, 0), (7, 7))
    return found


@pytest.mark.parametrize(
    ("before", "after", "broken"),
    [
        ((48, 55, 64, 72), (50, 57, 65, 74), 2),  # a fifth and an octave, upwards
        ((48, 55, 64, 72), (48, 55, 64, 72), 0),  # nothing moves
        ((48, 55, 64, 72), (53, 57, 65, 72), 0),
        ((43, 55, 62, 71), (48, 55, 64, 72), 0),  # V–I, led as it should be
    ],
)
def test_parallels_are_counted(before, after, broken):
    plain = Chord("I", (0, 4, 7)), Chord("ii", (2, 5, 9))
    assert int(broken_rules(np.array(before), np.array(after), plain)) == broken == parallels(before, after)


def test_the_leading_note_must_rise_and_the_seventh_fall():
    seventh, tonic = C_MAJOR.chord("V7"), C_MAJOR.chord("I")
    led = np.array((43, 59, 65, 74)), np.array((48, 60, 64, 72))
    assert int(broken_rules(*led, (seventh, tonic))) == 0
    assert int(broken_rules(led[0], np.array((48, 55, 67, 76)), (seventh, tonic))) >= 2


@pytest.mark.parametrize("cells", [FOUR, THREE])
def test_a_melody_stays_in_scale_and_range_and_ends_at_home(cells):
    bar = float(sum(cells[0]))
    for seed in range(6):
        rng = np.random.default_rng(seed)
        chords = section(A_MINOR, (OPEN, CLOSED), rng)
        motif = new_motif(cells, rng)
        notes = melody(motif, chords, Line(A_MINOR, 64, 84, bar), 4)
        assert sum(length for _, length, _ in notes) == 8 * bar  # no gaps, no overlaps
        for start, _, pitch in notes:
            chord = chords[int(start / bar)]
            assert 64 <= pitch <= 84
            assert pitch in A_MINOR.ladder(chord, 64, 84)
            assert start % bar or pitch % 12 in chord.pitches
        assert notes[-1][2] % 12 == A_MINOR.tonic
        first, second = ([n[1] for n in notes if b * bar <= n[0] < (b + 1) * bar] for b in (0, 1))
        assert tuple(first) == tuple(second) == motif.rhythm  # the motif returns


def test_every_rhythm_fills_its_bar():
    for style in STYLES.values():
        assert all(sum(cell) == style.bar for cell in style.cells)
