"""Whether a clip is sound at all: loudness, peaks, clipping, silence, offset, bandwidth, broken samples.

Nothing here says whether music is good. It finds the clips for which no other value means anything (silent, clipped,
NaN, too short), and the differences of level and bandwidth that a comparison must not be about.

Policies for input without a value: a value that a clip does not have is None, never NaN or infinity.
- Samples that are NaN or infinite are counted, and the clip then has no other value than its length.
- Digital silence has no loudness, true peak or rolloff; what is silent throughout by BS.1770's −70 LUFS gate has no
  loudness.
- A clip shorter than 0.4 s is `too_short`: it has no loudness. An empty clip is an `AudioError`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.api.errors import AudioError
from metrics.api.score import Score
from metrics.io.audio import LOUDNESS_BLOCK_SECONDS, Audio
from metrics.io.streaming import LoudnessMeter, file_rate, read_blocks
from metrics.waves.clips import AudioSet, Figure, figure_score

OVERSAMPLING = 4
FLAT_RUN = 3  # samples at the clip's own peak, one after another, that make a flat top
STEP = 2.0**-15  # of 16 bits
SILENT_DB = -60.0  # dBFS of a frame's root mean square
SILENCE_FRAME_SECONDS = 0.05
ROLLOFF = 0.95
ROLLOFF_WINDOW, ROLLOFF_HOP = 2048, 1024  # samples
FRAMES_AT_ONCE = 256

VERSION = 1
"""Raised when the values of a clip change."""


@dataclass(frozen=True)
class Signal:
    """What `measure_signal` finds in one clip; None where the clip has no such value.

    `seconds` and `rate` in Hz; `loudness` in LUFS; `true_peak` in dBTP; `clipping` and `silence`, shares of the clip
    from 0 to 1; `dc_offset`, the mean sample, full scale being 1; `rolloff` in Hz; `non_finite`, a count of samples;
    `too_short`, below 0.4 s.
    """

    seconds: float
    rate: int
    loudness: float | None
    true_peak: float | None
    clipping: float | None
    silence: float | None
    dc_offset: float | None
    rolloff: float | None
    non_finite: int
    too_short: bool

    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON takes it."""
        return asdict(self)


def measure_signal(audio: ArrayLike, rate: int) -> Signal:
    """All values of one clip: loudness, peaks, clipping, silence, offset, bandwidth, broken samples.

    Args:
        audio: float (samples,), nominally within ±1.
        rate: In Hz.

    Returns:
        The values, None where the clip has none.

    Raises:
        AudioError: The clip is empty or not mono.

    >>> found = measure_signal(np.zeros(16000), 16000)
    >>> found.seconds, found.loudness, found.silence
    (1.0, None, 1.0)
    """
    samples = np.asarray(audio, dtype=np.float32)
    if samples.ndim != 1 or samples.size == 0:
        raise AudioError(f"the clip has shape {samples.shape}: mono audio (samples,), at least one, was expected.")
    return _measure(lambda: [samples], rate)


def measure_signal_file(path: str | os.PathLike[str]) -> Signal:
    """The same of a sound file of any length, read twice and a piece at a time: a frame of 23 ms leaves two numbers.

    Raises `AudioError` for a file that cannot be read, is empty, or holds samples that are not finite.
    """
    return _measure(lambda: read_blocks(path), file_rate(path))


def true_peak(audio: Audio, rate: int) -> float | None:
    """The peak of the waveform between the samples of one channel, in dB of full scale (dBTP); None for digital
    silence."""
    peak = _Peak(rate)
    peak.add(audio)
    return peak.decibels()


def clipping_share(audio: Audio) -> float:
    """The share of samples, 0 to 1, that are cut off: beyond full scale, or in a flat top of three samples or more."""
    clipped = _Clipped(float(np.abs(audio).max()))
    clipped.add(audio)
    return clipped.count() / audio.size


