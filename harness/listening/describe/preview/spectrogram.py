"""A small spectrogram: time to the right, frequency upward on a logarithmic scale, level as brightness."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 240, 64
WINDOW = 2048
LOWEST_HZ = 60.0
FLOOR_DB, CEILING_DB = -105.0, -20.0
"""Levels of a bin relative to a full-scale sine: fixed, so that spectrograms can be compared."""


def spectrogram(audio: NDArray[np.float32], rate: int) -> NDArray[np.uint8]:
    """Levels of (HEIGHT, WIDTH) cells, the lowest band last: 0 at or below the floor, 255 at the ceiling.

    `audio` is (samples,). Bands are `HEIGHT` equal ratios from 60 Hz to half the rate; one narrower than a bin of the
    transform has the level of that bin.

    Args:
        audio: (samples,), float32.
        rate: sampling rate in Hz.
    """
    audio = np.pad(audio, (0, max(0, WINDOW - len(audio))))
    starts = np.linspace(0, len(audio) - WINDOW, WIDTH).astype(int)
    window = np.hanning(WINDOW).astype(np.float32)
    frames = audio[starts[:, None] + np.arange(WINDOW)] * window
    bins = np.fft.rfft(frames)
    power = (bins.real**2 + bins.imag**2) / (window.sum() / 2) ** 2
    edges = np.geomspace(LOWEST_HZ, rate / 2, HEIGHT + 1) * WINDOW / rate
    low = np.floor(edges[:-1]).astype(int)
    high = np.maximum(np.ceil(edges[1:]).astype(int), low + 1)
    total = np.concatenate([np.zeros((WIDTH, 1)), np.cumsum(power, axis=1)], axis=1)
    mean = (total[:, high] - total[:, low]) / (high - low)
    level = 10 * np.log10(np.maximum(mean, 1e-20))
    scaled = (level - FLOOR_DB) / (CEILING_DB - FLOOR_DB)
    return (np.clip(scaled, 0, 1) * 255).astype(np.uint8).T[::-1]


def as_png(levels: NDArray[np.uint8]) -> bytes:
    """A PNG with a palette, a third of the size of one in full colour."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(levels)).convert("L")
    image = Image.frombytes("P", image.size, image.tobytes())
    image.putpalette(_palette())
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


@lru_cache(1)
def _palette() -> bytes:
    import matplotlib

    colours = matplotlib.colormaps["magma"](np.arange(256))[:, :3]
    return (colours * 255).astype(np.uint8).tobytes()
