"""Folders of clips to make studies of: tones in noise, each of its own level, short and at a low rate to be quick."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from harness.listening.settings import OrderSettings, SelectionSettings, SoundSettings, StudySettings

RATE = 16000
CONDITIONS = ("tape-machine", "robot", "temperature=0.7")


def read(path: Path) -> tuple[np.ndarray, int]:
    """A mono file as float32 (samples,), and its rate."""
    sound, rate = soundfile.read(path, dtype="float32")
    return np.asarray(sound, dtype=np.float32), int(rate)


def music(number: int, seconds: float = 2.2, rate: int = RATE, level: float = 0.1) -> np.ndarray:
    """A tone that pulses, in noise, with a few loud strokes: (samples,) float32."""
    rng = np.random.default_rng(number)
    time = np.arange(round(seconds * rate)) / rate
    wave = np.sin(2 * np.pi * (200 + 37 * (number % 17)) * time) * (1 + 0.5 * np.sin(2 * np.pi * 3 * time))
    wave[:: rate // 2] *= 2
    return (level * rng.uniform(0.3, 1) * (wave + 0.1 * rng.standard_normal(time.size))).astype(np.float32)


def make_clips(
    root: Path, conditions: tuple[str, ...] = CONDITIONS, prompts: int = 4, seconds: float = 2.2, rate: int = RATE
) -> Path:
    """root/<condition>/melody-<n>.wav"""
    for c, condition in enumerate(conditions):
        (root / condition).mkdir(parents=True)
        for prompt in range(prompts):
            path = root / condition / f"melody{prompt}-0.wav"
            soundfile.write(path, music(100 * c + prompt, seconds, rate), rate)
    return root


def settings(source: Path, out: Path, kind: str = "acr", **given) -> StudySettings:
    """A study at the clips' own rate, made in this process."""
    parts = {"choice": SelectionSettings, "format": SoundSettings, "order": OrderSettings}
    usual = {"format": {"rate": None}, "order": {"listeners": 3}}
    made = {name: part(**{**usual.get(name, {}), **given.pop(name, {})}) for name, part in parts.items()}
    return StudySettings(**{"source": str(source), "kind": kind, "out": out, "workers": 1, **made, **given})