def _measure(blocks: Callable[[], Iterable[Audio]], rate: int) -> Signal:
    """From what `blocks` gives twice: clipping is known by the clip's peak, which takes all of it."""
    meter, peak, band, silent = LoudnessMeter(rate), _Peak(rate), _Band(rate), _Silence(rate)
    count, non_finite, total = 0, 0, 0.0
    for piece in blocks():
        count, non_finite = count + piece.size, non_finite + int((~np.isfinite(piece)).sum())
        if not non_finite:
            total += float(piece.sum(dtype=np.float64))
            for part in (meter, peak, band, silent):
                part.add(piece)
    seconds, too_short = count / rate, count < math.ceil(LOUDNESS_BLOCK_SECONDS * rate)
    if non_finite:
        return Signal(seconds, rate, None, None, None, None, None, None, non_finite, too_short)
    clipped = _Clipped(peak.sample)
    for piece in blocks():
        clipped.add(piece)
    return Signal(
        seconds=seconds,
        rate=rate,
        loudness=None if too_short else _finite(meter.integrated()),
        true_peak=peak.decibels(),
        clipping=clipped.count() / count,
        silence=silent.share(),
        dc_offset=total / count,
        rolloff=band.rolloff(),
        non_finite=0,
        too_short=too_short,
    )


class _Peak:
    """The largest sample, and the peak of the waveform between the samples.

    ITU-R BS.1770-4, annex 2: the samples are interpolated four times, here by soxr. Below 48 kHz the standard would
    interpolate more often; four times reads a tone of up to a quarter of the rate to .17 dB.
    """

    def __init__(self, rate: int) -> None:
        import soxr

        self._stream = soxr.ResampleStream(rate, OVERSAMPLING * rate, 1, dtype="float32", quality="HQ")
        self.sample, self._between = 0.0, 0.0

    def add(self, piece: Audio) -> None:
        self.sample = max(self.sample, float(np.abs(piece).max(initial=0.0)))
        self._look(self._stream.resample_chunk(piece))

    def decibels(self) -> float | None:
        """dBTP, once all pieces were added; None for digital silence."""
        self._look(self._stream.resample_chunk(np.zeros(0, np.float32), last=True))
        peak = max(self.sample, self._between)
        return 20 * math.log10(peak) if peak > 0 else None

    def _look(self, between: Audio) -> None:
        self._between = max(self._between, float(np.abs(between).max(initial=0.0)))


class _Clipped:
    """How many samples are cut off: beyond full scale, or in a flat top of three samples or more.

    A flat top is a run within one step of 16 bits of the clip's own `peak`, so that clipping is found after the clip
    was turned down, too. Resampling or a lossy codec after clipping rounds the tops off, and nothing is found. A
    constant is all flat; silence is not clipped.
    """

    def __init__(self, peak: float) -> None:
        self._peak = peak
        self._count = 0
        self._open = {1: np.zeros(0, np.float32), -1: np.zeros(0, np.float32)}
        """For tops and bottoms, the run that the next piece may continue; of a long one its last samples."""

    def add(self, piece: Audio) -> None:
        if self._peak == 0:
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


class _Silence:
    """The share of 50 ms frames whose root mean square is below −60 dBFS. A clip of one frame or less is one."""

    def __init__(self, rate: int) -> None:
        self._length = max(1, round(SILENCE_FRAME_SECONDS * rate))
        self._rest = np.zeros(0, np.float32)
        self._frames, self._silent = 0, 0

    def add(self, piece: Audio) -> None:
        samples = np.concatenate([self._rest, piece])
        whole = samples.size // self._length * self._length
        self._count(samples[:whole].reshape(-1, self._length))
        self._rest = samples[whole:]

    def share(self) -> float:
        """From 0 to 1, once all pieces were added."""
        if not self._frames:
            self._count(self._rest[None])
        return self._silent / self._frames

    def _count(self, frames: Audio) -> None:
        power = np.mean(np.square(frames, dtype=np.float64), axis=1)
        self._frames += len(frames)
        self._silent += int((power < 10 ** (SILENT_DB / 10)).sum())


