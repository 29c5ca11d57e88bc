"""From a package's sound file to the audio of a corpus: mono, one rate, one loudness, 16-bit FLAC."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metrics.errors import AudioError
from metrics.io import audio as sound

RATE = 16000
LUFS = -23.0
# Raise this when the conversion changes: what an older version wrote is then converted again.
VERSION = 1


def decode(content: bytes, what: str) -> tuple[NDArray[np.float32], int]:
    """Bytes of a Vorbis, Opus, MP3, FLAC or WAV file → `(mono float32 (samples,), rate in Hz)`.

    Raises `AudioError`, naming `what`, when they cannot be decoded or hold no finite sound.
    """
    import soundfile

    try:
        samples, rate = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise AudioError(f"{what} cannot be decoded ({error}): Vorbis, Opus, MP3, FLAC or WAV was expected.") from error
    return sound.check(samples.mean(axis=1, dtype=np.float32), what=what), int(rate)


def mix(parts: Sequence[tuple[NDArray[np.float32], int]], what: str) -> NDArray[np.float32]:
    """One track out of its stems, each resampled to `RATE`: their sum, the shorter ones followed by silence."""
    if not parts:
        raise AudioError(f"{what} has no stems: at least one sound file was expected.")
    resampled = [sound.resample(samples, rate, RATE) for samples, rate in parts]
    total = np.zeros(max(part.size for part in resampled), dtype=np.float32)
    for part in resampled:
        total[: part.size] += part
    return total


def convert(contents: Sequence[bytes], target: Path, what: str) -> tuple[float, float]:
    """Write one track to `target` and return `(seconds, gain)`, atomically.

    The loudness becomes −23 LUFS. Where that makes the peak pass full scale, the whole track is turned down to fit;
    `gain` is that factor (1.0 for most), so that its loudness is −23 + 20·log10(gain) LUFS.
    """
    samples = mix([decode(content, what) for content in contents], what)
    gain = sound.save(target, sound.normalise(samples, RATE, LUFS), RATE)
    return samples.size / RATE, gain
