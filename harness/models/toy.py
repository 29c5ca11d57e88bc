"""A model without weights: seeded sine melodies, made in a millisecond, for tests and for trying the harness out.

It obeys the protocol in full. A melody is a random walk over a scale that belongs to the style; the sampling
temperature, top-k and top-p act on the walk's step probabilities as they would on a transformer's logits, so that a
sweep has something to find. It is named toy wherever it shows and is never a default.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.core.errors import UsageError
from harness.models.base import Clip, Conditioning, Sampling, SamplingProgress, check_seeds, scalar
from harness.prompts.prompt import Prompt

RATE = 16_000
NOTE_SECONDS = 0.125
NOTES = 24
MAX_SECONDS = 600.0


class ToyStyle(NamedTuple):
    """Frequency of the lowest note in Hz, semitones between notes, amplitudes of the partials."""

    lowest: float
    steps: tuple[int, ...]
    partials: tuple[float, ...]


STYLES = {
    "toy-bell": ToyStyle(440.0, (2, 3), (1.0, 0.0, 0.0, 0.4)),
    "toy-drone": ToyStyle(82.4, (1,), (1.0, 0.6, 0.4, 0.3)),
    "toy-flute": ToyStyle(523.3, (2, 2, 1), (1.0, 0.1)),
    "toy-organ": ToyStyle(130.8, (2, 2, 3), (1.0, 0.8, 0.5, 0.5)),
}


class ToyData(NamedTuple):
    """A prompt as the toy reads it."""

    style: str
    notes: int
    samples: int
    prefix: np.ndarray  # float32 (samples of the audio prompt,)


class ToyModel:
    """Seeded sine melodies."""

    name = "toy"
    rate = RATE
    width = 4

    @property
    def styles(self) -> Sequence[str]:
        """The names of the scales, sorted."""
        return sorted(STYLES)

    def fingerprint(self) -> dict[str, Any]:
        """All of the model that changes the sound; it has no weights."""
        return {"name": self.name, "engine_version": 1, "weights": None, "dtype": "float64", "width": self.width}

    def encode(self, prompt: Prompt, seconds: float) -> Conditioning:
        """Choose a style by name, or by a hash of the text. Raises `UsageError` as the protocol says."""
        if not 0 < seconds <= MAX_SECONDS:
            raise UsageError(
                f"the duration was {seconds} s: the toy model makes more than 0 and at most {MAX_SECONDS:g} s."
            )
        if prompt.codes is not None:
            raise UsageError("the toy model takes no codes: give it a style, a text or a sound file.")
        style, chosen_by = self._style(prompt)
        named = None if prompt.unconditional else style
        samples = round(seconds * RATE)
        prefix = np.zeros(0, np.float32)
        if prompt.audio is not None:
            prefix = prompt.excerpt(RATE)[0]
            if len(prefix) >= samples:
                raise UsageError(
                    f"the audio prompt takes {len(prefix) / RATE:g} of {seconds:g} s: "
                    "ask for more --seconds than --prompt-seconds."
                )
        notes = -(-(samples - len(prefix)) // round(NOTE_SECONDS * RATE))
        record = {"style": named, "chosen_by": chosen_by, "prompt_seconds": len(prefix) / RATE}
        return Conditioning(ToyData(style, notes, samples, prefix), seconds, record)

    def sample(
        self,
        conditionings: Sequence[Conditioning],
        seeds: Sequence[int],
        sampling: Sampling | None = None,
        progress: SamplingProgress | None = None,
        unfinished: Sequence[Path] | None = None,
    ) -> list[Clip]:
        """One melody per conditioning, each drawn from its own seed."""
        check_seeds(conditionings, seeds)
        sampling = (sampling or Sampling()).at(0, 1)
        if beyond := sorted(set(sampling.content()) - {"temperature", "top_k", "top_p"}):
            raise UsageError(f"the toy model has no {', '.join(beyond)}: only temperature, top_k and top_p.")
        clips = []
        for done, (conditioning, seed) in enumerate(zip(conditionings, seeds, strict=True), start=1):
            data: ToyData = conditioning.data
            codes = _walk(data.notes, np.random.default_rng(seed), sampling)
            audio = np.concatenate([data.prefix, _play(codes, STYLES[data.style])])[: data.samples]
            clips.append(Clip(audio.astype(np.float32), RATE, {0: codes}, conditioning.record))
            if progress is not None:
                progress(done, len(seeds), "")
        return clips

    def tokens(self, conditioning: Conditioning, sampling: Sampling) -> int:
        """Notes that are drawn for a clip."""
        return conditioning.data.notes

    def _style(self, prompt: Prompt) -> tuple[str, str]:
        """The style's name and how it was chosen. The toy reads no text: a text picks a style by its hash."""
        if prompt.style is not None:
            if prompt.style not in STYLES:
                from metrics.api.registry import unknown_name

                raise UsageError(unknown_name("style of the toy model", prompt.style, sorted(STYLES)))
            return prompt.style, "name"
        if prompt.unconditional:
            return sorted(STYLES)[-1], "nothing"
        text = (prompt.text or "").encode("utf-8", "surrogatepass")
        return sorted(STYLES)[hashlib.sha256(text).digest()[0] % len(STYLES)], "hash of the text"


def load() -> ToyModel:
    """The toy model; it has nothing to load."""
    return ToyModel()


def _walk(notes: int, generator: np.random.Generator, sampling: Sampling) -> np.ndarray:
    """int64 (notes,) in 0…NOTES−1: each note is near the last one, the nearer the colder."""
    steps = np.arange(NOTES)
    codes = np.empty(notes, np.int64)
    last = NOTES // 2
    for n in range(notes):
        logits = -((steps - last) ** 2) / 8.0 - np.abs(steps - NOTES / 2) / 6.0
        last = codes[n] = _draw(logits / scalar(sampling.temperature), generator.random(), sampling)
    return codes


def _draw(logits: np.ndarray, uniform: float, sampling: Sampling) -> int:
    order = np.argsort(-logits, kind="stable")
    weights = np.exp(logits[order] - logits[order[0]])
    top_k, top_p = int(scalar(sampling.top_k)), scalar(sampling.top_p)
    if top_k:
        weights[top_k:] = 0
    weights /= weights.sum()
    if top_p:
        weights[np.cumsum(weights) - weights >= top_p] = 0
        weights /= weights.sum()
    return int(order[min(np.searchsorted(np.cumsum(weights), uniform, side="right"), np.count_nonzero(weights) - 1)])


def _play(codes: np.ndarray, style: ToyStyle) -> np.ndarray:
    """float64 (notes × note length,): the notes as decaying sums of partials, peak below 0.5."""
    scale = np.concatenate([[0], np.cumsum([style.steps[n % len(style.steps)] for n in range(NOTES - 1)])])
    pitches = style.lowest * 2.0 ** (scale[codes] / 24.0)
    length = round(NOTE_SECONDS * RATE)
    time = np.arange(length) / RATE
    envelope = np.minimum(1.0, time / 0.01) * np.exp(-4.0 * time)
    orders = np.arange(1, len(style.partials) + 1)
    partials = np.asarray(style.partials)[:, None]
    waves = np.sin(2 * np.pi * pitches[:, None, None] * orders[:, None] * time)  # (notes, partials, length)
    return (0.5 * envelope * (partials * waves).sum(axis=1) / sum(style.partials)).reshape(-1)