class _Band:
    """The frequency in Hz below which 95 % of the magnitude lies, the median over frames that sound.

    Tzanetakis & Cook, "Musical genre classification of audio signals", IEEE TSAP 10 (2002), at their roll-off with .95
    for .85: what is found is a lost upper band. Frames of 2048 samples; those 60 dB below the loudest are not counted.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._rest = np.zeros(0, np.float32)
        self._found: list[NDArray[np.float32]] = []
        """Of each piece the energies and rolloffs of its frames, (2, frames)."""

    def add(self, piece: Audio) -> None:
        samples = np.concatenate([self._rest, piece])
        frames = max(0, (samples.size - ROLLOFF_WINDOW) // ROLLOFF_HOP + 1)
        if frames:
            self._look(samples[: (frames - 1) * ROLLOFF_HOP + ROLLOFF_WINDOW])
        self._rest = samples[frames * ROLLOFF_HOP :]

    def rolloff(self) -> float | None:
        """Hz, once all pieces were added; None in silence."""
        if not self._found:
            self._look(np.pad(self._rest, (0, ROLLOFF_WINDOW - self._rest.size)))
        energy, rolloff = np.concatenate(self._found, axis=1)
        if not energy.max() > 0:
            return None
        return float(np.median(rolloff[energy > 1e-6 * energy.max()]))

    def _look(self, samples: Audio) -> None:
        import librosa

        for start in range(0, samples.size - ROLLOFF_WINDOW + 1, ROLLOFF_HOP * FRAMES_AT_ONCE):
            part = samples[start : start + ROLLOFF_HOP * (FRAMES_AT_ONCE - 1) + ROLLOFF_WINDOW]
            magnitude = np.abs(librosa.stft(part, n_fft=ROLLOFF_WINDOW, hop_length=ROLLOFF_HOP, center=False))
            energy = np.einsum("ij,ij->j", magnitude, magnitude)
            rolloff = librosa.feature.spectral_rolloff(S=magnitude, sr=self._rate, roll_percent=ROLLOFF)
            self._found.append(np.stack([energy, rolloff[0]]).astype(np.float32))


FIGURES: dict[str, Figure[Signal]] = {
    "loudness": Figure("LUFS", "none", lambda s: s.loudness),
    "true_peak": Figure("dBTP", "none", lambda s: s.true_peak),
    "clipping": Figure("share of samples", "lower", lambda s: s.clipping),
    "silence": Figure("share of frames", "lower", lambda s: s.silence),
    "dc_offset": Figure("share of full scale", "lower", lambda s: None if s.dc_offset is None else abs(s.dc_offset)),
    "rolloff": Figure("Hz", "none", lambda s: s.rolloff),
    "non_finite": Figure("share of clips", "lower", lambda s: float(s.non_finite > 0)),
    "too_short": Figure("share of clips", "lower", lambda s: float(s.too_short)),
}


def signal_score(name: str, clips: AudioSet, measured: Sequence[Signal] | None = None) -> Score:
    """The mean over clips of one of `FIGURES`. The offset counts without its sign.

    Args:
        name: Such as "loudness" or "clipping"; `non_finite` and `too_short` are shares of clips.
        clips: As audio.
        measured: Of the same clips in order; saves measuring them again.

    Returns:
        The score.

    Raises:
        UsageError: An unknown name.
        DegenerateInput: Fewer than 3 units have the value.

    >>> clips = AudioSet([np.zeros(16000)] * 3, 16000, ["a", "b", "c"])
    >>> signal_score("silence", clips).value
    1.0
    """
    return figure_score(name, FIGURES, clips, clips.measure(measure_signal) if measured is None else measured)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
