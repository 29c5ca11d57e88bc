"""What a sound file of a study is, measured on the file itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.listening.check.leaks import wav_chunks
from harness.listening.make.processing import integrated_loudness, true_peak
from metrics.io.weights import file_sha256

OWN_CHUNKS = (b"fmt ", b"data")


@dataclass(frozen=True)
class MeasuredFile:
    """What was measured on a sound file.

    Attributes:
        sha256, rate, channels, samples: hash, sampling rate in Hz, number of channels, length in samples.
        lufs, peak: loudness in LUFS and true peak in dBTP; None for silence.
        extra: what it holds besides format and samples.
        problem: why it cannot be measured; empty where it can.
    """

    sha256: str = ""
    rate: int = 0
    channels: int = 0
    samples: int = 0
    lufs: float | None = None
    peak: float | None = None
    extra: str = ""
    problem: str = ""


def measure(path: Path) -> MeasuredFile:
    """Format, loudness and peak of a file; what is wrong with it is returned as its `problem`."""
    import soundfile

    try:
        sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
        content = path.read_bytes()
    except (soundfile.LibsndfileError, RuntimeError, OSError) as error:
        return MeasuredFile(problem=f"cannot be decoded ({error})")
    samples, channels = sound.shape
    kind = {"rate": int(rate), "channels": channels, "samples": samples, "sha256": file_sha256(path)}
    if content[:4] == b"RIFF":
        others = [name for name, *_ in wav_chunks(content) if name not in OWN_CHUNKS]
        kind["extra"] = ", ".join(name.decode("latin-1").strip() for name in others)
    if samples < 0.4 * rate:
        return MeasuredFile(**kind, problem="is shorter than 0.4 s")
    if not np.isfinite(sound).all():
        return MeasuredFile(**kind, problem="holds samples that are NaN or infinite")
    sound = np.asarray(sound, dtype=np.float32)
    lufs = integrated_loudness(sound, rate)
    return MeasuredFile(**kind, lufs=lufs if math.isfinite(lufs) else None, peak=true_peak(sound, rate))
