"""What a run would do, before it does anything: conditions, clips, codes, time and disk."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from harness.experiment import Condition, Experiment
from harness.plan import ClipRequest, Plan
from harness.rates import Rate, known_rate, tokens
from harness.runner import RunSettings, plan_of
from harness.scoring import Measures, check_primary
from harness.store import Store

SAMPLE_BYTES, TOKEN_BYTES, RECORD_BYTES = 2, 4, 8192
"""FLAC takes less than 16 bits a sample, safetensors 32 bits a code, and a record a few thousand bytes."""


@dataclass(frozen=True)
class ConditionPreview:
    """How many clips of a condition are stored and how many are not. `seconds` is the length of one."""

    condition: Condition
    seconds: float
    stored: int
    missing: int


@dataclass(frozen=True)
class Preview:
    """A plan in figures. `tokens` are None for a model that does not count its codes, `rate` where none was measured
    on this machine; `seconds` is the time that sampling what is missing would take, None when it is unknown."""

    plan: Plan
    model: str
    conditions: tuple[ConditionPreview, ...]
    tokens: int | None
    audio_seconds: float
    rate: Rate | None
    disk_bytes: int
    free_bytes: int

    @property
    def seconds(self) -> float | None:
        if self.missing == 0:
            return 0.0
        work = self.audio_seconds if self.tokens is None else self.tokens
        return None if self.rate is None else work / self.rate.per_second

    @property
    def missing(self) -> int:
        return sum(condition.missing for condition in self.conditions)

    @property
    def stored(self) -> int:
        return sum(condition.stored for condition in self.conditions)


def preview(experiment: Experiment, settings: RunSettings) -> Preview:
    """The plan of a run. Everything is read and checked that a run would check before its first clip, and raises as
    there; nothing is written."""

    check_primary(experiment)
    Measures.load(settings.embedder, settings.reference)
    model = settings.loader()()
    plan = plan_of(experiment, model, settings)
    store = Store(settings.results_folder / "store")
    missing = set(store.missing(request.id for request in plan.requests))
    plan.encode(model)
    to_do = [request for request in plan.requests if request.id in missing]
    count = tokens(plan, model, to_do)
    seconds = sum(request.seconds for request in to_do)
    disk = round(seconds * model.rate * SAMPLE_BYTES) + (count or 0) * TOKEN_BYTES + len(to_do) * RECORD_BYTES
    return Preview(
        plan,
        model.name,
        tuple(_condition(condition, plan.of(condition), missing) for condition in experiment.conditions),
        count,
        seconds,
        known_rate(model),
        disk,
        shutil.disk_usage(_existing(settings.results_folder)).free,
    )


def _condition(condition: Condition, requests: list[ClipRequest], missing: set[str]) -> ConditionPreview:
    left = sum(request.id in missing for request in requests)
    return ConditionPreview(condition, requests[0].seconds, len(requests) - left, left)


def _existing(folder: Path) -> Path:
    """The nearest folder above that is there."""
    folder = folder.absolute()
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return folder
