"""What is confirmed is the best against what it was declared to be compared with, on seeds that nobody has seen."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.core.errors import UsageError
from harness.core.identity import derived_seed
from harness.planning.experiment import Condition, Contrast, Experiment
from harness.running.confirmation import best, confirmation
from harness.running.settings import RunSettings
from harness.scoring.results import Outcome

CONDITIONS = tuple(Condition(name, replicate=n) for n, name in enumerate("abc"))


def outcome(values: list[float | None], direction: str = "lower", contrast: Contrast = "every pair") -> Outcome:
    """An outcome with nothing but scores."""
    experiment = Experiment("x", CONDITIONS[: len(values)], "luck", contrast=contrast)
    results = [
        SimpleNamespace(
            condition=condition,
            scores={} if value is None else {"fad16": SimpleNamespace(value=value, direction=direction)},
        )
        for condition, value in zip(experiment.conditions, values, strict=True)
    ]
    return cast(Any, SimpleNamespace(experiment=experiment, conditions=tuple(results)))


@pytest.mark.parametrize(
    ("values", "direction", "contrast", "chosen"),
    [
        ([3.0, 1.0, 2.0], "lower", "every pair", ("b", "c")),
        ([3.0, 1.0, 2.0], "higher", "every pair", ("a", "c")),
        ([3.0, 1.0, 2.0], "lower", "against the first", ("a", "b")),
        ([1.0, 3.0, 2.0], "lower", "against the first", ("a", "c")),
        ([2.0, 2.0, 2.0], "lower", "every pair", ("a", "b")),
    ],
)
def test_the_best_and_what_it_is_compared_with(values, direction, contrast, chosen):
    assert best(outcome(values, direction, contrast)) == chosen


@pytest.mark.parametrize(
    "wrong", [outcome([1.0]), outcome([1.0, None]), outcome([None, None]), outcome([1.0, 2.0], "none")]
)
def test_where_nothing_is_best_two_are_to_be_named(wrong):
    with pytest.raises(UsageError, match=r"name two to compare|has one condition"):
        best(wrong)


def test_seeds_are_fresh_and_the_same_each_time():
    experiment, settings = Experiment("x", CONDITIONS, "luck"), RunSettings(seed=5)
    chosen, fresh = confirmation(experiment, settings, ["a", "c"])
    assert [condition.name for condition in chosen.conditions] == ["a", "c"]
    assert chosen.stage == "confirmatory"
    assert fresh.seed == derived_seed(5, "confirmation") != 5
    assert confirmation(experiment, settings, ["a", "c"])[1] == fresh


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c"], ["a", "a"], ["a", "x"]])
def test_two_conditions_are_confirmed(names):
    with pytest.raises(UsageError):
        confirmation(Experiment("x", CONDITIONS, "luck"), RunSettings(), names)
