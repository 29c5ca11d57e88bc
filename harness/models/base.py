"""What the harness asks of a model: labels in, seeded clips out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from harness.errors import UsageError
from harness.prompts import Prompt

Progress = Callable[[int, int], None]
"""Called as `progress(done, total)` with the sampled and the wanted number of steps."""


@dataclass(frozen=True)
class Sampling:
    """How the next code is drawn. `top_k=0` and `top_p=0` switch the truncation off.

    Raises `UsageError` for a temperature that is not positive, a negative `top_k`, or `top_p` outside [0, 1).
    """

    temperature: float = 0.99
    top_k: int = 0
    top_p: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.temperature <= 100:
            raise UsageError(f"temperature is {self.temperature}; expected 0 < temperature <= 100, usually 0.7 to 1.1")
        if self.top_k < 0:
            raise UsageError(f"top_k is {self.top_k}; expected a number of codes, or 0 for no truncation")
        if not 0 <= self.top_p < 1:
            raise UsageError(f"top_p is {self.top_p}; expected 0 <= top_p < 1, 0 for no truncation")


@dataclass(frozen=True)
class Clip:
    """Sampled audio with the codes it was decoded from and a record of what made it."""

    audio: np.ndarray  # float32 (samples,)
    rate: int  # Hz
    codes: dict[int, np.ndarray] = field(default_factory=dict)  # by level
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return len(self.audio) / self.rate

    def save(self, path: str | Path) -> Path:
        """Write the audio (WAV, FLAC by suffix) whole or not at all; the path written is returned."""
        from metrics.audio import save

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
        """The styles that the model can be asked for; empty where it knows none."""
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
        progress: Progress | None = None,
    ) -> list[Clip]:
        """One clip per conditioning, each drawn from its own seed."""
        ...
