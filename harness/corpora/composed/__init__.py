"""Composed music: seeded, unlimited, and of known truth (key, tempo, metre, chords, form, instruments).

theory.py   keys, chords, phrases that end in cadences
voices.py   four voices led by rule
melody.py   motifs that return, over the chords
styles.py   what tells the styles apart, as data
piece.py    one piece: parts, dynamics, truth
sound.py    MIDI, the soundfont, audio
compose.py  a corpus on disk
"""

from harness.corpora.composed.build import ComposeRequest, compose, read_truth
from harness.corpora.composed.piece import Piece, compose_piece
from harness.corpora.composed.styles import STYLES

__all__ = ["STYLES", "ComposeRequest", "Piece", "compose", "compose_piece", "read_truth"]
