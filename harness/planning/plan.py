"""From an experiment to the clips it needs: each with its prompt, its seed and its identity, in a fixed order.

Clips are spread evenly over the prompts and are listed index by index, so that stopping early leaves the prompts
balanced. The same request under two conditions has the same seed, unless independent seeds are asked for; only its
identity differs.
"""

from __future__ import annotations

import math
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
from harness.planning.settings import MOST_CLIPS
from harness.prompts.prompt import Prompt


@dataclass(frozen=True)
class ClipRequest:
    """One clip that an experiment needs. `index` counts the clips of one prompt under one condition.

    `prompt` is what the model is asked for, `listed` the prompt of the experiment that it comes from.
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
        """What the model is asked to encode: the prompt and the clip's length in seconds."""
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
        """Everything that the model is asked for, read by it once. Raises what `Model.encode` does."""
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


def make_plan(
    experiment: Experiment,
    model: Model,
    prompts: Sequence[Prompt],
    clips: int,
    seconds: float,
    seed: int,
    independent_seeds: bool = False,
) -> Plan:
    """Plan `clips` clips of `seconds` s per condition over `prompts`. Deterministic; nothing is sampled.

    Conditions share their seeds; with `independent_seeds` each has its own, and what is paired is the prompts alone.
    Raises `UsageError` for no clips, a duration that is not positive, a negative seed, prompts that are none or
    repeated, or two conditions that come to the same clips.
    """
    check_counts(clips, seconds, seed)
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
        numbers = seeds(condition_seed(condition, seed, independent_seeds))
        asked = [condition.ask(prompt) for prompt in prompts]
        asked_contents = [prompt.content() for prompt in asked]
        length = condition.length(seconds)
        for n, number in enumerate(numbers):
            index, which = divmod(n, len(prompts))
            identity = clip_identity(fingerprint, asked_contents[which], condition.sampling, number, index, length)
            requests.append(
                ClipRequest(
                    condition, asked[which], which, index, number, length, identity, digest(identity), prompts[which]
                )
            )
    check_different(requests)
    return Plan(experiment, tuple(prompts), tuple(requests))


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


def check_counts(clips: int, seconds: float, seed: int) -> None:
    """Raise `UsageError` for no clips, a duration that is not positive, or a seed that does not fit."""
    if clips < 1:
        raise UsageError(
            f"the number of clips per condition was {clips}: at least 1 was expected, for example --clips 16."
        )
    if clips > MOST_CLIPS:
        raise UsageError(f"the number of clips per condition was {clips:.3g}: at most {MOST_CLIPS:,} was expected.")
    if not (math.isfinite(seconds) and seconds > 0):
        raise UsageError(
            f"the duration was {seconds} s: a positive number of seconds was expected, for example --seconds 6."
        )
    if not 0 <= seed < 2**63:
        raise UsageError(f"the seed was {seed}: a whole number from 0 to 2^63 − 1 was expected.")
