"""Audio in and out, and the one preprocessing that both sides of a comparison go through.

Everything here is mono float32 of shape (samples,), nominally within ±1. Resampling is soxr HQ: measured flat to
7 kHz at 16 kHz with aliases at −144 dB, where torchaudio's default loses 1.8 dB at 7 kHz. Loudness is ITU-R BS.1770-4
(LUFS).

Policies for input without a value:
- a file that cannot be decoded, is empty or holds NaN or infinity is an `AudioError`, never an empty array;
- `loudness` of audio that is silent (everything below the −70 LUFS gate) is −inf, as the standard has it;
  `normalise` of it is an `AudioError`, for no gain makes silence −23 LUFS;
- audio shorter than the standard's 0.4 s block has no loudness: `AudioError`.
"""

from __future__ import annotations

import io
import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.errors import AudioError, UsageError
from metrics.io.files import write_bytes

Audio = NDArray[np.float32]

LOUDNESS_BLOCK_SECONDS = 0.4
FORMATS = {".wav": "WAV", ".flac": "FLAC"}
LARGEST = 1e10
"""Larger samples are no sound (full scale is 1, of unscaled integers 2³¹), and their squares overflow."""


def load(path: str | os.PathLike[str], rate: int | None = None) -> tuple[Audio, int]:
    """Read a sound file as mono: `(audio (samples,), rate in Hz)`, resampled when `rate` is given.

    Channels are averaged. Raises `AudioError` as `read`, and when the file is empty or holds samples that are not
    finite.
    """
    samples, found = read(path)
    audio = check(samples.mean(axis=1, dtype=np.float32), what=str(path))
    if rate is None or rate == found:
        return audio, found
    return resample(audio, found, rate), rate


def read(path: str | os.PathLike[str], start_seconds: float = 0.0, seconds: float | None = None) -> tuple[Audio, int]:
    """A sound file as it is, or an excerpt of it: WAV, FLAC, Ogg Vorbis, Opus or MP3.

    Args:
        path: of the file.
        start_seconds: where the excerpt begins.
        seconds: its length, or less where the file ends before; None for all that follows.

    Returns:
        `(samples, rate)`: float32 (samples, channels), and the rate in Hz. An excerpt that begins behind the file's end
        has no samples.

    Raises:
        AudioError: the file is missing, empty or cannot be decoded.
    """
    from metrics.io.reader import SoundReader

    with SoundReader(path) as reader:
        start = round(start_seconds * reader.rate)
        stop = None if seconds is None else start + math.ceil(seconds * reader.rate)
        blocks = list(reader.blocks(start, stop))
        return np.concatenate([np.zeros((0, reader.channels), np.float32), *blocks]), reader.rate


def undecodable(path: Path, error: Exception) -> AudioError:
    """What to raise for a file that is not decoded."""
    from metrics.io import reader

    return reader.undecodable(path, error)


def check(audio: ArrayLike, what: str = "the audio") -> Audio:
    """`audio` as float32 (samples,); `AudioError`, naming `what`, unless it is one channel, not empty, and within
    ±`LARGEST`."""
    array = np.asarray(audio, dtype=np.float32)
    if array.ndim != 1:
        raise AudioError(
            f"{what} has shape {array.shape}: mono audio of shape (samples,) was expected. Average its channels first."
        )
    if array.size == 0:
        raise AudioError(f"{what} holds no samples: at least one was expected.")
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise AudioError(
            f"{what} has {bad} samples of {array.size} that are NaN or infinite: finite samples were expected."
        )
    if (peak := float(max(array.max(), -array.min()))) > LARGEST:
        raise AudioError(f"{what} has a sample of {peak:.3g}: full scale is 1. It is no sound, or was damaged.")
    return array


def resample(x: ArrayLike, from_rate: int, to_rate: int) -> Audio:
    """Change the sampling rate in Hz (soxr HQ). The duration is kept to within one sample."""
    import soxr

    if from_rate <= 0 or to_rate <= 0:
        raise UsageError(f"sampling rates were {from_rate} and {to_rate} Hz: positive numbers were expected.")
    audio = check(x)
    if from_rate == to_rate:
        return audio
    return np.asarray(soxr.resample(audio, from_rate, to_rate, quality="HQ"), dtype=np.float32)


def loudness(x: ArrayLike, rate: int) -> float:
    """Integrated, gated loudness in LUFS (ITU-R BS.1770-4); −inf for silence.

    A 997 Hz sine of full scale is −3.01 LUFS. Raises `AudioError` below 0.4 s, the standard's gating block.
    """
    import pyloudnorm

    audio = check(x)
    if audio.size < math.ceil(LOUDNESS_BLOCK_SECONDS * rate):
        raise AudioError(
            f"the audio lasts {audio.size / rate:.3f} s: its loudness is defined from {LOUDNESS_BLOCK_SECONDS} s. "
            "Use a longer clip."
        )
    return float(pyloudnorm.Meter(rate).integrated_loudness(audio.astype(np.float64)))


def normalise(x: ArrayLike, rate: int, lufs: float = -23.0) -> Audio:
    """One gain for the whole clip, so that its loudness is `lufs`. Samples may leave ±1: nothing is clipped.

    −23 LUFS is EBU R 128's programme loudness. Raises `AudioError` when the clip is silent or shorter than 0.4 s.
    """
    audio = check(x)
    return audio * np.float32(loudness_gain(loudness(audio, rate), lufs, audio.size / rate))


