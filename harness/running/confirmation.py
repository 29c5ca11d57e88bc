"""Testing again what was found: the contrast of two conditions on fresh seeds.

A winner that was picked by its score is partly a winner by luck. Sampled again under other seeds, and tested in one
contrast that was named before them, it is confirmed or it is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.core.errors import UsageError
from harness.core.identity import derived_seed
from harness.planning.experiment import Experiment
from harness.running.settings import RunSettings
from harness.scoring.results import Outcome

BEST = "best"


def confirmation(experiment: Experiment, settings: RunSettings, names: Sequence[str]) -> tuple[Experiment, RunSettings]:
    """What to run to confirm the contrast of the two named conditions: the experiment and its settings."""
    if len(names) != 2:
        raise UsageError(
            f"{len(names)} conditions were named to confirm: two were expected, --confirm A --confirm B, or one word, "
            f"--confirm {BEST}, for the two to choose between by the primary metric."
        )
    return experiment.confirming(*names), replace(settings, seed=derived_seed(settings.seed, "confirmation"))


def best(outcome: Outcome) -> tuple[str, str]:
    """The two conditions to confirm: the best in the primary metric, and what it was declared to be compared with (the
    first condition, or else the runner-up), in the order of the experiment.

    Raises `UsageError` when the metric has no better and worse, or no value in some condition.
    """
    experiment, primary = outcome.experiment, outcome.experiment.primary
    if len(outcome.conditions) < 2:
        raise UsageError(f"{experiment.name} has one condition: two were expected to choose between.")
    scores = {result.condition.name: result.scores.get(primary) for result in outcome.conditions}
    values = {name: score.value for name, score in scores.items() if score is not None}
    directions = {score.direction for score in scores.values() if score is not None}
    if len(values) < len(scores) or directions not in ({"lower"}, {"higher"}):
        raise UsageError(
            f"{primary} does not say which condition is best: name two to compare, --confirm A --confirm B."
        )
    ranked = sorted(values, key=lambda name: values[name], reverse=directions == {"higher"})
    first = experiment.conditions[0].name
    other = first if experiment.contrast == "against the first" and ranked[0] != first else ranked[1]
    order = list(scores)
    chosen = sorted((ranked[0], other), key=order.index)
    return chosen[0], chosen[1]
