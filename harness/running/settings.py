"""What a run is asked for besides the experiment: the same for every experiment."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from harness.models.base import Model
from harness.planning.plan import check_counts
from harness.prompts.prompt import Prompt
from harness.sampling.loop import Execution

DEFAULT_RESULTS = "results"


@dataclass(frozen=True)
class RunSettings:
    """What every experiment has besides what it varies.

    `clips` are per condition and are spread evenly over the prompts; without prompts, one per style of the model is
    used. `reference` names a set of embeddings of real music, made with `embedder`. `width` clips are sampled at a time
    (None: as the model says); it is part of a clip's identity. `execution` is how the work is done, which is not.
    Conditions share their random numbers unless `independent_seeds`. With `system_metrics`, what the machine does
    meanwhile is kept (needs psutil).
    """

    model: str = "jukebox:mini"
    clips: int = 16
    seconds: float = 6.0
    seed: int = 0
    prompts: tuple[Prompt, ...] = ()
    reference: str = "heldout"
    embedder: str = "musicnn"
    results: Path | None = None
    width: int | None = None
    execution: Execution = field(default_factory=Execution)
    independent_seeds: bool = False
    system_metrics: bool = False

    def __post_init__(self) -> None:
        # Asked here too, so that a mistake is answered before weights are read.
        check_counts(self.clips, self.seconds, self.seed)

    def loader(self) -> Callable[[], Model]:
        """What loads the model, here or in another process."""
        from harness.models.registry import load_model

        return partial(load_model, self.model, **({} if self.width is None else {"width": self.width}))

    @property
    def results_folder(self) -> Path:
        """`results`, or `$HARNESS_RESULTS`, or ./results."""
        return self.results or Path(os.environ.get("HARNESS_RESULTS") or DEFAULT_RESULTS)
