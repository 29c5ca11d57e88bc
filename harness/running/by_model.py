"""A run's clips by the model that samples them: one share for most runs, several where the model is what varies.

Every share is planned, and its prompts read by its model, before the first clip is sampled. Weights are most of a
run's memory, so there is one model at a time: where there are several, each is loaded once to plan and once to sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.core.errors import UsageError
from harness.models.base import Model
from harness.planning.experiment import Condition, Experiment
from harness.planning.plan import Plan, check_different, make_plan
from harness.prompts.prompt import Prompt
from harness.running.settings import RunSettings


@dataclass(frozen=True)
class Share:
    """What one model samples. `ready` is the model, where it need not be loaded again."""

    load: Callable[[], Model]
    plan: Plan
    fingerprint: dict[str, Any]
    ready: Model | None = None

    def model(self) -> Model:
        return self.ready or self.load()


def shares_of(experiment: Experiment, settings: RunSettings) -> list[Share]:
    """The shares of a run, in the order of its conditions. Raises `UsageError` for whatever a model refuses."""
    mine: dict[str, list[Condition]] = {}
    for condition in experiment.conditions:
        mine.setdefault(condition.model or settings.model, []).append(condition)
    if len(mine) > 1 and not settings.prompts:
        raise UsageError(
            f"{', '.join(mine)} are compared, which know different styles: say what all are to play, for example "
            "--prompt 'a slow waltz'."
        )
    shares = []
    for name, conditions in mine.items():
        load = replace(settings, model=name).loader()
        model = load()
        plan = plan_of(replace(experiment, conditions=tuple(conditions)), model, settings)
        if len(mine) > 1:
            plan.encode(model)
        shares.append(Share(load, plan, model.fingerprint(), model if len(mine) == 1 else None))
        del model  # before the next is loaded
    return shares


def plan_of(experiment: Experiment, model: Model, settings: RunSettings) -> Plan:
    """The clips that a run of `experiment` by one model needs."""
    return make_plan(experiment, model, replace(settings, prompts=settings.prompts or _prompt_per_style(model)))


def whole(experiment: Experiment, shares: Sequence[Share]) -> Plan:
    """All shares as one plan, in the order of the experiment's conditions. Raises `UsageError` for clips that two
    conditions share."""
    if len(shares) == 1:
        return shares[0].plan
    place = {condition.name: n for n, condition in enumerate(experiment.conditions)}
    requests = [request for share in shares for request in share.plan.requests]
    requests.sort(key=lambda request: place[request.condition.name])  # stable: clips stay in their order
    check_different(requests)
    return Plan(experiment, shares[0].plan.prompts, tuple(requests))


def fingerprint_of(shares: Sequence[Share]) -> dict[str, Any]:
    """The model's fingerprint; of several, all names and each condition's own."""
    if len(shares) == 1:
        return shares[0].fingerprint
    return {
        "name": ", ".join(share.fingerprint["name"] for share in shares),
        "conditions": {
            condition.name: share.fingerprint for share in shares for condition in share.plan.experiment.conditions
        },
    }


def _prompt_per_style(model: Model) -> tuple[Prompt, ...]:
    if not model.styles:
        raise UsageError(
            f"{model.name} has no styles to choose prompts from: say what to play, for example --prompt 'a slow waltz'."
        )
    return tuple(Prompt(style=style) for style in model.styles)
