"""From an experiment to the clips it needs: each with its prompt, its seed and its identity, in a fixed order.

Clips are spread evenly over the prompts and are listed index by index, so that stopping early leaves the prompts
balanced. The same request under two conditions has the same seed; only its identity differs.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from harness.errors import UsageError
from harness.experiment import Condition, Experiment
from harness.identity import clip_identity, clip_seed, digest
from harness.models.base import Model
from harness.prompts import Prompt


@dataclass(frozen=True)
class ClipRequest:
    """One clip that an experiment needs. `index` counts the clips of one prompt under one condition."""

    condition: Condition
    prompt: Prompt
    prompt_index: int
    index: int
    seed: int
    seconds: float
    identity: dict[str, Any]
    id: str

    @property
    def unit(self) -> str:
        """The same for the clips of one prompt and index under every condition: what is compared in pairs."""
        return f"{self.prompt_index:02d}-{self.index:03d}"


@dataclass(frozen=True)
class Plan:
    """The clips of an experiment, condition by condition."""

    experiment: Experiment
    prompts: tuple[Prompt, ...]
    requests: tuple[ClipRequest, ...]

    def of(self, condition: Condition) -> list[ClipRequest]:
        return [request for request in self.requests if request.condition == condition]

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
    experiment: Experiment, model: Model, prompts: Sequence[Prompt], clips: int, seconds: float, seed: int
) -> Plan:
    """Plan `clips` clips of `seconds` s per condition over `prompts`. Deterministic; nothing is sampled.

    Raises `UsageError` for no clips, a duration that is not positive, a negative seed, or prompts that are none or
    repeated.
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
    fingerprint = model.fingerprint()
    requests = []
    for condition in experiment.conditions:
        for n in range(clips):
            index, which = divmod(n, len(prompts))
            clip_seed_ = clip_seed(seed, contents[which], index)
            identity = clip_identity(fingerprint, contents[which], condition.sampling, clip_seed_, index, seconds)
            requests.append(
                ClipRequest(condition, prompts[which], which, index, clip_seed_, seconds, identity, digest(identity))
            )
    return Plan(experiment, tuple(prompts), tuple(requests))


def check_counts(clips: int, seconds: float, seed: int) -> None:
    """Raise `UsageError` for no clips, a duration that is not positive, or a seed that does not fit."""
    if clips < 1:
        raise UsageError(
            f"the number of clips per condition was {clips}: at least 1 was expected, for example --clips 16."
        )
    if not (math.isfinite(seconds) and seconds > 0):
        raise UsageError(
            f"the duration was {seconds} s: a positive number of seconds was expected, for example --seconds 6."
        )
    if not 0 <= seed < 2**63:
        raise UsageError(f"the seed was {seed}: a whole number from 0 to 2^63 − 1 was expected.")
