"""From an experiment to the clips it needs: each with its prompt, its seed and its identity, in a fixed order.

Clips are spread evenly over the prompts and are listed index by index, so that stopping early leaves the prompts
balanced. The same request under two conditions has the same seed, unless independent seeds are requested; only its
identity differs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any

from harness.core.errors import UsageError
from harness.core.foreign import foreign
from harness.core.identity import clip_identity, clip_seed, derived_seed, digest
from harness.models.base import Conditioning, Model
from harness.planning.experiment import Condition, Experiment
from harness.planning.settings import ExperimentSettings
from harness.prompts.prompt import Prompt


@dataclass(frozen=True)
class ClipRequest:
    """One clip that an experiment needs. `index` counts the clips of one prompt under one condition.

    `prompt` is the one that the condition makes of `listed`, the prompt of the experiment.
    """

    condition: Condition
    prompt: Prompt
    prompt_index: int
    index: int
    seed: int
    seconds: float
    identity: dict[str, Any]
    id: str
    listed: Prompt

    @property
    def unit(self) -> str:
        """The same for the clips of one prompt and index under every condition: what is compared in pairs."""
        return f"{self.prompt_index:02d}-{self.index:03d}"

    @property
    def asked(self) -> tuple[Prompt, float]:
        """What the model encodes: the prompt and the clip's length in seconds."""
        return self.prompt, self.seconds


@dataclass(frozen=True)
class Plan:
    """The clips of an experiment, condition by condition."""

    experiment: Experiment
    prompts: tuple[Prompt, ...]
    requests: tuple[ClipRequest, ...]

    def of(self, condition: Condition) -> list[ClipRequest]:
        return [request for request in self.requests if request.condition == condition]

    def encode(self, model: Model) -> dict[tuple[Prompt, float], Conditioning]:
        """All prompts and lengths of the plan, each encoded once by the model. Raises what `Model.encode` does."""
        with foreign(f"the model {model.name}"):
            return {asked: model.encode(*asked) for asked in dict.fromkeys(request.asked for request in self.requests)}

    def batches(self, wanted: Collection[str], width: int) -> Iterator[list[ClipRequest]]:
        """The requests whose id is in `wanted`, in order, at most `width` at once, never two conditions in one batch.

        A short batch is padded by the model: what a clip sounds like does not depend on its neighbours.
        """
        remaining = set(wanted)
        chosen = [request for request in self.requests if request.id in remaining]
        for _, group in groupby(chosen, key=lambda request: request.condition.name):
            requests = list(group)
            for start in range(0, len(requests), width):
                yield requests[start : start + width]


def make_plan(experiment: Experiment, model: Model, settings: ExperimentSettings) -> Plan:
    """Plan the clips of an experiment. Deterministic; nothing is sampled.

    Args:
        experiment: the conditions.
        model: the model that samples, for its fingerprint.
        settings: clips per condition, their seconds, the prompts, and the seed. Conditions share their seeds; with
            `independent_seeds` each has its own, and only the prompts are paired.

    Raises:
        UsageError: without prompts, for a prompt that is given twice, and for two conditions with the same clips.
    """
    prompts, clips = settings.prompts, settings.clips
    if not prompts:
        raise UsageError("there are no prompts: give at least one, for example --prompt 'a slow waltz'.")
    contents = [prompt.content() for prompt in prompts]
    repeated = [prompt.label() for n, prompt in enumerate(prompts) if contents[n] in contents[:n]]
    if repeated:
        raise UsageError(
            f"the prompt {repeated[0]!r} was given twice: give each prompt once and raise --clips instead."
        )
    with foreign(f"the model {model.name}"):
        fingerprint = model.fingerprint()

    @cache  # conditions share their seeds, and a seed is half the work of a request
    def seeds(own_seed: int) -> list[int]:
        return [clip_seed(own_seed, contents[n % len(prompts)], n // len(prompts)) for n in range(clips)]

    requests: list[ClipRequest] = []
    for condition in experiment.conditions:
        numbers = seeds(condition_seed(condition, settings.seed, settings.independent_seeds))
        asked = [condition.ask(prompt) for prompt in prompts]
        asked_contents = [prompt.content() for prompt in asked]
        length = condition.length(settings.seconds)
        for n, number in enumerate(numbers):
            index, which = divmod(n, len(prompts))
            identity = clip_identity(fingerprint, asked_contents[which], condition.sampling, number, index, length)
            requests.append(
                ClipRequest(
                    condition, asked[which], which, index, number, length, identity, digest(identity), prompts[which]
                )
            )
    check_different(requests)
    return Plan(experiment, prompts, tuple(requests))


def condition_seed(condition: Condition, seed: int, independent: bool) -> int:
    """The seed of an experiment as one of its conditions has it: the same for all, but for replicates and when each is
    to have its own."""
    if condition.replicate:
        seed = derived_seed(seed, {"replicate": condition.replicate})
    return derived_seed(seed, {"condition": condition.content()}) if independent else seed


def check_different(requests: Sequence[ClipRequest]) -> None:
    """Raise `UsageError` when two conditions ask for one and the same clip: there is nothing to compare in it."""
    seen: dict[str, ClipRequest] = {}
    for request in requests:
        if (other := seen.setdefault(request.id, request)) is not request:
            raise UsageError(
                f"the conditions {other.condition.name!r} and {request.condition.name!r} ask for the same clip of the "
                f"prompt {request.listed.label()!r}: it has nothing of what differs between them. Give prompts that "
                "have it, or leave one of the conditions out."
            )
