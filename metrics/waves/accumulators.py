"""What a clip is measured by, a piece at a time: its peak, mix, clipping, silence and band.

Each takes pieces (samples, channels) with `add`, `Clipped` one channel's (samples,), and holds a few numbers of them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from metrics.io.audio import Audio

OVERSAMPLING = 4
QUIETEST_TOP = 0.01
"""Peak below which no flat top is looked for, full scale being 1: within a step of 16 bits of so small a peak lies
nearly all of a quiet clip, such as its dither. A clip that was clipped has seldom been turned down by 40 dB."""
FLAT_RUN = 3  # samples at the clip's own peak, one after another, that make a flat top
STEP = 2.0**-15  # of 16 bits
SILENT_DB = -60.0  # dBFS of a frame's root mean square
SILENCE_FRAME_SECONDS = 0.05
ROLLOFF = 0.95
ROLLOFF_WINDOW, ROLLOFF_HOP = 2048, 1024  # samples
FRAMES_AT_ONCE = 256
MOST_CANCELLATION = 120.0


class Peak:
    """The largest sample, and the peak of the waveform between the samples.

    ITU-R BS.1770-4, annex 2: the samples are interpolated four times, here by soxr. Below 48 kHz the standard would
    interpolate more often; four times reads a tone of up to a quarter of the rate to .17 dB.
    """

    def __init__(self, rate: int, channels: int = 1) -> None:
        import soxr

        self._stream = soxr.ResampleStream(rate, OVERSAMPLING * rate, channels, dtype="float32", quality="HQ")
        self.samples, self._between = np.zeros(channels), 0.0
        """The largest sample of each channel."""

    def add(self, piece: Audio) -> None:
        self.samples = np.maximum(self.samples, np.abs(piece).max(axis=0, initial=0.0))
        self._look(self._stream.resample_chunk(_flat(piece)))

    def decibels(self) -> float | None:
        """dBTP of the highest channel, once all pieces were added; None for digital silence."""
        self._look(self._stream.resample_chunk(_flat(np.zeros((0, len(self.samples)), np.float32)), last=True))
        peak = max(float(self.samples.max()), self._between)
        return 20 * math.log10(peak) if peak > 0 else None

    def _look(self, between: Audio) -> None:
        self._between = max(self._between, float(np.abs(between).max(initial=0.0)))


def _flat(piece: Audio) -> Audio:
    """(samples, 1) as (samples,), which is how soxr takes one channel."""
    return piece[:, 0] if piece.shape[1] == 1 else piece


class Mix:
    """How far the mean of the channels lies below them."""

    def __init__(self) -> None:
        self._channels, self._mix = 0.0, 0.0  # sums of squares

    def add(self, piece: Audio) -> None:
        if piece.shape[1] > 1:
            self._channels += float(np.square(piece, dtype=np.float64).mean(axis=1).sum())
            self._mix += float(np.square(piece.mean(axis=1, dtype=np.float64)).sum())

    def cancellation(self) -> float:
        """dB, once all pieces were added; 0 for one channel and for digital silence."""
        if not self._channels:
            return 0.0
        lost = self._channels / max(self._mix, self._channels * 10 ** (-MOST_CANCELLATION / 10))
        return max(0.0, 10 * math.log10(lost))


class Clipped:
    """How many samples are cut off: beyond full scale, or in a flat top of three samples or more.

    A flat top is a run within one step of 16 bits of the clip's own `peak`, so that clipping is found after the clip
    was turned down, too. Resampling or a lossy codec after clipping rounds the tops off, and nothing is found. A
    constant is all flat; what never passes `QUIETEST_TOP` is not clipped.
    """

    def __init__(self, peak: float) -> None:
        self._peak = peak
        self._count = 0
        self._open = {1: np.zeros(0, np.float32), -1: np.zeros(0, np.float32)}
        """For tops and bottoms, the run that the next piece may continue; of a long one its last samples."""

    def add(self, piece: Audio) -> None:
        if self._peak < QUIETEST_TOP:
            return
        self._count += int((np.abs(piece) > 1.0 + STEP).sum())
        for side, rest in self._open.items():
            # What was counted of an open run is counted again with what follows it.
            joined = np.concatenate([rest, piece])
            self._count += self._in_tops(side * joined) - self._in_tops(side * rest)
            flat = side * joined[-FLAT_RUN:] >= self._peak - STEP
            still = 0 if not flat[-1] else flat.size if flat.all() else int(np.argmin(flat[::-1]))
            self._open[side] = joined[joined.size - still :]

    def count(self) -> int:
        return self._count

    def _in_tops(self, values: Audio) -> int:
        """How many samples lie in flat tops and are not counted already as beyond full scale."""
        flat = values >= self._peak - STEP
        edges = np.flatnonzero(np.diff(flat, prepend=False, append=False)).reshape(-1, 2)
        inside = np.abs(values) <= 1.0 + STEP
        return sum(int(inside[start:stop].sum()) for start, stop in edges if stop - start >= FLAT_RUN)


class Silence:
    """The share of 50 ms frames whose root mean square, over all channels, is below −60 dBFS. A clip of one frame or
    less is one."""

    def __init__(self, rate: int) -> None:
        self._length = max(1, round(SILENCE_FRAME_SECONDS * rate))
        self._rest = np.zeros(0)  # squares
        self._frames, self._silent = 0, 0

    def add(self, piece: Audio) -> None:
        samples = np.concatenate([self._rest, np.square(piece, dtype=np.float64).mean(axis=1)])
        whole = samples.size // self._length * self._length
        self._count(samples[:whole].reshape(-1, self._length))
        self._rest = samples[whole:]

    def share(self) -> float:
        """From 0 to 1, once all pieces were added."""
        if not self._frames:
            self._count(self._rest[None])
        return self._silent / self._frames

    def _count(self, frames: NDArray[np.float64]) -> None:
        power = np.mean(frames, axis=1)
        self._frames += len(frames)
        self._silent += int((power < 10 ** (SILENT_DB / 10)).sum())


class Band:
    """The frequency in Hz below which 95 % of the magnitude lies, the median over frames that sound.

    Tzanetakis & Cook, "Musical genre classification of audio signals", IEEE TSAP 10 (2002), at their roll-off with .95
    for .85: what is found is a lost upper band. Frames of 2048 samples; those 60 dB below the loudest are not counted.
    Of several channels the magnitudes' root mean square is taken, so that nothing cancels.
    """

    def __init__(self, rate: int, channels: int = 1) -> None:
        self._rate = rate
        self._rest = np.zeros((0, channels), np.float32)
        self._found: list[NDArray[np.float32]] = []
        """Of each piece the energies and rolloffs of its frames, (2, frames)."""

    def add(self, piece: Audio) -> None:
        samples = np.concatenate([self._rest, piece])
        frames = max(0, (len(samples) - ROLLOFF_WINDOW) // ROLLOFF_HOP + 1)
        if frames:
            self._look(samples[: (frames - 1) * ROLLOFF_HOP + ROLLOFF_WINDOW])
        self._rest = samples[frames * ROLLOFF_HOP :]

    def rolloff(self) -> float | None:
        """Hz, once all pieces were added; None in silence."""
        if not self._found:
            self._look(np.pad(self._rest, ((0, ROLLOFF_WINDOW - len(self._rest)), (0, 0))))
        energy, rolloff = np.concatenate(self._found, axis=1)
        if not energy.max() > 0:
            return None
        return float(np.median(rolloff[energy > 1e-6 * energy.max()]))

    def _look(self, samples: Audio) -> None:
        import librosa

        for start in range(0, len(samples) - ROLLOFF_WINDOW + 1, ROLLOFF_HOP * FRAMES_AT_ONCE):
            part = samples[start : start + ROLLOFF_HOP * (FRAMES_AT_ONCE - 1) + ROLLOFF_WINDOW]
            magnitude = np.abs(librosa.stft(_flat(part).T, n_fft=ROLLOFF_WINDOW, hop_length=ROLLOFF_HOP, center=False))
            if magnitude.ndim > 2:
                magnitude = np.sqrt(np.square(magnitude).mean(axis=0))
            energy = np.einsum("ij,ij->j", magnitude, magnitude)
            rolloff = librosa.feature.spectral_rolloff(S=magnitude, sr=self._rate, roll_percent=ROLLOFF)
            self._found.append(np.stack([energy, rolloff[0]]).astype(np.float32))
