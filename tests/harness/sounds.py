"""Synthetic music in folders: tones in noise, seeded, short enough for the toy embedder to take in milliseconds."""

from pathlib import Path

import numpy as np
import soundfile

RATE = 16000


def tone(number: int, seconds: float = 2.0, pitch: float = 1.0, noise: float = 0.05) -> np.ndarray:
    """A tone whose pitch goes with `number`, in noise of its own."""
    rng = np.random.default_rng(number)
    time = np.arange(round(seconds * RATE)) / RATE
    wave = np.sin(2 * np.pi * 110 * pitch * 2 ** (number % 12 / 6) * time)
    return 0.2 * wave + noise * rng.uniform(0.5, 2) * rng.standard_normal(time.size)


def make_folder(folder: Path, count: int, first: int = 0, **sound: float) -> Path:
    """`count` files 00.wav, 01.wav, … of tones from number `first` on."""
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(count):
        soundfile.write(folder / f"{n:02d}.wav", tone(first + n, **sound), RATE)
    return folder
