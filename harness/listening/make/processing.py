"""From source files to stimuli that differ in nothing but what is being asked about.

For all stimuli of one item (a prompt × index: every condition, reference, anchor and control) together:

    trim and cut → resample → anchor or control → loudness (BS.1770) → one peak-safe gain → fades → equal length → write

Loudness is measured of the excerpt as it is played, fades included, for a gain and a fade are both factors and may be
swapped. Where one stimulus of an item would pass the limit of the true peak, the whole item is lowered by the same
number of dB: no stimulus is limited, and none is softer than its counterparts.

Samples are rounded with triangular dither of one step, drawn by the blind id, so that two copies of one sound (a hidden
reference, the X of ABX) are different files. Nothing here keeps more than one item's excerpts in memory.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import AudioError
from harness.listening.make.anchors import lowpass
from harness.listening.make.controls import degraded, pink_noise, with_beeps
from metrics.io.audio import undecodable
from metrics.io.files import write_all

Sound = NDArray[np.float32]
"""(samples, channels)."""

LUFS_TOLERANCE = 0.1
CORRECTIONS = 8
PEAK_MARGIN_DB = 0.01  # dither and rounding move a peak by less
NEUTRAL_TIME = 315532800  # 1980-01-01, the earliest that a ZIP file can hold

What = Literal["clip", "anchor", "noise", "silence", "trap", "gold"]


@dataclass(frozen=True)
class Processing:
    """How every stimulus of a study is made: `rate` Hz, `channels`, `samples` long, WAV or FLAC of `bits`, at `lufs`
    LUFS unless a true peak would pass `peak` dBTP, faded in and out over `fade_seconds`."""

    rate: int
    channels: int
    samples: int
    bits: int = 16
    suffix: str = ".wav"
    lufs: float = -23.0
    peak: float = -1.0
    fade_seconds: float = 0.01

    @property
    def seconds(self) -> float:
        return self.samples / self.rate


@dataclass(frozen=True)
class Part:
    """One stimulus to be made, of the excerpt of `path` that begins at `offset` seconds. `number` is an anchor's
    cut-off in Hz, or how many beeps a trap has."""

    id: str
    what: What = "clip"
    path: Path | None = None
    offset: float = 0.0
    number: int = 0


@dataclass(frozen=True)
class Made:
    """A stimulus as it was written: its file's SHA-256, the gain in dB, loudness in LUFS before and after it, the true
    peak in dBTP, all None for digital silence; and by how many dB its item was `lowered`."""

    id: str
    sha256: str
    gain_db: float | None
    lufs_before: float | None
    lufs_after: float | None
    true_peak: float | None
    lowered: float


def make_item(parts: Sequence[Part], processing: Processing, folder: Path) -> list[Made]:
    """Write the stimuli of one item to `folder`, each file whole or not at all; what was done, in the order of `parts`.

    Raises `AudioError` for a source that cannot be read or has no loudness.
    """
    sounds = [faded(excerpt(part, processing), processing) for part in parts]
    before = [_loudness_of(part, sound, processing.rate) for part, sound in zip(parts, sounds, strict=True)]
    levelled = _level(parts, sounds, before, processing)
    contents = [encoded(steps, processing) for steps in levelled.steps]
    files = {folder / f"{part.id}{processing.suffix}": one for part, one in zip(parts, contents, strict=True)}
    write_all(files)
    for path in files:
        os.utime(path, (NEUTRAL_TIME, NEUTRAL_TIME))
    return [
        Made(
            part.id,
            hashlib.sha256(contents[n]).hexdigest(),
            levelled.gains[n],
            before[n],
            levelled.loudness[n],
            true_peak(_heard(levelled.steps[n], processing.bits), processing.rate),
            levelled.lowered,
        )
        for n, part in enumerate(parts)
    ]


@dataclass(frozen=True)
class _Levelled:
    """Samples as they are written, the gains in dB that led to them, and the loudness that they have."""

    steps: list[NDArray[np.int32]]
    gains: list[float | None]
    loudness: list[float | None]
    lowered: float


def _level(
    parts: Sequence[Part], sounds: Sequence[Sound], before: Sequence[float | None], processing: Processing
) -> _Levelled:
    """Set the level of an item's stimuli, and measure what comes of it.

    A gain moves the loudness of most clips by as much, but not of one that is silent in part: what is louder than the
    standard's absolute gate of −70 LUFS before need not be what is louder than it after. So the result is measured, and
    the gain corrected until it is right.
    """
    peaks = [true_peak(sound, processing.rate) for sound in sounds]
    wanted = [None if lufs is None else processing.lufs - lufs for lufs in before]
    for _ in range(CORRECTIONS):
        gains, lowered = item_gains(wanted, peaks, processing)
        steps = [rounded(*one, processing.bits) for one in zip(sounds, gains, (part.id for part in parts), strict=True)]
        loudness = [
            None if gain is None else integrated_loudness(_heard(one, processing.bits), processing.rate)
            for one, gain in zip(steps, gains, strict=True)
        ]
        off = [0.0 if lufs is None else lufs - (processing.lufs - lowered) for lufs in loudness]
        if max(map(abs, off)) <= LUFS_TOLERANCE / 2:
            return _Levelled(steps, gains, loudness, lowered)
        wanted = [None if gain is None else gain - error for gain, error in zip(wanted, off, strict=True)]
    worst = max(range(len(off)), key=lambda n: abs(off[n]))
    raise AudioError(
        f"{parts[worst].path} cannot be brought to {processing.lufs - lowered:.2f} LUFS: it stays {off[worst]:+.2f} LU "
        "off, because nearly all of it is silent. Choose another excerpt with --start, or leave it out with --clips."
    )


def excerpt(part: Part, processing: Processing) -> Sound:
    """The samples of a stimulus before its level is set: cut, resampled, and made into what it is to be."""
    rate, samples = processing.rate, processing.samples
    if part.what == "silence":
        return np.zeros((samples, processing.channels), dtype=np.float32)
    if part.what == "noise":
        return pink_noise(samples, processing.channels, rate, seed_of(part.id))
    assert part.path is not None
    sound = read(part.path, part.offset, processing)
    changes: dict[str, Callable[[], Sound]] = {
        "anchor": lambda: lowpass(sound, part.number, rate),
        "trap": lambda: with_beeps(sound, part.number, rate),
        "gold": lambda: degraded(sound, rate),
    }
    return changes[part.what]() if part.what in changes else sound


def read(path: Path, offset: float, processing: Processing) -> Sound:
    """`processing.samples` samples of a file from `offset` seconds on, at the study's rate and channels."""
    import soundfile
    import soxr

    try:
        with soundfile.SoundFile(path) as file:
            rate = file.samplerate
            file.seek(min(round(offset * rate), file.frames))
            sound = file.read(math.ceil(processing.seconds * rate), dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError, OSError) as error:
        raise undecodable(path, error) from error
    if not len(sound):
        raise AudioError(f"{path} ends before {offset:g} s: a longer clip was expected.")
    if processing.channels == 1:
        sound = sound.mean(axis=1, keepdims=True, dtype=np.float32)
    elif sound.shape[1] == 1:
        sound = np.repeat(sound, processing.channels, axis=1)
    if rate != processing.rate:
        sound = soxr.resample(sound, rate, processing.rate, quality="HQ")
    # Resampling may leave a sample more or less: it falls into the fade.
    sound = np.asarray(sound[: processing.samples], dtype=np.float32)
    return np.pad(sound, ((0, processing.samples - len(sound)), (0, 0)))


