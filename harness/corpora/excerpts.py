"""Equal excerpts of real music for measuring: spread over styles, tracks and time, the same ones every time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import soundfile
from numpy.typing import NDArray

from harness.core.errors import CorpusError
from harness.corpora.corpus import Corpus
from harness.corpora.manifest import Track
from metrics.io.audio import loudness

QUIET = -50.0
"""LUFS below which an excerpt of a normalised track is a fade or a pause, and the next place is tried."""


@dataclass(frozen=True)
class Excerpt:
    """`audio` float32 (samples,) at `rate` Hz from `start` seconds into a track."""

    track: Track
    start: float
    audio: NDArray[np.float32]
    rate: int

    @property
    def song(self) -> str:
        """The sampling unit: the track it is from."""
        return self.track.file


def halves(tracks: Sequence[Track]) -> tuple[list[Track], list[Track]]:
    """Two disjoint halves, alike in styles and packages: a package's tracks go to one and the other in turn, ordered
    by their hashes."""
    ordered = sorted(tracks, key=lambda track: (track.style, track.package, track.sha256))
    return ordered[::2], ordered[1::2]


def excerpts(corpus: Corpus, tracks: Sequence[Track], per_style: int, seconds: float) -> list[Excerpt]:
    """`per_style` excerpts of each style, the tracks in turn, at places spread evenly over each track.

    Raises `CorpusError` for a style whose tracks do not hold so many excerpts that do not overlap.
    """
    found = []
    for style in sorted({track.style for track in tracks}):
        of_style = sorted((t for t in tracks if t.style == style), key=lambda track: track.sha256)
        found += _of_style(corpus, of_style, per_style, seconds)
    return found


def _of_style(corpus: Corpus, tracks: list[Track], count: int, seconds: float) -> list[Excerpt]:
    """`count` excerpts, one of each track in turn; where short tracks run out, the long ones go on."""
    supplies = [_of_track(corpus, track, seconds) for track in tracks]
    found: list[Excerpt] = []
    while len(found) < count:
        turn = [excerpt for supply in supplies if (excerpt := next(supply, None)) is not None]
        if not turn:
            raise CorpusError(
                f"the {len(tracks)} tracks of {tracks[0].style} hold {len(found)} excerpts of {seconds:g} s, and "
                f"{count} were requested: request fewer or shorter ones."
            )
        found += turn
    return found[:count]


def _of_track(corpus: Corpus, track: Track, seconds: float) -> Iterator[Excerpt]:
    """The loud excerpts of a track that do not overlap, ordered so that the first few spread over it."""
    audio, rate = soundfile.read(corpus.path(track), dtype="float32")
    length = round(seconds * rate)
    places = len(audio) // length
    margin = (len(audio) - places * length) // 2
    for place in _spread(places):
        start = margin + place * length
        piece = np.asarray(audio[start : start + length], np.float32)
        if loudness(piece, rate) > QUIET:
            yield Excerpt(track, start / rate, piece, rate)


def _spread(count: int) -> list[int]:
    """0 … count−1, ordered so that every beginning of the list is spread over the whole: steps of the golden ratio.

    >>> _spread(8)
    [3, 6, 1, 4, 7, 2, 5, 0]
    """
    golden = (5**0.5 - 1) / 2
    return sorted(range(count), key=lambda n: -(n * golden % 1))
