"""What a listening study consists of once it is blinded: stimuli, trials, and an order of them for each listener.

Nothing here knows a condition, a model or a prompt: what is in a `StimulusSet` may be shown to anyone. Which is which
stands in the private key alone (`harness.listening.make.blinding`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.listening.kinds.catalogue import Kind


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
    """What is judged together: the ids of its stimuli in the order of their ids, which says nothing, and of what they
    are held against: the open reference, or the X of ABX. `task` is what a listener works on meanwhile, by language."""

    id: str
    stimuli: tuple[str, ...]
    reference: str | None = None
    task: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Presentation:
    """A trial as one listener meets it: its stimuli in the order of presentation (A, B, … or down the page)."""

    trial: str
    stimuli: tuple[str, ...]


@dataclass(frozen=True)
class ListenerList:
    """What one listener hears, `training` first. A trial that comes again is there twice."""

    listener: str
    training: tuple[Presentation, ...]
    trials: tuple[Presentation, ...]


@dataclass(frozen=True)
class StimulusSet:
    """A whole study. All stimuli share `rate` (Hz), `channels` and `seconds`."""

    name: str
    kind: Kind
    stimuli: Mapping[str, Stimulus]
    trials: Mapping[str, Trial]
    lists: tuple[ListenerList, ...]
    rate: int
    channels: int
    seconds: float
