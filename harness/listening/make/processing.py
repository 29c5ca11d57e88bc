"""From source files to stimuli that differ in nothing but their condition.

For all stimuli of one item (a prompt and an index: every condition, reference, anchor and control) together:

    trim and cut → resample → anchor or control → loudness (BS.1770) → one peak-safe gain → fades → equal length → write

Loudness is measured on the excerpt as it is played, fades included, since a gain and a fade are both factors and may be
swapped. Where one stimulus of an item would exceed the limit of the true peak, the whole item is lowered by the same
number of dB: no stimulus is limited, and none is softer than the others of its item.

Samples are rounded with triangular dither of one step, drawn by the blind id, so that two copies of one sound (a hidden
reference, the X of ABX) are different files. At most one item's excerpts are in memory.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import AudioError
from harness.listening.make.anchors import lowpass
from harness.listening.make.controls import Sound, degraded, pink_noise, with_beeps
from harness.listening.settings import ProcessingSettings
from harness.listening.study import StimulusContent
from metrics.io.audio import undecodable
from metrics.io.files import write_all

LUFS_TOLERANCE = 0.1
CORRECTIONS = 8
PEAK_MARGIN_DB = 0.01  # dither and rounding move a peak by less
NEUTRAL_TIME = 315532800  # 1980-01-01, the earliest that a ZIP file can hold


@dataclass(frozen=True)
class StimulusSpec:
    """How one stimulus is made.

    Attributes:
        id: its blind id.
        what: what it is made of.
        path: the sound file of its excerpt; None for noise and silence.
        offset: where the excerpt begins, in seconds.
        number: an anchor's cut-off in Hz, or the number of beeps of a trap.
    """

    id: str
    what: StimulusContent = "clip"
    path: Path | None = None
    offset: float = 0.0
    number: int = 0


@dataclass(frozen=True)
class StimulusRecord:
    """What was done to a stimulus, and measured on its file. Levels are None for digital silence.

    Attributes:
        id: its blind id.
        sha256: of the file.
        gain_db: the gain in dB.
        lufs_before, lufs_after: loudness in LUFS before and after the gain.
        true_peak: in dBTP.
        lowered: by how many dB its item was lowered to keep the limit of the true peak.
    """

    id: str
    sha256: str
    gain_db: float | None
    lufs_before: float | None
    lufs_after: float | None
    true_peak: float | None
    lowered: float


def make_item(specs: Sequence[StimulusSpec], processing: ProcessingSettings, folder: Path) -> list[StimulusRecord]:
    """Write the stimuli of one item, each file whole or not at all.

    Args:
        specs: the stimuli, whose level is set together.
        processing: rate, length, loudness and format.
        folder: where the files are written, by id.

    Returns:
        What was done to each, in the order of `specs`.

    Raises:
        AudioError: for a source that cannot be read or has no loudness.
    """
    sounds = [faded(excerpt(spec, processing), processing) for spec in specs]
    before = [_loudness_of(spec, sound, processing.rate) for spec, sound in zip(specs, sounds, strict=True)]
    levelled = _level(specs, sounds, before, processing)
    contents = [encoded(steps, processing) for steps in levelled.steps]
    files = {folder / f"{spec.id}{processing.suffix}": one for spec, one in zip(specs, contents, strict=True)}
    write_all(files)
    for path in files:
        os.utime(path, (NEUTRAL_TIME, NEUTRAL_TIME))
    return [
        StimulusRecord(
            spec.id,
            hashlib.sha256(contents[n]).hexdigest(),
            levelled.gains[n],
            before[n],
            levelled.loudness[n],
            true_peak(_heard(levelled.steps[n], processing.bits), processing.rate),
            levelled.lowered,
        )
        for n, spec in enumerate(specs)
    ]


@dataclass(frozen=True)
class _Levelled:
    """Samples as they are written, the gains in dB that were applied, and the resulting loudness."""

    steps: list[NDArray[np.int32]]
    gains: list[float | None]
    loudness: list[float | None]
    lowered: float


def _level(
    specs: Sequence[StimulusSpec],
    sounds: Sequence[Sound],
    before: Sequence[float | None],
    processing: ProcessingSettings,
) -> _Levelled:
    """Set the level of an item's stimuli, and measure the result.

    A gain changes the loudness of most clips by as much, but not of one that is partly silent: the parts above the
    standard's absolute gate of −70 LUFS need not be the same before and after. So the result is measured, and the gain
    corrected until it is right.
    """
    peaks = [true_peak(sound, processing.rate) for sound in sounds]
    target = [None if lufs is None else processing.lufs - lufs for lufs in before]
    for _ in range(CORRECTIONS):
        gains, lowered = item_gains(target, peaks, processing)
        steps = [rounded(*one, processing.bits) for one in zip(sounds, gains, (spec.id for spec in specs), strict=True)]
        loudness = [
            None if gain is None else integrated_loudness(_heard(one, processing.bits), processing.rate)
            for one, gain in zip(steps, gains, strict=True)
        ]
        off = [0.0 if lufs is None else lufs - (processing.lufs - lowered) for lufs in loudness]
        if max(map(abs, off)) <= LUFS_TOLERANCE / 2:
            return _Levelled(steps, gains, loudness, lowered)
        target = [None if gain is None else gain - error for gain, error in zip(target, off, strict=True)]
    worst = max(range(len(off)), key=lambda n: abs(off[n]))
    raise AudioError(
        f"{specs[worst].path} cannot be brought to {processing.lufs - lowered:.2f} LUFS: it stays {off[worst]:+.2f} LU "
        "off, because nearly all of it is silent. Choose another excerpt with --start, or leave it out with --clips."
    )


def excerpt(spec: StimulusSpec, processing: ProcessingSettings) -> Sound:
    """The samples of a stimulus before its level is set: cut, resampled, and processed according to `spec.what`."""
    rate, samples = processing.rate, processing.samples
    if spec.what == "silence":
        return np.zeros((samples, processing.channels), dtype=np.float32)
    if spec.what == "noise":
        return pink_noise(samples, processing.channels, rate, seed_of(spec.id))
    assert spec.path is not None
    sound = read(spec.path, spec.offset, processing)
    changes: dict[str, Callable[[], Sound]] = {
        "anchor": lambda: lowpass(sound, spec.number, rate),
        "trap": lambda: with_beeps(sound, spec.number, rate),
        "gold": lambda: degraded(sound, rate),
    }
    return changes[spec.what]() if spec.what in changes else sound


def read(path: Path, offset: float, processing: ProcessingSettings) -> Sound:
    """`processing.samples` samples of a file from `offset` seconds on, at the study's rate and channels.

    Args:
        path: the sound file.
        offset: where the excerpt begins, in seconds.
        processing: rate, channels and length.

    Returns:
        (samples, channels), float32.

    Raises:
        AudioError: for a file that cannot be read, or that ends before the excerpt.
    """
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


def faded(sound: Sound, processing: ProcessingSettings) -> Sound:
    """The sound (samples, channels) with raised-cosine fades at both ends."""
    length = min(round(processing.fade_seconds * processing.rate), len(sound) // 2)
    rise = (0.5 - 0.5 * np.cos(np.pi * (np.arange(length) + 0.5) / max(length, 1))).astype(np.float32)[:, None]
    sound = sound.copy()
    sound[:length] *= rise
    sound[len(sound) - length :] *= rise[::-1]
    return sound


def item_gains(
    target: Sequence[float | None], peaks: Sequence[float | None], processing: ProcessingSettings
) -> tuple[list[float | None], float]:
    """The gains of an item's stimuli, lowered so that every true peak keeps the limit.

    Args:
        target: gains in dB that give the target loudness; None for digital silence, which has no level.
        peaks: true peaks in dBTP before the gain.
        processing: the limit of the true peak.

    Returns:
        The gains in dB, and by how many dB all of them were lowered.

    >>> item_gains([0.0, 10.0, None], [-6.0, -9.0, None], ProcessingSettings(48000, 1, 48000))
    ([-2.01, 7.99, None], 2.01)
    """
    ceiling = processing.peak - PEAK_MARGIN_DB
    over = [
        peak + gain - ceiling for peak, gain in zip(peaks, target, strict=True) if peak is not None and gain is not None
    ]
    lowered = round(max([0.0, *over]), 6)
    return [None if gain is None else round(gain - lowered, 6) for gain in target], lowered


def rounded(sound: Sound, gain_db: float | None, id: str, bits: int) -> NDArray[np.int32]:
    """`sound` after the gain in whole steps of `bits`, with triangular dither drawn by `id`; silence stays silent.

    Args:
        sound: (samples, channels), float32.
        gain_db: gain in dB; None for digital silence.
        id: blind id, by which the dither is drawn.
        bits: bits per sample.

    Returns:
        (samples, channels), int32, in steps of `bits`.
    """
    if gain_db is None:
        return np.zeros(sound.shape, dtype=np.int32)
    rng = np.random.default_rng(seed_of(id))
    dither = rng.random(sound.shape, dtype=np.float32) - rng.random(sound.shape, dtype=np.float32)
    full = 2.0 ** (bits - 1)
    return np.rint(sound * np.float64(full * 10 ** (gain_db / 20)) + dither).astype(np.int32)


def encoded(steps: NDArray[np.int32], processing: ProcessingSettings) -> bytes:
    """The bytes of a file, without tags and date, the same on every call."""
    import soundfile

    content = io.BytesIO()
    kind = processing.suffix.removeprefix(".").upper()
    # libsndfile takes the upper bits of an integer.
    soundfile.write(content, steps << (32 - processing.bits), processing.rate, f"PCM_{processing.bits}", format=kind)
    return content.getvalue()


def integrated_loudness(sound: Sound, rate: int) -> float:
    """LUFS (ITU-R BS.1770-4) over all channels; −inf for silence. (A mono file is one channel, as EBU R 128 has it.)

    Args:
        sound: (samples, channels), float32.
        rate: sampling rate in Hz.
    """
    import pyloudnorm

    return float(pyloudnorm.Meter(rate).integrated_loudness(sound.astype(np.float64)))


def true_peak(sound: Sound, rate: int) -> float | None:
    """The highest of the channels in dBTP; None for digital silence.

    Args:
        sound: (samples, channels), float32.
        rate: sampling rate in Hz.
    """
    from metrics.waves.signal import true_peak as of_channel

    peaks = [of_channel(np.ascontiguousarray(channel), rate) for channel in sound.T]
    return max((peak for peak in peaks if peak is not None), default=None)


def seed_of(id: str) -> int:
    """The seed of the random numbers of one stimulus."""
    return int.from_bytes(hashlib.sha256(id.encode()).digest()[:8])


def _loudness_of(spec: StimulusSpec, sound: Sound, rate: int) -> float | None:
    if spec.what == "silence":
        return None
    lufs = integrated_loudness(sound, rate)
    if not math.isfinite(lufs):
        raise AudioError(
            f"{spec.path} is silent in the {len(sound) / rate:.2f} s from {spec.offset:g} s on: choose another excerpt "
            "with --start, or leave it out with --clips."
        )
    return lufs


def _heard(steps: NDArray[np.int32], bits: int) -> Sound:
    """The samples of a file as they are played."""
    return (steps / 2.0 ** (bits - 1)).astype(np.float32)
