"""Laws that embeddings are drawn from: the spectra of real embedders, songs of correlated frames, changed conditions.

A song has a vector of its own and four frames about it; four fifths of the variance lie between songs, as in musicnn's
embeddings of real music (.71 of it in both shipped sets).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

FRAMES = 4  # of a song
BETWEEN = 0.8  # of the variance


@dataclass(frozen=True)
class Law:
    """A population of songs: eigenvalues of its covariance, and the tails of Student's t or None for a Gaussian.

    `share` is that of the embedder's variance which these axes hold.
    """

    eigenvalues: Callable[[], Array]
    df: float | None = None
    share: Callable[[], float] = lambda: 1.0

    def noise(self, units: int, count: int, rng: np.random.Generator) -> Array:
        """Uncorrelated coordinates of unit variance, float32 (count, songs, frames, D)."""
        dimensions = len(self.eigenvalues())
        song = self._standard((count, units, 1, dimensions), rng)
        frame = self._standard((count, units, FRAMES, dimensions), rng)
        return np.sqrt(np.float32(BETWEEN)) * song + np.sqrt(np.float32(1 - BETWEEN)) * frame

    def _standard(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        normal = rng.standard_normal(shape, dtype=np.float32)
        if self.df is None:
            return normal
        # One factor for all coordinates of a vector: multivariate t, scaled to unit variance.
        radius = np.sqrt((self.df - 2) / rng.chisquare(self.df, (*shape[:-1], 1)))
        return normal * radius.astype(np.float32)


@cache
def spectrum(embedder: str) -> Array:
    """Eigenvalues of an embedder's covariance over real music, descending, as they are kept in spectra.json.

    musicnn's (200) are of frames of 116 tracks of seven kinds; VGGish's (128) and CLAP's (512, clap-laion-music) are of
    the Gaussians of the FMA's pop music in fadtk 1.1 (stats/fma_pop.npz).
    """
    return np.array(json.loads((Path(__file__).parent / "spectra.json").read_text())[embedder])


@cache
def power_law() -> Array:
    """1/k over 128 dimensions, scaled to musicnn's total."""
    values = 1 / np.arange(1.0, 129)
    return values * spectrum("musicnn").sum() / values.sum()


def first(eigenvalues: Callable[[], Array], count: int, df: float | None = None) -> Law:
    """A law of the first axes only."""
    return Law(lambda: eigenvalues()[:count], df, lambda: float(eigenvalues()[:count].sum() / eigenvalues().sum()))


# In components the axes beyond the 48th, with 5 % of musicnn's variance, would only cost time; so would those of the
# other embedders, whose variance is spread over more.
musicnn, vggish, clap = (partial(spectrum, embedder) for embedder in ("musicnn", "vggish", "clap"))
LAWS = {
    "musicnn": Law(musicnn),
    "1/k": Law(power_law),
    "musicnn, 16 axes": first(musicnn, 16),
    "musicnn, 48 axes": first(musicnn, 48),
    "musicnn, 48 axes, t5": first(musicnn, 48, df=5),
    "1/k, 48 axes": first(power_law, 48),
    "vggish, 64 axes": first(vggish, 64),
    "clap, 96 axes": first(clap, 96),
}


@dataclass(frozen=True)
class Change:
    """How a condition's law differs from the reference's: spread, gain of every other axis, turn and shift."""

    scale: float = 1.0
    tilt: float = 1.0
    turn: float = 0.0  # radians, in the planes of neighbouring axes
    shift: float = 0.0  # in standard deviations of each axis

    def apply(self, noise: Array, eigenvalues: Array) -> Array:
        """Embeddings of the condition, float32, from noise (…, D)."""
        x = noise * self._gains(eigenvalues).astype(np.float32)
        if self.turn:
            cos, sin = np.float32(np.cos(self.turn)), np.float32(np.sin(self.turn))
            even, odd = x[..., 0::2].copy(), x[..., 1::2].copy()
            x[..., 0::2], x[..., 1::2] = cos * even - sin * odd, sin * even + cos * odd
        return x + self.mean(eigenvalues).astype(np.float32)

    def mean(self, eigenvalues: Array) -> Array:
        return self.shift * np.sqrt(eigenvalues)

    def covariance(self, eigenvalues: Array) -> Array:
        """(D, D)"""
        turned = np.eye(len(eigenvalues))
        if self.turn:
            cos, sin = np.cos(self.turn), np.sin(self.turn)
            for i in range(0, len(eigenvalues) - 1, 2):
                turned[i : i + 2, i : i + 2] = [[cos, -sin], [sin, cos]]
        return (turned * self._gains(eigenvalues) ** 2) @ turned.T

    def _gains(self, eigenvalues: Array) -> Array:
        tilts = np.where(np.arange(len(eigenvalues)) % 2, 1 / self.tilt, self.tilt)
        return self.scale * np.sqrt(eigenvalues * tilts)


# cold and warm are equally far from the reference: (1−s)² tr Σ.
CONDITIONS = {
    "same": Change(),
    "other": Change(tilt=1.6, turn=0.5, shift=0.6),
    "cold": Change(scale=0.75),
    "warm": Change(scale=1.25),
}


def draw(
    law: Law, units: int, reference_units: int, count: int, rng: np.random.Generator
) -> tuple[dict[str, Array], Array]:
    """`count` samples of every condition (count, songs, frames, D) and of the reference, float32.

    Half of a song's variance is common to all conditions, as that of clips that share their seeds.
    """
    eigenvalues = law.eigenvalues()
    shared, first, second = (law.noise(units, count, rng) for _ in range(3))
    half = np.sqrt(np.float32(0.5))
    made = {
        name: change.apply(half * (shared + (second if name in ("other", "warm") else first)), eigenvalues)
        for name, change in CONDITIONS.items()
    }
    return made, CONDITIONS["same"].apply(law.noise(reference_units, count, rng), eigenvalues)
