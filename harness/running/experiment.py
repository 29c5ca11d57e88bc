"""The one loop: plan → sample what is missing → embed → score → project.

Nothing here knows a model, a metric or MLflow by name. Every batch is stored before the next is sampled, so that a
run that is stopped, or whose disk fills up, has lost at most one batch, and the same command resumes from there. How
the sampling is done, by how many workers and what happens to failures, is `harness.sampling.loop`'s.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.core.errors import HarnessError, SamplingError, UsageError
from harness.core.identity import digest
from harness.core.progress import Progress, Quiet
from harness.core.settings import counted
from harness.planning.claims import check_metrics, check_primary
from harness.planning.experiment import Condition, Experiment
from harness.planning.plan import ClipRequest, Plan
from harness.reporting.mlflow import log_or_postpone
from harness.reporting.projection import planned, project
from harness.reporting.system import watched
from harness.running.by_model import fingerprint_of, shares_of, whole
from harness.running.settings import RunSettings
from harness.sampling.loop import Sampled, sample_missing
from harness.sampling.rates import measured_rate
from harness.scoring.cache import user_cache
from harness.scoring.clips import ClipSet, clip_set, prompt_labels
from harness.scoring.differences import Family, compare
from harness.scoring.measures import Measures
from harness.scoring.results import ClipResult, ConditionResult, Outcome, understood_note
from harness.scoring.score import ConditionScores, check_measurable, check_prompts, choose, default_metrics, score
from harness.store.clips import Store, StoredClip, explained
from metrics.io.files import abandoned


def run(experiment: Experiment, settings: RunSettings | None = None, progress: Progress | None = None) -> Outcome:
    """Run an experiment and log its outcome to MLflow.

    Where MLflow cannot be written, a warning is issued; `harness sync` logs the run later.

    Args:
        experiment: the conditions to compare, and what is claimed of them.
        settings: model, prompts, clips, metrics and execution; the defaults of `RunSettings` without it.
        progress: receives the progress of each stage; silent by default.

    Returns:
        The scores of each condition, their differences, and the run's folder.

    Raises:
        UsageError: for settings that do not fit the experiment, before anything is sampled.
        HarnessError: for other errors that the user can correct; clips already stored remain in the store.

    >>> from tempfile import TemporaryDirectory
    >>> pair = (Condition("usual"), Condition("other seeds", replicate=1))
    >>> with TemporaryDirectory() as folder:
    ...     settings = RunSettings("toy", clips=4, seconds=2, embedders="toy", metrics=["vendi"], results=Path(folder))
    ...     outcome = run(Experiment("seeds", pair, varies="seeds", primary="vendi"), settings)
    >>> [condition.condition.name for condition in outcome.conditions]
    ['usual', 'other seeds']
    """
    settings = settings or RunSettings()
    outcome = evaluate(experiment, settings, progress)
    _, problem = log_or_postpone(outcome, settings.results_folder)
    if problem:
        warnings.warn(f"not synced: run `harness sync`. {problem}", stacklevel=2)
    return outcome


def evaluate(experiment: Experiment, settings: RunSettings | None = None, progress: Progress | None = None) -> Outcome:
    """Sample the missing clips, measure and compare, and write the run's folder; `run` without MLflow.

    Args:
        experiment: the conditions to compare, and what is claimed of them.
        settings: model, prompts, clips, metrics and execution; the defaults of `RunSettings` without it.
        progress: receives the progress of each stage; silent by default.

    Returns:
        The scores of each condition, their differences, and the run's folder.

    Raises:
        HarnessError: for errors that the user can correct; clips already stored remain in the store.
    """
    settings, progress = settings or RunSettings(), progress or Quiet()
    check_primary(experiment.primary)
    check_metrics(settings.metrics)
    measures = replace(Measures.load(settings.embedders, settings.references, progress=progress), model=settings.model)
    check_measurable(experiment.primary, settings.metrics, measures)
    shares = shares_of(experiment, settings)
    asked = _Asked(whole(experiment, shares), fingerprint_of(shares), settings, measures)
    check_prompts(experiment.primary, [request.prompt for request in asked.plan.requests], settings.model)
    store = Store(settings.results_folder / "store")
    _sweep(settings.results_folder)
    with planned(asked.folder, asked.plan.requests, store):
        with watched(settings.system_metrics) as looks:
            sampled = Sampled()
            for share in shares:
                model = share.model()
                with measured_rate(share.plan, model, store):
                    sampled += sample_missing(share.plan, model, store, progress, settings.execution, share.load)
                del model  # before the next is loaded
            outcome = _score(asked, store, sampled, progress)
        project(outcome, looks)
    return outcome


@dataclass(frozen=True)
class _Asked:
    """A requested run: its plan, model, settings and measures."""

    plan: Plan
    fingerprint: dict[str, Any]
    settings: RunSettings
    measures: Measures

    @cached_property
    def described(self) -> dict[str, Any]:
        return describe(self.plan, self.fingerprint["name"], self.settings, self.measures)

    def digest(self, requests: Sequence[ClipRequest]) -> str:
        """The identity of the request, with these clips."""
        return digest({**self.described, "clips": [request.id for request in requests]})

    @property
    def folder(self) -> Path:
        name = f"{self.plan.experiment.name}-{self.digest(self.plan.requests)[:12]}"
        return self.settings.results_folder / "runs" / name


def _sweep(results: Path) -> None:
    """Remove partial files of killed runs, outside the store."""
    with explained(results):
        for pattern in ("planned/.*.part", "runs/*/.*.part", "runs/*/clips/*/.*.part"):
            for left in abandoned(results.glob(pattern)):
                left.unlink(missing_ok=True)
    user_cache().sweep()


def _score(asked: _Asked, store: Store, sampled: Sampled, progress: Progress) -> Outcome:
    plan, settings, measures = asked.plan, asked.settings, asked.measures
    requests = [request for request in plan.requests if store.has(request.id)]
    if not requests:
        raise _nothing(settings, sampled)
    stored = {request.id: store.get(request.id) for request in requests}
    rows: dict[str, list[ClipRequest]] = {condition.name: [] for condition in plan.experiment.conditions}
    for request in requests:
        rows[request.condition.name].append(request)
    sets = _clip_sets(plan, rows, stored)
    names = choose(metrics_of(plan.experiment, settings, sets), measures)
    cache = user_cache()
    scored = [score(one, names, measures, cache, progress) for one in sets]
    if cache.note:
        progress.note(cache.note)
    compared = compare(scored, Family.of_experiment(plan.experiment), progress)
    by_name = {condition.name: condition for condition in plan.experiment.conditions}
    return Outcome(
        asked.digest(requests),
        plan.experiment,
        asked.described["settings"],
        asked.fingerprint,
        tuple(_result(by_name[one.name], one, rows[one.name], stored) for one in scored),
        compared.differences,
        (
            *measures.notes([request.seconds for request in requests]),
            *_lacking(plan, rows),
            *(note for one in scored for note in _unread(one)),
            *understood_note([clip for one in sets for clip in one.clips]),
            *compared.notes,
        ),
        asked.folder,
        sampled.clips,
        sampled.failures,
        sampled.changed,
    )


def _unread(one: ConditionScores) -> list[str]:
    """How many clips of a condition could not be measured, and why the first could not."""
    reasons = list(one.material.unread().values())
    return [f"{one.name}: {len(reasons)} of {one.n_clips} clips cannot be measured: {reasons[0]}"] if reasons else []


def metrics_of(experiment: Experiment, settings: RunSettings, sets: Sequence[ClipSet]) -> tuple[str, ...]:
    """The names of what a run measures: the primary metric first, then those chosen, or the default set."""
    return tuple(dict.fromkeys((experiment.primary, *(settings.metrics or default_metrics(sets)))))


def _clip_sets(
    plan: Plan, rows: Mapping[str, Sequence[ClipRequest]], stored: Mapping[str, StoredClip]
) -> list[ClipSet]:
    """The conditions of which clips are stored, as sets."""
    labels = prompt_labels(plan.prompts)
    found = (
        (request.unit, stored[request.id].record["conditioning"].get("style"))
        for mine in rows.values()
        for request in mine
    )
    understood = {unit: style for unit, style in found if style}
    return [
        clip_set(name, mine, [stored[request.id] for request in mine], labels, understood)
        for name, mine in rows.items()
        if mine
    ]


def _result(
    condition: Condition, scored: ConditionScores, requests: Sequence[ClipRequest], stored: Mapping[str, StoredClip]
) -> ConditionResult:
    silent = scored.material.silent()
    clips = tuple(
        ClipResult(request, stored[request.id], clip, clip.unit in silent, scored.values[clip.unit])
        for request, clip in zip(requests, scored.clips.clips, strict=True)
    )
    return ConditionResult(condition, scored.scores, scored.unmeasured, clips, scored.order, scored)


def _lacking(plan: Plan, rows: Mapping[str, Sequence[ClipRequest]]) -> list[str]:
    """One note for each condition with missing clips, whose scores use the other clips only."""
    wanted = Counter(request.condition.name for request in plan.requests)
    return [
        f"{name}: {number - len(rows[name])} of {number} clips are missing"
        + ("" if rows[name] else ", so it is left out")
        for name, number in wanted.items()
        if len(rows[name]) < number
    ]


def _nothing(settings: RunSettings, sampled: Sampled) -> HarnessError:
    if settings.execution.reuse == "only-cached":
        return UsageError(
            f"none of the clips is stored in {settings.results_folder}: run without --reuse only-cached to sample them."
        )
    return SamplingError(f"no clip could be made; the last failure: {sampled.failures[-1].as_error()}")


def describe(plan: Plan, model: str, settings: RunSettings, measures: Measures) -> dict[str, Any]:
    """The request as data: settings by name and everything that changes the scores. No paths, no dates."""
    experiment = plan.experiment
    stage = {"stage": experiment.stage} if experiment.stage != "declared" else {}
    return {
        "experiment": {"name": experiment.name, **counted(experiment.claims)},
        "conditions": [condition.name for condition in experiment.conditions],
        "settings": {
            "model": model,
            **counted(settings),
            "prompts": [prompt.content() for prompt in plan.prompts],
            **measures.described(),
            **stage,
        },
    }
