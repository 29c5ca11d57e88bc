"""Declaring an experiment: what varies, what is measured first, and what is compared.

    @experiment(varies="temperature", primary="fad16")
    def temperature(temperature: Annotated[Sequence[float], "one condition each"] = (0.7, 0.99)) -> list[Condition]:
        '''How does the temperature change fidelity and diversity?'''
        return [Condition(f"temperature={t:g}", Sampling(temperature=t), value=t) for t in temperature]

The function's signature holds what it varies and nothing else: the command line makes its options from it. Model,
number of clips, seconds and seed are the runner's, and the same for every experiment. Unit, primary metric, contrast
and family are part of the declaration, so that they are fixed before the first sample; everything else that is reported
is exploratory.

A condition may change the sampling, words and lengths of the prompts, the clips' length, the random numbers, and the
model: all of these are in a clip's identity.
"""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from harness.core.errors import UsageError
from harness.core.identity import canonical_json
from harness.models.base import Sampling
from harness.planning.claims import Claims, Contrast, Family, Unit
from harness.planning.listening import Listening
from harness.planning.settings import declared_settings
from harness.prompts.prompt import WORDS, Prompt

Stage = Literal["declared", "confirmatory"]

PROMPT_LENGTHS = ("prompt_seconds", "total_seconds", "offset_seconds")
CHANGEABLE = (*WORDS, *PROMPT_LENGTHS)
"""Fields of a prompt that a condition may replace. It can only remove their sound files and codes."""


@dataclass(frozen=True)
class Condition:
    """One way of sampling.

    Attributes:
        name: unique within the experiment.
        sampling: how codes are drawn.
        value: position on the experiment's axis, where the varied quantity is a number.
        prompt: fields that replace those of every prompt, None to remove one; a prompt without any field left is
            unconditional.
        seconds: length of a clip, by default the run's.
        more_seconds: added to that length, in seconds.
        replicate: values other than 0 draw other random numbers.
        model: name of the model that samples, by default the run's.

    Raises:
        UsageError: for values that are out of range or do not fit together.

    >>> Condition("cold", Sampling(temperature=0.7), value=0.7).sampling.temperature
    0.7
    """

    name: str
    sampling: Sampling = field(default_factory=Sampling)
    value: float | None = None
    prompt: Mapping[str, Any] = field(default_factory=dict, hash=False)
    seconds: float | None = None
    more_seconds: float = 0.0
    replicate: int = 0
    model: str | None = None

    def __post_init__(self) -> None:
        for name, value in self.prompt.items():
            if name not in CHANGEABLE and not (name in ("audio", "codes") and value is None):
                from metrics.api.registry import unknown_name

                raise UsageError(f"condition {self.name!r}: {unknown_name('field of a prompt', name, [*CHANGEABLE])}")
        if self.prompt.get("prompt_seconds", 1.0) is None:
            raise UsageError(f"condition {self.name!r} takes prompt_seconds away: take away audio instead.")
        if any(value is not None for value in self.prompt.values()):  # the values are the prompt's own to judge
            Prompt(**{"unconditional": not any(self.prompt.get(word) for word in WORDS), **self.prompt})
        if self.seconds is not None and not (math.isfinite(self.seconds) and self.seconds > 0):
            raise UsageError(f"seconds is {self.seconds}; expected a positive number of seconds")
        if not math.isfinite(self.more_seconds):
            raise UsageError(f"more_seconds is {self.more_seconds}; expected a number of seconds")
        if self.replicate < 0:
            raise UsageError(f"replicate is {self.replicate}; expected a whole number from 0 on")

    def ask(self, prompt: Prompt) -> Prompt:
        """The prompt with this condition's changes. Raises `UsageError` when the result is no valid prompt."""
        if not self.prompt:
            return prompt
        if "prompt_seconds" in self.prompt and prompt.audio is None:
            raise UsageError(
                f"condition {self.name!r} sets the length of a sound to continue, and the prompt {prompt.label()!r} "
                "has none: name a sound file with --audio."
            )
        fields = {name: getattr(prompt, name) for name in Prompt.model_fields} | dict(self.prompt)
        words = any(fields[name] is not None for name in WORDS)
        fields["unconditional"] = not (words or fields["audio"] or fields["codes"])
        return Prompt(**fields)

    def length(self, seconds: float) -> float:
        """Length of its clips, in seconds, in a run whose clips are `seconds` long."""
        return (seconds if self.seconds is None else self.seconds) + self.more_seconds

    def content(self) -> dict[str, Any]:
        """What it changes, without its name, as JSON data."""
        lengths = {"seconds": self.seconds, "more_seconds": self.more_seconds or None}
        others = {"prompt": dict(self.prompt) or None, **lengths, "replicate": self.replicate or None}
        others["model"] = self.model
        return {
            "sampling": self.sampling.content(),
            **{name: value for name, value in others.items() if value is not None},
        }


