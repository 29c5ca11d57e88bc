"""A blinded listening study: stimuli, trials, and an order of them for each listener.

Nothing here knows a condition, a model or a prompt: a `StimulusSet` may be shown to anyone. Which stimulus is which is
in the private key alone (`harness.listening.make.blinding`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.listening.kinds.catalogue import StudyKind

StimulusRole = Literal["test", "training", "gold", "trap", "reference", "anchor", "probe", "control"]
"""What a stimulus is for, as the key gives it."""

StimulusContent = Literal["clip", "anchor", "noise", "silence", "trap", "gold"]
"""What a stimulus is made of: an excerpt as it is, or an excerpt or nothing changed into something else."""


@dataclass(frozen=True)
class Stimulus:
    """One sound file, at `audio/<id><suffix>` of the public folder. `sha256` is of the whole file."""

    id: str
    seconds: float
    sha256: str
    suffix: str = ".wav"

    @property
    def file(self) -> str:
        return f"audio/{self.id}{self.suffix}"


@dataclass(frozen=True)
class Trial:
    """What is judged together.

    Attributes:
        id: blind id of the trial.
        stimuli: their ids, sorted, so that the order reveals nothing.
        reference: id of the open reference, or of the X of ABX.
        task: what a listener works on meanwhile, by language.
    """

    id: str
    stimuli: tuple[str, ...]
    reference: str | None = None
    task: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Presentation:
    """A trial as one listener has it: its stimuli in the order of presentation (A, B, … or down the page)."""

    trial: str
    stimuli: tuple[str, ...]


@dataclass(frozen=True)
class ListenerList:
    """What one listener hears, `training` first. A repeated trial is listed twice."""

    listener: str
    training: tuple[Presentation, ...]
    trials: tuple[Presentation, ...]


@dataclass(frozen=True)
class StimulusSet:
    """A whole study. All stimuli share `rate` (Hz), `channels` and `seconds`."""

    name: str
    kind: StudyKind
    stimuli: Mapping[str, Stimulus]
    trials: Mapping[str, Trial]
    lists: tuple[ListenerList, ...]
    rate: int
    channels: int
    seconds: float