def loudness_gain(found: float, lufs: float, seconds: float) -> float:
    """The factor from `found` to `lufs`, both in LUFS. Raises `AudioError` for silence (−inf); `seconds` is for it."""
    if not math.isfinite(found):
        raise AudioError(
            f"the clip is silent: its {seconds:.2f} s never reach −70 LUFS, so that no gain brings it to "
            f"{lufs:g} LUFS. Leave it out, or sample it again."
        )
    return 10.0 ** ((lufs - found) / 20.0)


def save(path: str | os.PathLike[str], x: ArrayLike, rate: int) -> float:
    """Write 16-bit WAV or FLAC (by suffix) and return the gain that was applied, 1.0 when none was needed.

    Nothing clips: audio whose peak passes full scale is turned down as a whole until it fits. The file appears whole
    or not at all: it is written beside its place, flushed to the disk and renamed. The bytes depend on the input only.
    Raises `AudioError` for audio that is empty or not finite, or when the disk refuses; `UsageError` for another
    suffix.
    """
    import soundfile

    path = Path(path)
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise UsageError(f"{path} ends in {path.suffix!r}: .wav or .flac was expected.")
    audio = check(x, what=f"the audio for {path}")
    # Full scale of 16 bits is 32767/32768: a peak of exactly 1.0 would be clipped by one step.
    ceiling = 32767 / 32768
    peak = float(np.abs(audio).max())
    gain = min(1.0, ceiling / peak) if peak > 0 else 1.0
    content = io.BytesIO()
    soundfile.write(content, audio * np.float32(gain), rate, subtype="PCM_16", format=kind)
    try:
        write_bytes(path, content.getvalue())
    except OSError as error:
        raise AudioError(
            f"{path} could not be written ({error}). Check the folder's permissions and the free space, then run again."
        ) from error
    return gain


Silence = Literal["refused", "own level"]
"""What happens to a clip without a loudness, silent by the −70 LUFS gate or shorter than 0.4 s, that is to be levelled.

"refused": an `AudioError`. A set that was made so holds no silent clip, and is comparable with any other.
"own level": it is taken as it is, without a gain. This is what the harness does on both sides of a comparison: to leave
silent clips out would measure a model that falls silent by its better clips only.
"""


@dataclass(frozen=True)
class Applied:
    """A clip after the preprocessing: float32 `audio` (samples,).

    `silent`: nothing in it reaches the −70 LUFS gate (below 0.4 s: all samples are zero). `own_level`: it has no
    loudness and was left without a gain.
    """

    audio: Audio
    silent: bool
    own_level: bool


@dataclass(frozen=True)
class Preprocessing:
    """What happens to a clip before it is embedded: both sides of a comparison go through the same one.

    `rate` in Hz; `lufs`, the loudness after one gain, or None to leave the level alone; `seconds`, the start that is
    kept, or None for all of it; `silence`, what happens to a clip without a loudness. A clip shorter than `seconds`
    stays as it is.
    """

    rate: int = 16000
    lufs: float | None = -23.0
    seconds: float | None = None
    silence: Silence = "refused"

    def __post_init__(self) -> None:
        if self.rate <= 0:
            raise UsageError(f"the preprocessing's rate was {self.rate} Hz: a positive number was expected.")
        if self.seconds is not None and self.seconds <= 0:
            raise UsageError(
                f"the preprocessing's length was {self.seconds} s: a positive number, or None for all, was expected."
            )
        if self.silence not in get_args(Silence):
            raise UsageError(
                f"the preprocessing's silence was {self.silence!r}: one of {', '.join(get_args(Silence))} was expected."
            )

    def apply(self, x: ArrayLike, rate: int) -> Audio:
        """`x` (samples,) at `rate` Hz → float32 (samples,) at `self.rate`.

        Raises `AudioError` for a silent clip, unless `silence` is "own level".
        """
        return self.applied(x, rate).audio

    def applied(self, x: ArrayLike, rate: int) -> Applied:
        """The same, and whether the clip is silent or was left at its own level.

        Args:
            x: (samples,) of one channel.
            rate: of `x`, in Hz.

        Raises:
            AudioError: for audio that is empty or not finite; for a clip without a loudness where those are refused.
        """
        audio = resample(x, rate, self.rate)
        if self.seconds is not None:
            audio = audio[: round(self.seconds * self.rate)]
        too_short = audio.size < math.ceil(LOUDNESS_BLOCK_SECONDS * self.rate)
        if too_short and (self.lufs is None or self.silence == "own level"):
            return Applied(audio, not np.any(audio), self.lufs is not None)
        found = loudness(audio, self.rate)
        silent = not math.isfinite(found)
        if self.lufs is None or (silent and self.silence == "own level"):
            return Applied(audio, silent, self.lufs is not None)
        gain = np.float32(loudness_gain(found, self.lufs, audio.size / self.rate))
        return Applied(audio * gain, silent, False)

    def provenance(self) -> dict[str, Any]:
        """Everything that decides the result, for the record and for comparing two sides."""
        made = {**asdict(self), "channels": "mono", "resampler": "soxr HQ"}
        if self.silence == "refused":  # as of sets that were made before there was a choice
            del made["silence"]
        return made
