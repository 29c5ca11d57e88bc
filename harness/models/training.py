"""Training a model part by part: what a family brings for it, and where its scores go.

A family offers this behind the door "train" of `harness.models.registry`: a function as `TrainDoor`. Where the scores
are shown is not the family's business: they go to the log that the caller opens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any, Protocol

from pydantic import Field

from harness.core.option import Option
from harness.core.settings import settings_class
from harness.models.base import SamplingProgress

LogStep = Callable[[Mapping[str, float], int], None]
"""Called with values by name and the step they belong to."""

TrainingLog = Callable[[str, Mapping[str, Any]], AbstractContextManager[LogStep]]
"""Opens the log of a part, given the part's name and its settings. A resumed part continues its log."""


@settings_class
class EvaluationSettings:
    """How a trained model is measured. Raises `UsageError` for values out of range."""

    clips_per_style: Annotated[int, Field(ge=3), Option("Clips of each style in every set.")] = 13
    seconds: Annotated[float, Field(ge=3), Option("Length of each clip.")] = 6.0
    likelihood: Annotated[
        bool, Option("Measure bits per code, which takes an hour of one core; else take the stored ones.")
    ] = True


class TrainingRecipe(Protocol):
    """How one model is trained, exported and evaluated."""

    def train(self, part: str, log: TrainingLog, steps: int | None = None, threads: int = 1) -> None:
        """Train one part from its last checkpoint on. Raises `HarnessError` where a part it needs is not trained."""
        ...

    def export(self) -> Path:
        """Write the best checkpoints of all parts into the model's folder, which is returned."""
        ...

    def evaluate(
        self, per_style: int, seconds: float, progress: SamplingProgress | None = None, *, encode: bool = True
    ) -> str:
        """Measure the exported model; a report in Markdown. Without `encode`, stored bits per code are taken."""
        ...


class TrainDoor(Protocol):
    """What a family of models brings to train one."""

    def __call__(self, folder: Path | None, corpus: str, results: Path, /) -> TrainingRecipe:
        """The recipe of the model in `folder`, by default the embedded one, on a built corpus."""
        ...
