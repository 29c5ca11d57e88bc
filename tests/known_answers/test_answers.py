"""The arithmetic of known answers, on pieces small enough to count by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.corpora.composed import STYLES, compose_piece
from harness.corpora.composed.piece import Sound
from tests.known_answers.answers import declared_pairs, key_answer, tempo_answer, true_onset_density, true_repetition


def piece_of(*notes):
    """Notes (start, pitch) of one part, a quarter each, at 60 quarters a minute in bars of four."""
    made = compose_piece("ballad", 0)
    sounds = tuple(Sound(start, 1.0, pitch, 80) for start, pitch in notes)
    return replace(made, quarters=60.0, parts=((made.parts[0][0], sounds),))


@pytest.mark.parametrize(
    ("found", "answer"),
    [
        (100, "right"),
        (103.9, "right"),
        (104.5, "wrong"),
        (49, "octave"),
        (200, "octave"),
        (300, "metre"),
        (None, "none"),
    ],
)
def test_tempo(found, answer):
    assert tempo_answer(found, 100) == answer


@pytest.mark.parametrize(
    ("found", "true", "answer"),
    [
        ("C major", "C major", "right"),
        ("A minor", "C major", "relative"),
        ("C minor", "C major", "parallel"),
        ("G major", "C major", "fifth"),
        ("F major", "C major", "fifth"),
        ("E minor", "C major", "wrong"),
        ("F major", "D dorian", "relative"),
        (None, "C major", "none"),
    ],
)
def test_key(found, true, answer):
    assert key_answer(found, true) == answer


def test_onsets_at_one_moment_count_once():
    assert true_onset_density(piece_of((0, 60), (0, 64), (2, 60), (7, 60)), 4.0) == 2 / 4


def test_repetition_is_that_of_bars():
    same = piece_of((0, 60), (1, 62), (4, 60), (5, 62))
    half = piece_of((0, 60), (1, 62), (4, 60), (5, 64))
    other = piece_of((0, 60), (4, 62))
    assert [true_repetition(p, 8.0) for p in (same, half, other)] == [1.0, pytest.approx(1 / 3), 0.0]


def test_pairs_are_declared_for_every_style():
    pairs = list(declared_pairs(list(STYLES)))
    assert len(pairs) == 8 * 2 * 8
    assert all(pair.near[0] == pair.style for pair in pairs)
