"""Whether a clip holds a passage of a known track: landmarks of the spectrogram, hashed.

Wang, "An industrial-strength audio search algorithm", ISMIR 2003. The peaks of the spectrogram that stand out of their
surroundings are paired with the next few; a pair (frequency, distance in frequency, distance in time) is a hash that
survives a gain, a crop, a lossy codec and noise, and two recordings of one passage share many hashes at one offset.

The score is the share of a clip's hashes that one track has at one offset, taken over windows of 10 s so that a short
quotation in a long clip counts. Measured on 59 tracks (3.4 h, seven packages of free music): of 200 excerpts of 10 s
all were found after a gain of −30 dB and as MP3, .995 in white noise 20 or 10 dB below them (of 5 s: 1, 1, .98, .96).
Of 1,000 excerpts whose own package was left out, none reached a quarter of the threshold, so that fewer than .003 of
unrelated clips are taken for copies (95 %); six did when only their own track was left out, where a composer had used
the same samples twice.

A change of tempo or pitch is not seen through, nor a cover: those are for the nearest neighbour
(`metrics.sets.novelty`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.api.score import Score
from metrics.errors import DegenerateInput, UsageError
from metrics.io.audio import check, resample
from metrics.stats.scoring import Kind, mean_score
from metrics.waves.clips import AudioSet

THRESHOLD = 0.05
"""Of the score: from here on a passage is taken for copied."""

FEWEST_MATCHES = 10  # hashes: a few agree by chance where a clip has few
WINDOW_SECONDS, WINDOW_HOP_SECONDS = 10.0, 5.0

RATE, N_FFT, HOP = 8000, 1024, 256  # frames of 128 ms, one each 32 ms, bins of 7.8 Hz
LOWEST, HIGHEST = 4, 500  # bins: 31 Hz … 3.9 kHz
AROUND_FRAMES, AROUND_BINS = 7, 10  # a peak is the greatest within as many to either side
MEAN_BINS = 20
SALIENCE = 1.5  # nepers above the mean around it: noise has few such peaks
FLOOR = 1e-4  # of the greatest magnitude
FAN_OUT = 6
NEAREST_FRAME, FARTHEST_FRAME, FARTHEST_BIN = 2, 63, 127

Integers = NDArray[np.int32]


@dataclass(frozen=True)
class Match:
    """The passage of the index that is most like a passage of a clip.

    `track`, its name; `offset_seconds`, where in the track the clip's start would lie (negative where the clip begins
    before it); `start_seconds`, the window of the clip in which the likeness is greatest; `score`, 0 to 1, the share of
    that window's hashes that agree; `matches`, their number.
    """

    track: str
    offset_seconds: float
    start_seconds: float
    score: float
    matches: int

    @property
    def is_copy(self) -> bool:
        """Whether the score reaches `THRESHOLD` with ten hashes or more."""
        return self.score >= THRESHOLD and self.matches >= FEWEST_MATCHES


class CopyIndex:
    """The hashes of known tracks: about 190 for a second of music, 12 bytes each.

    `tracks` gives (name, mono audio, rate in Hz), one after another, so that they need not be in memory together.
    Raises `UsageError` for a name that occurs twice, `AudioError` for audio that is empty or not finite and
    `DegenerateInput` when no track holds a sound.
    """

    def __init__(self, tracks: Iterable[tuple[str, ArrayLike, int]]) -> None:
        self.names: list[str] = []
        hashes, frames = [], []
        for name, audio, rate in tracks:
            if name in self.names:
                raise UsageError(f"two tracks are named {name!r}: a name for each was expected.")
            self.names.append(name)
            found, at = landmarks(audio, rate)
            hashes.append(found)
            frames.append(at)
        if not sum(found.size for found in hashes):
            raise DegenerateInput(f"{len(hashes)} tracks hold no sound to be found again. Give the index some music.")
        track = np.repeat(np.arange(len(hashes), dtype=np.int32), [found.size for found in hashes])
        joined = np.concatenate(hashes)
        order = np.argsort(joined, kind="stable")
        self._hashes, self._track = joined[order], track[order]
        self._frames = np.concatenate(frames)[order]

    def find(self, audio: ArrayLike, rate: int, exclude: Collection[str] = ()) -> Match | None:
        """The best match of a clip (samples,) in tracks not named in `exclude`; None when it shares no hash with any.

        Silence has no hashes. Ask the match whether it `is_copy`: there is nearly always a best one.
        """
        hashes, frames = landmarks(audio, rate)
        first, last = (np.searchsorted(self._hashes, hashes, side) for side in ("left", "right"))
        counts = last - first
        # One row for each pair of equal hashes: which of the clip's, and which of the index's.
        own = np.repeat(np.arange(hashes.size), counts)
        other = np.arange(counts.sum()) + np.repeat(first - np.cumsum(counts) + counts, counts)
        left_out = [self.names.index(name) for name in exclude if name in self.names]
        allowed = ~np.isin(self._track[other], left_out)
        own, other = own[allowed], other[allowed]
        best: Match | None = None
        span, hop = (round(seconds * RATE / HOP) for seconds in (WINDOW_SECONDS, WINDOW_HOP_SECONDS))
        for start in range(0, max(1, int(frames.max(initial=0)) + 1 - span + hop), hop):
            inside = (frames >= start) & (frames < start + span)
            match = self._best(own[inside[own]], other[inside[own]], frames, int(inside.sum()))
            if match is not None and (best is None or match[2] > best.score):
                track, shift, score, matches = match
                best = Match(self.names[track], shift * HOP / RATE, start * HOP / RATE, score, matches)
        return best

    def _best(self, own: NDArray[Any], other: NDArray[Any], frames: Integers, hashes: int) -> Any:
        """(track, offset in frames, score, matches) with most pairs; offsets one frame to either side count as one."""
        if not own.size:
            return None
        shifts = self._frames[other].astype(np.int64) - frames[own]
        span = 2 * int(np.abs(shifts).max()) + 4
        places, votes = np.unique(self._track[other] * span + shifts + span // 2, return_counts=True)
        total = votes.copy()
        for step in (-1, 1):
            near = np.minimum(np.searchsorted(places, places + step), places.size - 1)
            total += np.where(places[near] == places + step, votes[near], 0)
        best = int(np.argmax(total))
        # Two of the clip's equal hashes may fall on one of the track's: no score is above 1.
        return (
            int(places[best] // span), int(places[best] % span - span // 2), min(1.0, float(total[best]) / hashes),
            int(total[best]),
        )  # fmt: skip


def landmarks(audio: ArrayLike, rate: int) -> tuple[Integers, Integers]:
    """(hashes, the frame of 32 ms at which each begins) of a clip, (samples,) at `rate` Hz; both int32, (n,).

    The level does not matter. Raises `AudioError` for audio that is empty or not finite.
    """
    frames, bins = _peaks(resample(check(audio), rate, RATE))
    hashes, starts = [], []
    fan = np.zeros(frames.size, dtype=np.int32)
    # Peaks are in order of time: pair each with the 1st, 2nd, … after it until it has its fan.
    for step in range(1, frames.size):
        early, late = np.arange(frames.size - step), np.arange(step, frames.size)
        later, higher = frames[late] - frames[early], bins[late] - bins[early]
        if later.min() > FARTHEST_FRAME or (fan[: early.size] >= FAN_OUT).all():
            break
        paired = (later >= NEAREST_FRAME) & (later <= FARTHEST_FRAME) & (np.abs(higher) <= FARTHEST_BIN)
        paired &= fan[: early.size] < FAN_OUT
        fan[: early.size][paired] += 1
        packed = (bins[early] << 14) | ((higher + FARTHEST_BIN + 1) << 6) | later
        hashes.append(packed[paired])
        starts.append(frames[early][paired])
    if not hashes:
        return np.zeros(0, np.int32), np.zeros(0, np.int32)
    return np.concatenate(hashes).astype(np.int32), np.concatenate(starts).astype(np.int32)


def copied_share(clips: AudioSet, index: CopyIndex) -> Score:
    """The share of clips in which a passage of the index is found. Silence is no copy.

    Wang, "An industrial-strength audio search algorithm", ISMIR 2003.

    Args:
        clips: As audio.
        index: The known tracks.

    Returns:
        The score, from 0 to 1.

    Raises:
        DegenerateInput: Fewer than 3 clips.
        AudioError: A clip is empty or not finite.
    """
    found = clips.measure(index.find)
    note = f"clips with a passage of one of {len(index.names)} tracks"
    return mean_score(
        Kind("copied_share", "share of clips", "lower", note=note, needs_calibration=False),
        [float(match is not None and match.is_copy) for match in found],
        clips.units,
        strata=clips.strata,
        provenance={**clips.provenance, "tracks": len(index.names), "threshold": THRESHOLD},
    )


def _peaks(audio: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(frames, bins) of the spectrogram's peaks, in order of time."""
    import librosa
    from scipy.ndimage import maximum_filter, uniform_filter

    padded = np.pad(audio, (0, max(0, N_FFT - audio.size)))
    magnitude = np.abs(librosa.stft(padded, n_fft=N_FFT, hop_length=HOP)).T[:, LOWEST:HIGHEST]
    greatest = float(magnitude.max())
    if not greatest > 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    level = np.log(magnitude / greatest + FLOOR)
    peak = level == maximum_filter(level, size=(2 * AROUND_FRAMES + 1, 2 * AROUND_BINS + 1))
    around = uniform_filter(level, size=(2 * AROUND_FRAMES + 1, 2 * MEAN_BINS + 1))  # pyright: ignore[reportArgumentType]
    frames, bins = np.nonzero(peak & (level - around > SALIENCE) & (magnitude > 10 * FLOOR * greatest))
    return frames, bins
