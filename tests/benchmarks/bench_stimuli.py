"""Stimuli of 12 conditions × 60 prompts, 10 s each at 44.1 kHz: made, again with nothing left to do, and checked."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile

CONDITIONS, PROMPTS, SECONDS, RATE = 12, 60, 10, 44100
COMMON = ("--kind", "multi", "--training", "0", "--traps", "0", "--golds", "0", "--quiet")


def main() -> None:
    """Print seconds, and the memory of the largest process."""
    with TemporaryDirectory() as folder:
        clips, study = Path(folder) / "clips", Path(folder) / "study"
        write_clips(clips)
        for what, arguments in {
            "make 720 stimuli": ("stimuli", str(clips), "--out", str(study), *COMMON),
            "again, with nothing to do": ("stimuli", str(clips), "--out", str(study), *COMMON),
            "check them": ("stimuli", "check", str(study), "--quiet"),
        }.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, "-m", "harness", *arguments], check=True, stdout=subprocess.DEVNULL)
            print(f"  {what:<28} {time.perf_counter() - began:6.1f} s")
    print(f"  {'the largest process':<28} {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:6.0f} MB")


def write_clips(folder: Path) -> None:
    """Tones in noise, each condition 1 dB softer than the one before."""
    times = np.arange(SECONDS * RATE) / RATE
    for condition in range(CONDITIONS):
        (folder / f"condition {condition}").mkdir(parents=True)
        for prompt in range(PROMPTS):
            noise = np.random.default_rng([condition, prompt]).standard_normal(times.size)
            sound = (0.1 * noise + 0.2 * np.sin(2 * np.pi * (200 + 20 * prompt) * times)) * 10 ** (-condition / 20)
            soundfile.write(folder / f"condition {condition}" / f"prompt{prompt}-0.wav", sound.astype(np.float32), RATE)
