"""Signal quality of a clip: loudness, peaks, clipping, silence, offset, bandwidth, broken samples.

Levels are those of the channels, as BS.1770 has them; an embedder is given their mean, the mix. Where channels cancel,
`cancellation` says by how much the mix lies below them.

Nothing here says whether music is good. It finds the clips for which no other score means anything (silent, clipped,
NaN, too short), and the differences of level and bandwidth that a comparison must not be about.

Undefined values are None, never NaN or infinity.
- Samples that are NaN or infinite are counted, and the clip then has no other value than its length.
- Digital silence has no loudness, true peak or rolloff; what is silent throughout by BS.1770's −70 LUFS gate has no
  loudness.
- A clip shorter than 0.4 s is `too_short`: it has no loudness. An empty clip is an `AudioError`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from metrics.api.score import Score
from metrics.errors import AudioError
from metrics.io.audio import LOUDNESS_BLOCK_SECONDS, Audio, check
from metrics.io.reader import SoundReader
from metrics.io.streaming import LoudnessMeter
from metrics.waves.accumulators import Band, Clipped, Mix, Peak, Silence
from metrics.waves.clips import AudioSet, ClipValue, clip_value_score

MUCH_SILENCE = 0.7
MUCH_CLIPPING = 1e-3
MUCH_OFFSET = 0.05
MUCH_CANCELLATION = 10.0
"""dB. Two channels that have nothing in common lose 3, and a single one among two that are silent as much."""
LOUDEST, HIGHEST_PEAK = 0.0, 6.0
"""LUFS and dBTP: beyond these samples were not scaled to full scale, or were damaged."""

VERSION = 2
"""Incremented when a clip would yield other values."""


@dataclass(frozen=True)
class Signal:
    """What `measure_signal` finds in one clip; None where the clip has no such value.

    `seconds` and `rate` in Hz; `loudness` in LUFS and `true_peak` in dBTP, of its `channels`; `clipping` and `silence`,
    shares of the clip from 0 to 1; `dc_offset`, the mean sample, full scale being 1, of the channel where it is
    largest; `rolloff` in Hz; `non_finite`, a count of samples; `too_short`, below 0.4 s; `cancellation`, how far the
    mix of the channels lies below them in dB, 0 for one channel and at most 120; `warnings`, what is odd about the
    clip and its file, in words.
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
    channels: int = 1
    cancellation: float = 0.0
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "warnings", tuple(self.warnings))

    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON takes it."""
        return asdict(self)


def measure_signal(audio: ArrayLike, rate: int) -> Signal:
    """All values of one clip of one channel.

    Args:
        audio: float (samples,), nominally within ±1.
        rate: in Hz.

    Raises:
        AudioError: the clip is empty, or of another shape.
    """
    samples = np.asarray(audio, dtype=np.float32)
    if samples.ndim != 1 or samples.size == 0:
        raise AudioError(f"the clip has shape {samples.shape}: mono audio (samples,), at least one, was expected.")
    return _measure(lambda: [samples[:, None]], rate, 1)


def measure_signal_file(path: str | os.PathLike[str], start_seconds: float = 0.0) -> Signal:
    """The same of a sound file of any length, read twice and a piece at a time: a frame of 23 ms leaves two numbers.

    Its channels are measured, not their mean. `warnings` also says what is odd about the file: cut off, damaged, longer
    than its header says.

    Args:
        path: of the file.
        start_seconds: what is left out of its start, such as an audio prompt.

    Raises:
        AudioError: the file cannot be read, is empty, holds samples that are not finite, or ends before that.
    """
    warnings: dict[str, None] = {}

    def blocks() -> Iterator[Audio]:
        with SoundReader(path) as reader:
            for block in reader.blocks(round(start_seconds * reader.rate)):
                yield check_finite(block, what=str(path))
            warnings.update(dict.fromkeys(reader.warnings))

    with SoundReader(path) as reader:
        rate, channels = reader.rate, reader.channels
    found = _measure(blocks, rate, channels)
    return replace(found, warnings=(*warnings, *found.warnings))


def true_peak(audio: Audio, rate: int) -> float | None:
    """The peak of the waveform between the samples of one channel, in dB of full scale (dBTP); None for digital
    silence."""
    peak = Peak(rate)
    peak.add(np.asarray(audio, np.float32)[:, None])
    return peak.decibels()


def clipping_share(audio: Audio) -> float:
    """The share of samples, 0 to 1, that are cut off: beyond full scale, or in a flat top of three samples or more."""
    clipped = Clipped(float(np.abs(audio).max()))
    clipped.add(audio)
    return clipped.count() / audio.size


def warnings_of(found: Signal) -> list[str]:
    """Which of these values no finished music has, in words."""
    said = []
    if found.non_finite:
        said.append(f"{found.non_finite} of its samples are NaN or infinite")
    if found.silence is not None and found.silence >= 1:
        said.append("it is silent")
    elif found.silence is not None and found.silence >= MUCH_SILENCE:
        said.append(f"{found.silence:.0%} of it is silent")
    if found.loudness is not None and found.loudness > LOUDEST:
        said.append(f"it has {found.loudness:+.1f} LUFS: its samples are not scaled to full scale, or it is damaged")
    if found.true_peak is not None and found.true_peak > HIGHEST_PEAK:
        said.append(f"it peaks at {found.true_peak:+.1f} dBTP: its samples are not scaled to full scale")
    if found.clipping is not None and found.clipping > MUCH_CLIPPING:
        said.append(f"{found.clipping:.1%} of its samples are clipped")
    if found.dc_offset is not None and abs(found.dc_offset) > MUCH_OFFSET:
        said.append(f"its mean sample is {found.dc_offset:+.2f} of full scale: it has a DC offset")
    if found.cancellation >= MUCH_CANCELLATION:
        said.append(f"its channels cancel: their mix, which is embedded, lies {found.cancellation:.0f} dB below them")
    if found.too_short:
        said.append(f"it lasts {found.seconds:.2f} s: too short for a loudness")
    return said


def check_finite(samples: Audio, what: str) -> Audio:
    """(samples, channels) as they are; `AudioError`, naming `what`, unless each channel can be sound."""
    for channel in samples.T:
        check(channel, what=what)
    return samples


def _measure(blocks: Callable[[], Iterable[Audio]], rate: int, channels: int) -> Signal:
    """From what `blocks` gives twice, (samples, channels): clipping is known by the clip's peak, which takes all of
    it."""
    meter, peak = LoudnessMeter(rate, channels), Peak(rate, channels)
    band, silent, mix = Band(rate, channels), Silence(rate), Mix()
    count, non_finite, total = 0, 0, np.zeros(channels)
    for piece in blocks():
        count, non_finite = count + len(piece), non_finite + int((~np.isfinite(piece)).sum())
        if not non_finite:
            total += piece.sum(axis=0, dtype=np.float64)
            for part in (meter, peak, band, silent, mix):
                part.add(piece)
    if not count:
        raise AudioError("nothing is left of the clip behind its audio prompt: at least a sample was expected.")
    seconds, too_short = count / rate, count < math.ceil(LOUDNESS_BLOCK_SECONDS * rate)
    if non_finite:
        found = Signal(seconds, rate, None, None, None, None, None, None, non_finite, too_short, channels)
        return replace(found, warnings=tuple(warnings_of(found)))
    clipped = [Clipped(each) for each in peak.samples.tolist()]
    for piece in blocks():
        for channel, one in zip(piece.T, clipped, strict=True):
            one.add(channel)
    found = Signal(
        seconds=seconds,
        rate=rate,
        loudness=None if too_short else _finite(meter.integrated()),
        true_peak=peak.decibels(),
        clipping=sum(one.count() for one in clipped) / (count * channels),
        silence=silent.share(),
        dc_offset=float(total[np.argmax(np.abs(total))]) / count,
        rolloff=band.rolloff(),
        non_finite=0,
        too_short=too_short,
        channels=channels,
        cancellation=mix.cancellation(),
    )
    return replace(found, warnings=tuple(warnings_of(found)))


VALUES: dict[str, ClipValue[Signal]] = {
    "loudness": ClipValue("LUFS", "none", lambda s: s.loudness),
    "true_peak": ClipValue("dBTP", "none", lambda s: s.true_peak),
    "clipping": ClipValue("share of samples", "lower", lambda s: s.clipping),
    "silence": ClipValue("share of frames", "lower", lambda s: s.silence),
    "dc_offset": ClipValue("share of full scale", "lower", lambda s: None if s.dc_offset is None else abs(s.dc_offset)),
    "rolloff": ClipValue("Hz", "none", lambda s: s.rolloff),
    "non_finite": ClipValue("share of clips", "lower", lambda s: float(s.non_finite > 0)),
    "too_short": ClipValue("share of clips", "lower", lambda s: float(s.too_short)),
}


def signal_score(name: str, clips: AudioSet, measured: Sequence[Signal] | None = None) -> Score:
    """The mean over clips of one of `VALUES`. The offset counts without its sign.

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
    return clip_value_score(name, VALUES, clips, clips.measure(measure_signal) if measured is None else measured)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