@dataclass(frozen=True)
class StudyFile:
    """The file that declares an experiment: its name and its content, as they are left with a run."""

    name: str
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class Experiment:
    """Conditions to compare, with what is claimed fixed in advance.

    Attributes:
        name: names the run's folder.
        conditions: at least one, each different from the others.
        varies: what differs between them, in a few words.
        question: what the experiment answers.
        unit, primary, contrast, family, margin: its `Claims`.
        stage: "confirmatory" when a pair that was chosen by its results is tested again on fresh seeds.
        source: SHA-256 of the file that declares it, empty for installed experiments.
        study: that file.

    Raises:
        UsageError: without conditions, for two equal conditions, and for invalid claims.

    >>> pair = (Condition("cold", Sampling(0.7)), Condition("usual"))
    >>> Experiment("cold", pair, varies="temperature").primary
    'fad16'
    """

    name: str
    conditions: tuple[Condition, ...]
    varies: str
    question: str = ""
    unit: Unit = "clip"
    primary: str = "fad16"
    contrast: Contrast = "every pair"
    family: Family = "all contrasts"
    stage: Stage = "declared"
    source: str = ""
    margin: float | None = None
    study: StudyFile | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            _ = self.claims
        except UsageError as error:
            raise UsageError(f"experiment {self.name!r}: {error}") from None
        if not self.conditions:
            raise UsageError(
                f"experiment {self.name!r} has no conditions: at least one value of {self.varies} was expected."
            )
        for kind, values in (
            ("name", [condition.name for condition in self.conditions]),
            ("sampling", [canonical_json(condition.content()) for condition in self.conditions]),
        ):
            seen: dict[str, Condition] = {}
            for value, condition in zip(values, self.conditions, strict=True):
                if value in seen:
                    which = condition.name if kind == "name" else f"{seen[value].name}, {condition.name}"
                    raise UsageError(
                        f"experiment {self.name!r} has the same {kind} twice: {which}. "
                        f"Give each value of {self.varies} once."
                    )
                seen[value] = condition

    @property
    def claims(self) -> Claims:
        """What is claimed of its conditions."""
        return Claims(self.unit, self.primary, self.contrast, self.family, self.margin)

    def contrasts(self) -> list[tuple[Condition, Condition]]:
        """The pairs that are tested, the earlier condition first."""
        if self.contrast == "every pair":
            return list(itertools.combinations(self.conditions, 2))
        return [(self.conditions[0], other) for other in self.conditions[1:]]

    def confirming(self, first: str, second: str) -> Experiment:
        """The contrast of two of its conditions, to be tested again on fresh seeds."""
        by_name = {condition.name: condition for condition in self.conditions}
        for name in (first, second):
            if name not in by_name:
                from metrics.api.registry import unknown_name

                raise UsageError(unknown_name(f"condition of {self.name}", name, list(by_name)))
        if first == second:
            raise UsageError(f"{first!r} was named twice: two conditions to compare were expected.")
        return replace(self, conditions=(by_name[first], by_name[second]), stage="confirmatory")


def check_choice(what: str, value: object, choices: Sequence[str]) -> None:
    """Raise `UsageError` for a value that is none of the choices."""
    if not isinstance(value, str) or value not in choices:
        expected = " or ".join(repr(choice) for choice in choices)
        raise UsageError(f"{what} is {value!r}; expected {expected}")


@dataclass(frozen=True)
class Declaration:
    """An experiment as its file declares it: call it with values of what varies to get an `Experiment`.

    `settings` are fields of `ExperimentSettings` that the file sets, by name, and its prompts, which may be the name of
    a prompt set; the command line goes before them. `listening` is how listeners judge its clips, where that is
    declared; `study` the file. Raises `UsageError` for settings that do not exist or are out of range.
    """

    function: Callable[..., Sequence[Condition]]
    varies: str
    claims: Claims = field(default_factory=Claims)
    source: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    listening: Listening | None = None
    study: StudyFile | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", declared_settings(self.settings))

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def question(self) -> str:
        return inspect.cleandoc(self.function.__doc__ or "")

    @property
    def headline(self) -> str:
        """The first paragraph of the question, in one line."""
        return " ".join(self.question.split("\n\n")[0].split())

    def prompts(self) -> tuple[Prompt, ...]:
        """Its own prompts; without any, those of the model's styles are taken."""
        listed = self.settings.get("prompts", ())
        if not isinstance(listed, str):
            return tuple(listed)
        from harness.prompts.sets import load_prompt_set

        return load_prompt_set(listed).prompts()

    @property
    def parameters(self) -> dict[str, inspect.Parameter]:
        """What can be varied, with resolved annotations and defaults."""
        return dict(inspect.signature(self.function, eval_str=True).parameters)

    def __call__(self, *args: Any, **kwargs: Any) -> Experiment:
        conditions = tuple(self.function(*args, **kwargs))
        return Experiment(
            self.name, conditions, self.varies, self.question, source=self.source, study=self.study, **vars(self.claims)
        )  # fmt: skip


def experiment(
    *,
    varies: str,
    metrics: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    listening: Listening | None = None,
    **claims: Any,
) -> Callable[[Callable[..., Sequence[Condition]]], Declaration]:
    """Declare a function that lists conditions as an experiment.

    Args:
        varies: what varies, in a few words.
        metrics: what is measured, by name ('harness metrics' lists them); without any, the usual ones.
        settings: further fields of `ExperimentSettings`, by name; prompts may be the name of a prompt set.
        listening: how listeners judge its clips.
        claims: fields of `Claims`: primary="fad16", contrast="every pair", family="all contrasts", unit="clip",
            margin=None.

    Raises:
        UsageError: for a claim or a setting that does not exist or has a value that it cannot have.

    >>> @experiment(varies="temperature", primary="kad", metrics=["kad", "coverage"])
    ... def cold() -> list[Condition]:
    ...     "Is a colder model nearer to music?"
    ...     return [Condition("cold", Sampling(0.7)), Condition("usual")]
    >>> [condition.name for condition in cold().conditions]
    ['cold', 'usual']
    """
    own = {**(settings or {}), **({"metrics": metrics} if metrics else {})}
    claimed = Claims(**claims)

    def declare(function: Callable[..., Sequence[Condition]]) -> Declaration:
        return Declaration(function, varies, claimed, settings=own, listening=listening)

    return declare
