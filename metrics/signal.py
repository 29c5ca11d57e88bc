"""Whether a clip is sound at all: loudness, peaks, clipping, silence, offset, bandwidth, broken samples.

Nothing here says whether music is good. It finds the clips for which no other figure means anything (silent, clipped,
NaN, too short), and the differences of level and bandwidth that a comparison must not be about.

Policies for input without a value: a figure that a clip does not have is None, never NaN or infinity.
- Samples that are NaN or infinite are counted, and the clip then has no other figure than its length.
- Digital silence has no loudness, true peak or rolloff; what is silent throughout by BS.1770's −70 LUFS gate has no
  loudness.
- A clip shorter than 0.4 s is `too_short`: it has no loudness. An empty clip is an `AudioError`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from metrics.audio import LOUDNESS_BLOCK_SECONDS, Audio, loudness
from metrics.clips import AudioSet, Figure, figure_score
from metrics.errors import AudioError
from metrics.score import Score

OVERSAMPLING = 4
FLAT_RUN = 3  # samples at the clip's own peak, one after another, that make a flat top
STEP = 2.0**-15  # of 16 bits
SILENT_DB = -60.0  # dBFS of a frame's root mean square
SILENCE_FRAME_SECONDS = 0.05
ROLLOFF = 0.95
ROLLOFF_WINDOW, ROLLOFF_HOP = 2048, 1024  # samples


@dataclass(frozen=True)
class Signal:
    """What `measure_signal` finds in one clip; None where the clip has no such figure.

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
    """All figures of one clip, float (samples,) at `rate` Hz, nominally within ±1. Raises `AudioError` when empty."""
    samples = np.asarray(audio, dtype=np.float32)
    if samples.ndim != 1 or samples.size == 0:
        raise AudioError(f"the clip has shape {samples.shape}: mono audio (samples,), at least one, was expected.")
    non_finite = int((~np.isfinite(samples)).sum())
    seconds = samples.size / rate
    too_short = samples.size < math.ceil(LOUDNESS_BLOCK_SECONDS * rate)
    if non_finite:
        return Signal(seconds, rate, None, None, None, None, None, None, non_finite, too_short)
    return Signal(
        seconds=seconds,
        rate=rate,
        loudness=None if too_short else _finite(loudness(samples, rate)),
        true_peak=true_peak(samples, rate),
        clipping=clipping_share(samples),
        silence=silence_share(samples, rate),
        dc_offset=float(samples.mean(dtype=np.float64)),
        rolloff=rolloff(samples, rate),
        non_finite=0,
        too_short=too_short,
    )


def true_peak(audio: Audio, rate: int) -> float | None:
    """The peak of the waveform between the samples, in dB of full scale (dBTP); None for digital silence.

    ITU-R BS.1770-4, annex 2: the samples are interpolated four times, here by soxr. Below 48 kHz the standard would
    interpolate more often; four times reads a tone of up to a quarter of the rate to .17 dB.
    """
    import soxr

    between = soxr.resample(audio, rate, OVERSAMPLING * rate, quality="HQ")
    peak = float(max(np.abs(audio).max(), np.abs(between).max(initial=0.0)))
    return 20 * math.log10(peak) if peak > 0 else None


def clipping_share(audio: Audio) -> float:
    """The share of samples, 0 to 1, that are cut off: beyond full scale, or in a flat top of three samples or more.

    A flat top is a run within one step of 16 bits of the clip's own peak, so that clipping is found after the clip was
    turned down, too. Resampling or a lossy codec after clipping rounds the tops off, and nothing is found. A constant
    is all flat; silence is not clipped.
    """
    peak = float(np.abs(audio).max())
    if peak == 0:
        return 0.0
    cut = np.abs(audio) > 1.0 + STEP
    for side in (audio, -audio):
        flat = side >= peak - STEP
        edges = np.flatnonzero(np.diff(flat, prepend=False, append=False))
        for start, stop in edges.reshape(-1, 2):
            if stop - start >= FLAT_RUN:
                cut[start:stop] = True
    return float(cut.mean())


def silence_share(audio: Audio, rate: int) -> float:
    """The share of 50 ms frames, 0 to 1, whose root mean square is below −60 dBFS. A clip of one frame or less is
    one."""
    length = min(audio.size, max(1, round(SILENCE_FRAME_SECONDS * rate)))
    frames = audio[: audio.size // length * length].reshape(-1, length)
    power = np.mean(np.square(frames, dtype=np.float64), axis=1)
    return float(np.mean(power < 10 ** (SILENT_DB / 10)))


def rolloff(audio: Audio, rate: int) -> float | None:
    """The frequency in Hz below which 95 % of the magnitude lies, the median over frames that sound; None in silence.

    Tzanetakis & Cook, "Musical genre classification of audio signals", IEEE TSAP 10 (2002), at their roll-off with .95
    for .85: what is found is a lost upper band. Frames of 2048 samples; those 60 dB below the loudest are not counted.
    """
    import librosa

    padded = np.pad(audio, (0, max(0, ROLLOFF_WINDOW - audio.size)))
    magnitude = np.abs(librosa.stft(padded, n_fft=ROLLOFF_WINDOW, hop_length=ROLLOFF_HOP, center=False))
    energy = np.einsum("ij,ij->j", magnitude, magnitude)
    if not energy.max() > 0:
        return None
    sounding = magnitude[:, energy > 1e-6 * energy.max()]
    return float(np.median(librosa.feature.spectral_rolloff(S=sounding, sr=rate, roll_percent=ROLLOFF)))


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
    """The mean over clips of one of `FIGURES`; `measured`, of the same clips in order, saves measuring them again.

    The offset counts without its sign; `non_finite` and `too_short` are shares of clips. Raises `UsageError` for an
    unknown name and `DegenerateInput` where fewer than 3 songs have the figure.
    """
    return figure_score(name, FIGURES, clips, clips.measure(measure_signal) if measured is None else measured)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
