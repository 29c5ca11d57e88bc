"""The plan of a run in numbers, before anything is sampled: conditions, clips, codes, time and disk space."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from harness.planning.claims import check_metrics, check_primary
from harness.planning.experiment import Condition, Experiment
from harness.planning.plan import ClipRequest, Plan
from harness.running.by_model import Share, shares_of, whole
from harness.running.settings import RunSettings
from harness.sampling.rates import Rate, known_rate, tokens
from harness.scoring.measures import Measures
from harness.scoring.score import check_measurable, check_prompts
from harness.store.clips import Store

SAMPLE_BYTES, TOKEN_BYTES, RECORD_BYTES = 2, 4, 8192
"""Upper bounds: FLAC takes less than 16 bits a sample, safetensors 32 bits a code, a record a few thousand bytes."""


@dataclass(frozen=True)
class ConditionPreview:
    """How many clips of a condition are stored and how many are not. `seconds` is the length of one."""

    condition: Condition
    seconds: float
    stored: int
    missing: int


@dataclass(frozen=True)
class Work:
    """The work of one model. `tokens` is None for a model that does not count its codes, `rate` where none was
    measured on this machine."""

    model: str
    tokens: int | None
    audio_seconds: float
    rate: Rate | None
    disk_bytes: int

    @property
    def seconds(self) -> float | None:
        """The time that it would take, None when it is unknown."""
        work = self.audio_seconds if self.tokens is None else self.tokens
        return None if self.rate is None else work / self.rate.per_second


@dataclass(frozen=True)
class Preview:
    """A plan in numbers. `works` is the work that is missing, by model."""

    plan: Plan
    conditions: tuple[ConditionPreview, ...]
    works: tuple[Work, ...]
    free_bytes: int

    @property
    def tokens(self) -> int | None:
        """None when a model does not count its codes."""
        counts = [work.tokens for work in self.works if work.tokens is not None]
        return sum(counts) if len(counts) == len(self.works) else None

    @property
    def audio_seconds(self) -> float:
        return sum(work.audio_seconds for work in self.works)

    @property
    def disk_bytes(self) -> int:
        return sum(work.disk_bytes for work in self.works)

    @property
    def seconds(self) -> float | None:
        """The time that sampling what is missing would take, None when it is unknown."""
        if self.missing == 0:
            return 0.0
        works = [work for work in self.works if work.audio_seconds]
        times = [work.seconds for work in works if work.seconds is not None]
        return sum(times) if len(times) == len(works) else None

    @property
    def missing(self) -> int:
        return sum(condition.missing for condition in self.conditions)

    @property
    def stored(self) -> int:
        return sum(condition.stored for condition in self.conditions)


def preview(experiment: Experiment, settings: RunSettings) -> Preview:
    """The plan of a run. Everything that a run checks before its first clip is checked, and raises the same errors;
    nothing is written."""
    check_primary(experiment.primary)
    check_metrics(settings.metrics)
    check_measurable(experiment.primary, settings.metrics, Measures.load(settings.embedders, settings.references))
    shares = shares_of(experiment, settings)
    plan = whole(experiment, shares)
    check_prompts(experiment.primary, [request.prompt for request in plan.requests], settings.model)
    missing = set(Store(settings.results_folder / "store").missing(request.id for request in plan.requests))
    return Preview(
        plan,
        tuple(_condition(condition, plan.of(condition), missing) for condition in experiment.conditions),
        tuple(_work(share, missing) for share in shares),
        shutil.disk_usage(_existing(settings.results_folder)).free,
    )


def _work(share: Share, missing: set[str]) -> Work:
    model = share.model()
    share.plan.encode(model)
    to_do = [request for request in share.plan.requests if request.id in missing]
    count, seconds = tokens(share.plan, model, to_do), sum(request.seconds for request in to_do)
    disk = round(seconds * model.rate * SAMPLE_BYTES) + (count or 0) * TOKEN_BYTES + len(to_do) * RECORD_BYTES
    return Work(model.name, count, seconds, known_rate(model), disk)


def _condition(condition: Condition, requests: list[ClipRequest], missing: set[str]) -> ConditionPreview:
    left = sum(request.id in missing for request in requests)
    return ConditionPreview(condition, requests[0].seconds, len(requests) - left, left)


def _existing(folder: Path) -> Path:
    """The nearest folder above that exists."""
    folder = folder.absolute()
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return folder
