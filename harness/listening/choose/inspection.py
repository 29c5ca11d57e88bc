"""Inspection of the source files: what is in each, and whether it, or an excerpt of it, can be used."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import AudioError
from metrics.io.audio import read
from metrics.io.weights import file_sha256
from metrics.waves.accumulators import SILENT_DB
from metrics.waves.signal import clipping_share

CLIPPED_SHARE = 5e-3
"""Of the samples, in flat tops. Of 40 excerpts of game music and 8 clips of jukebox:mini, all but one had less."""

BLOCK_SECONDS = 0.01


@dataclass(frozen=True)
class FileFacts:
    """What was found in a sound file.

    Attributes:
        sha256: of all its bytes.
        rate: sampling rate in Hz.
        channels: number of channels.
        seconds: length in seconds.
        first, last: where sound begins and ends: the first and the last sample above −60 dBFS, in seconds.
        clipped: share of its samples that are clipped, 0 to 1.
        problem: why it cannot be used; None where it can.
        loud: numbers of the blocks of 10 ms with a sample above −60 dBFS.
    """

    sha256: str = ""
    rate: int = 0
    channels: int = 0
    seconds: float = 0.0
    first: float = 0.0
    last: float = 0.0
    clipped: float = 0.0
    problem: str | None = None
    loud: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32), compare=False, repr=False)

    def is_silent(self, start: float, seconds: float) -> bool:
        """Whether the `seconds` from `start` on, both rounded to 10 ms, stay below −60 dBFS."""
        first, last = np.searchsorted(self.loud, np.rint(np.array([start, start + seconds]) / BLOCK_SECONDS))
        return bool(first == last)


def inspect(path: Path) -> FileFacts:
    """Read a whole file. What is wrong with it is returned as its `problem`, not raised."""
    try:
        sound, rate = read(path)
        sha256 = file_sha256(path)
    except (AudioError, OSError) as error:
        return FileFacts(problem=str(error) if path.exists() else f"there is no file {path}: make it again")
    samples, channels = sound.shape
    found = {"sha256": sha256, "rate": int(rate), "channels": channels, "seconds": samples / rate}
    if not samples:
        return FileFacts(**found, problem="it holds no samples: record or sample it again")
    if bad := int((~np.isfinite(sound)).sum()):
        return FileFacts(**found, problem=f"{bad} of its samples are NaN or infinite: render it again")
    loud = np.flatnonzero(np.abs(sound).max(axis=1) > 10 ** (SILENT_DB / 20))
    if not loud.size:
        return FileFacts(**found, problem="it is silent: it stays below −60 dBFS. Sample it again, or drop it")
    clipped = max(clipping_share(np.asarray(channel, dtype=np.float32)) for channel in sound.T)
    blocks = np.unique((loud / (rate * BLOCK_SECONDS)).astype(np.int32))
    return FileFacts(
        **found, first=float(loud[0] / rate), last=float((loud[-1] + 1) / rate), clipped=clipped, loud=blocks
    )
