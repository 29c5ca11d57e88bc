"""Declaring an experiment: what varies, what is measured first, and what is compared.

    @experiment(varies="temperature", primary="fad16")
    def temperature(temperature: Annotated[Sequence[float], "one condition each"] = (0.7, 0.99)) -> list[Condition]:
        '''How does the temperature change fidelity and diversity?'''
        return [Condition(f"temperature={t:g}", Sampling(temperature=t), value=t) for t in temperature]

The function's signature holds what it varies and nothing else: the command line makes its options from it. Model,
number of clips, seconds and seed are the runner's, and the same for every experiment. Unit, primary metric and
contrast are part of the declaration, so that they are fixed before the first sample; everything else that is reported
is exploratory.
"""

from __future__ import annotations

import inspect
import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.errors import UsageError
from harness.models.base import Sampling

Contrast = Literal["every pair", "against the first"]


@dataclass(frozen=True)
class Condition:
    """One way of sampling. `value` is where it stands on the experiment's axis, if what varies is a number."""

    name: str
    sampling: Sampling = field(default_factory=Sampling)
    value: float | None = None


@dataclass(frozen=True)
class Experiment:
    """Conditions to compare, with what is claimed fixed in advance.

    `unit` is what is resampled for the errors; `primary` the metric that decides; `contrast` the pairs that are tested.
    Raises `UsageError` without conditions, or when two of them are the same.
    """

    name: str
    conditions: tuple[Condition, ...]
    varies: str
    question: str = ""
    unit: str = "clip"
    primary: str = "fad16"
    contrast: Contrast = "every pair"

    def __post_init__(self) -> None:
        if not self.conditions:
            raise UsageError(
                f"experiment {self.name!r} has no conditions: at least one value of {self.varies} was expected."
            )
        for kind, values in (
            ("name", [condition.name for condition in self.conditions]),
            ("sampling", [condition.sampling for condition in self.conditions]),
        ):
            repeated = [value for value, times in Counter(values).items() if times > 1]
            if repeated:
                raise UsageError(
                    f"experiment {self.name!r} has the same {kind} twice: {repeated[0]}. "
                    f"Give each value of {self.varies} once."
                )

    def contrasts(self) -> list[tuple[Condition, Condition]]:
        """The pairs that are tested, the earlier condition first."""
        if self.contrast == "every pair":
            return list(itertools.combinations(self.conditions, 2))
        return [(self.conditions[0], other) for other in self.conditions[1:]]


@dataclass(frozen=True)
class Declaration:
    """An experiment as its file declares it: call it with values of what varies to get an `Experiment`."""

    function: Callable[..., Sequence[Condition]]
    varies: str
    unit: str
    primary: str
    contrast: Contrast

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def question(self) -> str:
        return inspect.cleandoc(self.function.__doc__ or "")

    @property
    def parameters(self) -> dict[str, inspect.Parameter]:
        """What can be varied, with resolved annotations and defaults."""
        return dict(inspect.signature(self.function, eval_str=True).parameters)

    def __call__(self, *args: Any, **kwargs: Any) -> Experiment:
        conditions = tuple(self.function(*args, **kwargs))
        return Experiment(self.name, conditions, self.varies, self.question, self.unit, self.primary, self.contrast)


def experiment(
    *, varies: str, primary: str = "fad16", unit: str = "clip", contrast: Contrast = "every pair"
) -> Callable[[Callable[..., Sequence[Condition]]], Declaration]:
    """Declare a function that lists conditions as an experiment."""

    def declare(function: Callable[..., Sequence[Condition]]) -> Declaration:
        return Declaration(function, varies, unit, primary, contrast)

    return declare