def faded(sound: Sound, processing: Processing) -> Sound:
    """With raised-cosine fades at both ends."""
    length = min(round(processing.fade_seconds * processing.rate), len(sound) // 2)
    rise = (0.5 - 0.5 * np.cos(np.pi * (np.arange(length) + 0.5) / max(length, 1))).astype(np.float32)[:, None]
    sound = sound.copy()
    sound[:length] *= rise
    sound[len(sound) - length :] *= rise[::-1]
    return sound


def item_gains(
    wanted: Sequence[float | None], peaks: Sequence[float | None], processing: Processing
) -> tuple[list[float | None], float]:
    """The gains in dB of an item's stimuli: those wanted, all lowered by the same number of dB, which comes second,
    until every true peak fits. None stands for digital silence, which has no level.

    >>> item_gains([0.0, 10.0, None], [-6.0, -9.0, None], Processing(48000, 1, 48000))
    ([-2.01, 7.99, None], 2.01)
    """
    ceiling = processing.peak - PEAK_MARGIN_DB
    over = [
        peak + gain - ceiling for peak, gain in zip(peaks, wanted, strict=True) if peak is not None and gain is not None
    ]
    lowered = round(max([0.0, *over]), 6)
    return [None if gain is None else round(gain - lowered, 6) for gain in wanted], lowered


def rounded(sound: Sound, gain_db: float | None, id: str, bits: int) -> NDArray[np.int32]:
    """`sound` after the gain in whole steps of `bits`, with triangular dither drawn by `id`; silence stays silent."""
    if gain_db is None:
        return np.zeros(sound.shape, dtype=np.int32)
    rng = np.random.default_rng(seed_of(id))
    dither = rng.random(sound.shape, dtype=np.float32) - rng.random(sound.shape, dtype=np.float32)
    full = 2.0 ** (bits - 1)
    return np.rint(sound * np.float64(full * 10 ** (gain_db / 20)) + dither).astype(np.int32)


def encoded(steps: NDArray[np.int32], processing: Processing) -> bytes:
    """The bytes of a file: no tags, no date, the same on every call."""
    import soundfile

    content = io.BytesIO()
    kind = processing.suffix.removeprefix(".").upper()
    # libsndfile takes the upper bits of an integer.
    soundfile.write(content, steps << (32 - processing.bits), processing.rate, f"PCM_{processing.bits}", format=kind)
    return content.getvalue()


def integrated_loudness(sound: Sound, rate: int) -> float:
    """LUFS (ITU-R BS.1770-4) over all channels; −inf for silence. (A mono file is one channel, as EBU R 128 has it.)"""
    import pyloudnorm

    return float(pyloudnorm.Meter(rate).integrated_loudness(sound.astype(np.float64)))


def true_peak(sound: Sound, rate: int) -> float | None:
    """The highest of the channels in dBTP; None for digital silence."""
    from metrics.waves.signal import true_peak as of_channel

    peaks = [of_channel(np.ascontiguousarray(channel), rate) for channel in sound.T]
    return max((peak for peak in peaks if peak is not None), default=None)


def seed_of(id: str) -> int:
    """A seed for whatever is drawn for one stimulus."""
    return int.from_bytes(hashlib.sha256(id.encode()).digest()[:8])


def _loudness_of(part: Part, sound: Sound, rate: int) -> float | None:
    if part.what == "silence":
        return None
    lufs = integrated_loudness(sound, rate)
    if not math.isfinite(lufs):
        raise AudioError(
            f"{part.path} is silent in the {len(sound) / rate:.2f} s from {part.offset:g} s on: choose another excerpt "
            "with --start, or leave it out with --clips."
        )
    return lufs


def _heard(steps: NDArray[np.int32], bits: int) -> Sound:
    """What a player makes of the samples of a file."""
    return (steps / 2.0 ** (bits - 1)).astype(np.float32)
