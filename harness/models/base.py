"""The protocol of a model: labels in, seeded clips out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from harness.core.errors import UsageError
from harness.prompts.prompt import Prompt


class SamplingProgress(Protocol):
    """Called with how many steps are done, of how many, and perhaps where: "level 1, window 3/6"."""

    def __call__(self, done: int, total: int, detail: str = "", /) -> None: ...


PerLevel = float | tuple[float, ...]
"""One value, or one for each level of a hierarchical model, the finest level first."""


def scalar(value: PerLevel) -> float:
    """The one value. Raises `UsageError` for one per level: `Sampling.at` chooses."""
    if isinstance(value, tuple):
        raise UsageError(f"{value} is a value for each level: one level was expected (Sampling.at).")
    return value


@dataclass(frozen=True)
class Sampling:
    """How the next code is drawn, and in which windows.

    The first six values may differ by level (a tuple, the finest level first); None leaves the choice to the model.

    Attributes:
        temperature: divides the logits.
        top_k: number of codes to draw from, 0 for no truncation.
        top_p: probability mass to draw from, 0 for no truncation.
        hop_fraction: the fraction of a window that each window adds.
        window: length of a window, in codes.
        chunk: number of codes of context that a window processes at once.
        stop_level: the finest level that is sampled.
        upsampling: "exact", or "parallel:S" or "parallel:S:overlap" for lower levels that are cut into S slices sampled
            side by side, each beginning `overlap` windows early (default 0.25).

    Raises:
        UsageError: for values out of range.

    >>> Sampling(temperature=(0.99, 0.7), top_k=64).temperature
    (0.99, 0.7)
    """

    temperature: PerLevel = 0.99
    top_k: PerLevel = 0
    top_p: PerLevel = 0.0
    hop_fraction: PerLevel | None = None
    window: PerLevel | None = None
    chunk: PerLevel | None = None
    stop_level: int = 0
    upsampling: str = "exact"

    def __post_init__(self) -> None:
        for name, possible, expected in (
            ("temperature", lambda v: 0 < v <= 100, "0 < temperature <= 100, usually 0.7 to 1.1"),
            ("top_k", lambda v: v >= 0 and v == int(v), "a whole number of codes, or 0 for no truncation"),
            ("top_p", lambda v: 0 <= v < 1, "0 <= top_p < 1, 0 for no truncation"),
            ("hop_fraction", lambda v: 0 < v <= 1, "0 < hop_fraction <= 1, for example 0.5"),
            ("window", lambda v: v >= 1 and v == int(v), "a whole number of codes"),
            ("chunk", lambda v: v >= 1 and v == int(v), "a whole number of codes"),
            ("stop_level", lambda v: v >= 0, "a level, 0 for the finest"),
        ):
            value = getattr(self, name)
            for one in value if isinstance(value, tuple) else (value,):
                if one is not None and not possible(one):
                    raise UsageError(f"{name} is {one}; expected {expected}")
        self.slices()

    def at(self, level: int, levels: int) -> Sampling:
        """The values of one level of a model of `levels`, none of them a tuple any more."""
        chosen: dict[str, Any] = {}
        for name, value in vars(self).items():
            if isinstance(value, tuple):
                if len(value) != levels:
                    raise UsageError(
                        f"{name} has {len(value)} values ({', '.join(f'{v:g}' for v in value)}) and the model {levels} "
                        "levels: give one value, or one for each level, the finest first."
                    )
                chosen[name] = value[level]
        return replace(self, **chosen)

    def slices(self) -> tuple[int, float] | None:
        """Number and overlap (in windows) of the slices of parallel upsampling; None when it is exact."""
        if self.upsampling == "exact":
            return None
        kind, _, rest = self.upsampling.partition(":")
        count, _, overlap = rest.partition(":")
        try:
            number, early = int(count), float(overlap or 0.25)
        except ValueError:
            number, early = 0, 0.0
        if kind != "parallel" or number < 2 or not 0 <= early < 1:
            raise UsageError(
                f"upsampling is {self.upsampling!r}; expected 'exact', or 'parallel:S' with at least 2 slices, or "
                "'parallel:S:overlap' with an overlap of 0 to 1 windows, for example parallel:8:0.25"
            )
        return number, early

    def content(self) -> dict[str, Any]:
        """What a clip's identity holds of it: how codes are drawn, and whatever else was not left to the model."""
        always, left = ("temperature", "top_k", "top_p"), vars(_defaults())
        return {name: value for name, value in vars(self).items() if name in always or value != left[name]}


@lru_cache(maxsize=1)
def _defaults() -> Sampling:
    return Sampling()


@dataclass(frozen=True)
class Clip:
    """Sampled audio with the codes it was decoded from and a record of what made it."""

    audio: np.ndarray  # float32 (samples,)
    rate: int  # Hz
    codes: dict[int, np.ndarray] = field(default_factory=dict)  # by level
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Length of the audio."""
        return len(self.audio) / self.rate

    def save(self, path: str | Path) -> Path:
        """Write the audio (WAV, FLAC by suffix) whole or not at all; the path written is returned."""
        from metrics.io.audio import save

        save(path, self.audio, self.rate)
        return Path(path)


@dataclass(frozen=True)
class Conditioning:
    """A prompt as a model reads it. `data` is the model's own; `record` says in JSON what was understood."""

    data: Any
    seconds: float
    record: dict[str, Any]


def check_seeds(conditionings: Sequence[Conditioning], seeds: Sequence[int]) -> None:
    """Raise `UsageError` unless there is one seed per clip."""
    if len(conditionings) != len(seeds):
        raise UsageError(f"{len(conditionings)} conditionings and {len(seeds)} seeds: one seed per clip was expected.")


class Model(Protocol):
    """A generator of clips. Batches have the fixed `width`: a clip's bytes depend on it, not on its neighbours."""

    name: str
    rate: int
    width: int

    @property
    def styles(self) -> Sequence[str]:
        """The styles that can be requested of the model; empty where it knows none."""
        ...

    def fingerprint(self) -> dict[str, Any]:
        """Everything about the model that changes the sound: name, engine version, weights, dtype, width."""
        ...

    def encode(self, prompt: Prompt, seconds: float) -> Conditioning:
        """Read a prompt. Raises `UsageError` for an unknown style or a duration out of the model's range."""
        ...

    def sample(
        self,
        conditionings: Sequence[Conditioning],
        seeds: Sequence[int],
        sampling: Sampling | None = None,
        progress: SamplingProgress | None = None,
        unfinished: Sequence[Path] | None = None,
    ) -> list[Clip]:
        """One clip per conditioning, each drawn from its own seed.

        Args:
            conditionings: from `encode`.
            seeds: one for each.
            sampling: how codes are drawn; by default `Sampling()`.
            progress: called after every step.
            unfinished: a file for each clip, where a slow model stores what it has so far and finds it again after an
                interruption. The caller removes the files once the clips are safe. A quick model may ignore it.

        Returns:
            The clips in order.
        """
        ...


@runtime_checkable
class CountsTokens(Protocol):
    """A model that can say beforehand how much work a clip is."""

    def tokens(self, conditioning: Conditioning, sampling: Sampling) -> int:
        """Codes that are drawn for a clip, over all levels; those that its prompt holds already are not."""
        ...
