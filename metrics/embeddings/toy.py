"""An embedder for tests and examples: weightless, instant, and of no meaning beyond telling spectra apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.embeddings.base import Frames


class ToyEmbedder:
    """Log energy in 16 bands, a second at a time. Named toy wherever it shows; never a default."""

    name = "toy"
    rate = 16000
    dim = 16
    window_seconds = 1.0
    hop_seconds = 0.5

    def provenance(self) -> dict[str, Any]:
        return {
            "name": self.name, "version": 1, "rate": self.rate, "dim": self.dim,
            "window_seconds": self.window_seconds, "hop_seconds": self.hop_seconds,
        }  # fmt: skip

    def embed(self, audio: NDArray[np.float32]) -> Frames:
        """float32 (samples,) at 16 kHz → float32 (frames, 16)."""
        window, hop = round(self.window_seconds * self.rate), round(self.hop_seconds * self.rate)
        padded = np.pad(audio, (0, max(0, window - audio.size)))
        patches = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
        power = np.abs(np.fft.rfft(patches * np.hanning(window), axis=1)) ** 2
        # Band edges from 62.5 Hz to 8 kHz, log-spaced: at a window of 1 s one bin is 1 Hz.
        edges = np.unique(np.geomspace(62.5, self.rate / 2, self.dim + 1).round().astype(int))
        energy = np.add.reduceat(power, edges[:-1], axis=1) / np.diff(edges)
        return np.log10(1e-6 + energy).astype(np.float32)
