"""Training data: the tracks of a built corpus in memory, and seeded random excerpts of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from harness.corpora import Track, open_corpus


@dataclass(frozen=True)
class Recordings:
    """Tracks of one split as int16 samples, with the labels of each."""

    audio: list[np.ndarray]  # int16 (samples,) per track
    tracks: list[Track]
    rate: int

    @property
    def styles(self) -> list[str]:
        """The styles of the tracks, sorted."""
        return sorted({track.style for track in self.tracks})

    def excerpts(self, rng: np.random.Generator, count: int, samples: int) -> np.ndarray:
        """Random excerpts (count, samples) float32 in [-1, 1]: every style is as likely, within it every second.

        Gain varies by ±6 dB, so that the codec does not learn one loudness.
        """
        out = np.empty((count, samples), np.float32)
        gains = 10 ** (rng.uniform(-6, 6, count) / 20)
        for row, gain in zip(out, gains, strict=True):
            style = rng.choice(self.styles)
            long_enough = [i for i, t in enumerate(self.tracks) if t.style == style and len(self.audio[i]) > samples]
            lengths = np.array([len(self.audio[i]) for i in long_enough])
            audio = self.audio[long_enough[rng.choice(len(long_enough), p=lengths / lengths.sum())]]
            start = rng.integers(len(audio) - samples)
            row[:] = audio[start : start + samples] * np.float32(gain / 32768)
        return np.clip(out, -1, 1)


def read_recordings(corpus: str, *splits: str) -> Recordings:
    """Every track of the named splits of a built corpus. Raises `CorpusError` where the corpus is not built."""
    built = open_corpus(corpus)
    tracks = [track for track in built.tracks if track.split in splits]
    audio, rate = [], 0
    for track in tracks:
        samples, rate = soundfile.read(Path(built.path(track)), dtype="int16")
        audio.append(samples)
    return Recordings(audio, tracks, rate)
