"""The settings of a run: those that an experiment may declare, and how the work is done on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import field
from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import Field

from harness.core.option import DEFAULT_RESULTS, RESULTS, Option
from harness.core.settings import settings_class
from harness.models.base import Model
from harness.planning.settings import HOW, ExperimentSettings
from harness.sampling.loop import DONE, Execution


@settings_class
class RunSettings(ExperimentSettings):
    """The settings of a run, besides its experiment.

    Attributes:
        results: folder for all results; without it `$HARNESS_RESULTS`, or ./results.
        width: clips sampled at a time, None for the model's own; it is part of a clip's identity.
        execution: how the sampling is executed, which changes no clip.
        system_metrics: record the machine's load while sampling (needs psutil).

    Raises:
        UsageError: for values out of range.

    >>> settings = RunSettings("toy", clips=8, embedders="toy", metrics=["kad", "coverage"])
    >>> settings.embedders, settings.metrics, settings.seconds
    (('toy',), ('kad', 'coverage'), 6.0)
    """

    results: Annotated[Path | None, Field(strict=False), RESULTS] = None
    width: Annotated[
        int | None,
        Field(ge=1),
        Option("Clips sampled at a time. Another width gives other clips.", panel=DONE),
    ] = None
    execution: Execution = field(default_factory=Execution)
    system_metrics: Annotated[
        bool,
        Option("Log what the machine does meanwhile; needs psutil.", panel=HOW),
    ] = False

    def loader(self) -> Callable[[], Model]:
        """What loads the model, here or in another process."""
        from harness.models.registry import load_model

        return partial(load_model, self.model, **({} if self.width is None else {"width": self.width}))

    @property
    def results_folder(self) -> Path:
        """`results`, or `$HARNESS_RESULTS`, or ./results."""
        return self.results or Path(os.environ.get("HARNESS_RESULTS") or DEFAULT_RESULTS)
