"""Sounds that no model generated: noise as a control, and the stimuli of control trials, which test attention.

A trap has `n` beeps in place of its middle, and listeners are instructed to answer n on hearing n beeps. A gold
stimulus is so degraded (below 1 kHz only, and clipped) that an attentive listener rates it low, or distinguishes it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.listening.make.anchors import lowpass

Sound = NDArray[np.float32]
"""(samples, channels)."""

BEEP_HZ, BEEP_SECONDS, BEEP_EVERY_SECONDS = 1000.0, 0.2, 0.4
GOLD_HZ = 1000.0
NOISE_FROM_HZ = 20.0


def pink_noise(samples: int, channels: int, rate: int, seed: int) -> Sound:
    """Gaussian noise of equal power per octave from 20 Hz on, the same on all channels: (samples, channels), ±1.

    Args:
        samples, channels: shape of the result.
        rate: sampling rate in Hz.
        seed: of the noise.
    """
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    frequency = np.fft.rfftfreq(samples, 1 / rate)
    heard = frequency >= NOISE_FROM_HZ
    spectrum[~heard] = 0
    spectrum[heard] /= np.sqrt(frequency[heard])
    noise = np.fft.irfft(spectrum, samples)
    return np.repeat((noise / np.abs(noise).max())[:, None], channels, axis=1).astype(np.float32)


def with_beeps(audio: Sound, count: int, rate: int) -> Sound:
    """`audio` (samples, channels) with `count` beeps in silence in its middle, twice the level of the music around.

    Args:
        audio: (samples, channels), float32.
        count: number of beeps.
        rate: sampling rate in Hz.
    """
    samples = len(audio)
    every = min(BEEP_EVERY_SECONDS, 0.8 * samples / rate / count)
    first = samples // 2 - round(every * count * rate) // 2
    time = np.arange(round(every / 2 * rate)) / rate
    beep = np.sin(2 * np.pi * BEEP_HZ * time) * np.hanning(time.size) ** 0.25
    beep *= 2 * np.sqrt(2) * np.sqrt(np.mean(np.square(audio, dtype=np.float64)))
    made = audio.copy()
    made[first : first + round(every * count * rate)] = 0
    for n in range(count):
        start = first + round((n + 0.25) * every * rate)
        made[start : start + time.size] = beep[:, None]
    return made


def degraded(audio: Sound, rate: int) -> Sound:
    """`audio` (samples, channels) as through a bad telephone: below 1 kHz only, clipped at half its level.

    Args:
        audio: (samples, channels), float32.
        rate: sampling rate in Hz.
    """
    dull = lowpass(audio, GOLD_HZ, rate)
    limit = 0.5 * np.sqrt(np.mean(np.square(dull, dtype=np.float64)))
    return np.clip(dull, -limit, limit).astype(np.float32)
