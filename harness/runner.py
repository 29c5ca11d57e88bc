"""The one loop: plan → sample what is missing → embed → score → project.

Nothing here knows a model, a metric or MLflow by name. Every batch is stored before the next is sampled, so that a
run that is stopped, or whose disk fills up, has lost at most one batch, and the same command goes on from there.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from harness.embedding import embed_clips
from harness.errors import AudioError, ModelError, UsageError
from harness.experiment import Experiment
from harness.identity import digest
from harness.models.base import Clip, Model
from harness.plan import ClipRequest, Plan, check_counts, make_plan
from harness.progress import Progress, Quiet
from harness.projection import project
from harness.prompts import Prompt
from harness.rates import measured_rate
from harness.results import ClipResult, ConditionResult, Outcome
from harness.scoring import Measures, check_primary, differences, measure, per_clip
from harness.store import Store
from harness.tracking import log_outcome
from metrics.score import EmbeddingSet

DEFAULT_RESULTS = "results"


@dataclass(frozen=True)
class RunSettings:
    """What every experiment has besides what it varies.

    `clips` are per condition and are spread evenly over the prompts; without prompts, one per style of the model is
    used. `reference` names a set of embeddings of real music, made with `embedder`. Conditions share their random
    numbers unless `independent_seeds`.
    """

    model: str = "jukebox:mini"
    clips: int = 16
    seconds: float = 6.0
    seed: int = 0
    prompts: tuple[Prompt, ...] = ()
    reference: str = "heldout"
    embedder: str = "musicnn"
    results: Path | None = None
    independent_seeds: bool = False

    def __post_init__(self) -> None:
        # Asked here too, so that a mistake is answered before weights are read.
        check_counts(self.clips, self.seconds, self.seed)

    @property
    def results_folder(self) -> Path:
        """`results`, or `$HARNESS_RESULTS`, or ./results."""
        return self.results or Path(os.environ.get("HARNESS_RESULTS") or DEFAULT_RESULTS)


def run(experiment: Experiment, settings: RunSettings | None = None, progress: Progress | None = None) -> Outcome:
    """Run `experiment`, log what it found to MLflow, and return it. Raises as `evaluate` does."""
    settings = settings or RunSettings()
    outcome = evaluate(experiment, settings, progress)
    log_outcome(outcome, settings.results_folder)
    return outcome


def evaluate(experiment: Experiment, settings: RunSettings | None = None, progress: Progress | None = None) -> Outcome:
    """Sample what is missing, measure and compare; what was found is left in the folder of results and returned.

    Raises `HarnessError` for whatever a person can put right; clips already stored are kept.
    """
    from harness.models.registry import load_model

    settings, progress = settings or RunSettings(), progress or Quiet()
    check_primary(experiment)
    measures = Measures.load(settings.embedder, settings.reference)
    model = load_model(settings.model)
    plan = plan_of(experiment, model, settings)
    results = settings.results_folder
    store = Store(results / "store")
    with measured_rate(plan, model, store):
        sampled = sample_missing(plan, model, store, progress)
    outcome = _score(plan, model, settings, measures, store, sampled, progress)
    project(outcome)
    return outcome


def plan_of(experiment: Experiment, model: Model, settings: RunSettings) -> Plan:
    """The clips that a run of `experiment` needs."""
    prompts = settings.prompts or _prompt_per_style(model)
    return make_plan(
        experiment, model, prompts, settings.clips, settings.seconds, settings.seed, settings.independent_seeds
    )


def sample_missing(plan: Plan, model: Model, store: Store, progress: Progress) -> int:
    """Sample the clips of `plan` that `store` does not have, and store each batch at once; how many were sampled."""
    store.sweep()
    missing = store.missing(request.id for request in plan.requests)
    if not missing:
        return 0
    # All prompts are read before the first clip is sampled: one that the model refuses is known at once.
    conditionings = plan.encode(model)
    facts = host_facts(model)
    done = 0
    with progress.stage(f"sampling ({model.name})", len(missing)) as stage:
        for batch in plan.batches(missing, model.width):
            name, start, size = batch[0].condition.name, done, len(batch)

            def report(
                step: int, steps: int, detail: str = "", name: str = name, start: int = start, size: int = size
            ) -> None:
                stage.advance(start + size * step / max(steps, 1), f"{name}, {detail or f'step {step}/{steps}'}")

            clips = model.sample(
                [conditionings[request.asked] for request in batch],
                [request.seed for request in batch],
                batch[0].condition.sampling,
                report,
                [store.unfinished(request.id) for request in batch],
            )
            _store_batch(store, batch, clips, facts, model)
            done += size
            stage.advance(done, name)
    return done


def _store_batch(
    store: Store, batch: Sequence[ClipRequest], clips: Sequence[Clip], facts: dict[str, Any], model: Model
) -> None:
    """Store every clip of a batch that can be stored, then complain about the first that could not."""
    if len(clips) != len(batch):
        raise ModelError(
            f"{model.name} returned {len(clips)} clips for {len(batch)} requests: one for each was expected."
        )
    refused: list[tuple[ClipRequest, AudioError]] = []
    for request, clip in zip(batch, clips, strict=True):
        try:
            store.put(request.identity, clip, facts)
        except AudioError as error:
            refused.append((request, error))
    if refused:
        request, error = refused[0]
        raise ModelError(
            f"{model.name} made audio that cannot be kept for {request.condition.name}, "
            f"prompt {request.prompt.label()!r}, seed {request.seed}: {error} The other clips are stored. Change the "
            "sampling, or report this as a defect of the model."
        ) from error


def _score(
    plan: Plan, model: Model, settings: RunSettings, measures: Measures, store: Store, sampled: int, progress: Progress
) -> Outcome:
    stored = [store.get(request.id) for request in plan.requests]
    cache = settings.results_folder / "embeddings"
    embedded = embed_clips(stored, measures.recipe, cache, progress)
    rows = list(zip(plan.requests, stored, embedded, strict=True))
    conditions: list[ConditionResult] = []
    sets: dict[str, EmbeddingSet] = {}
    with progress.stage("measuring", len(plan.experiment.conditions)) as stage:
        for done, condition in enumerate(plan.experiment.conditions, start=1):
            mine = [row for row in rows if row[0].condition == condition]
            sets[condition.name] = measures.embedding_set(mine)
            scores, unmeasured = measure(sets[condition.name], mine, measures)
            values = per_clip(sets[condition.name], mine, measures)
            clips = tuple(
                ClipResult(request, clip, frames.silent, values[request.unit]) for request, clip, frames in mine
            )
            conditions.append(ConditionResult(condition, scores, unmeasured, clips))
            stage.advance(done, condition.name)
    described = describe(plan, model, settings, measures)
    outcome_id = digest({**described, "clips": [request.id for request in plan.requests]})
    folder = settings.results_folder / "runs" / f"{plan.experiment.name}-{outcome_id[:12]}"
    return Outcome(
        outcome_id,
        plan.experiment,
        described["settings"],
        model.fingerprint(),
        tuple(conditions),
        differences(plan.experiment, sets, measures),
        measures.notes(min(request.seconds for request in plan.requests)),
        folder,
        sampled,
    )


def describe(plan: Plan, model: Model, settings: RunSettings, measures: Measures) -> dict[str, Any]:
    """What was asked, as data: settings by name and everything that decides the figures. No paths, no dates."""
    experiment = plan.experiment
    # What is as usual is left unsaid, so that a run keeps the id it had before there was a choice.
    chosen = {"family": experiment.family} if experiment.family != "all contrasts" else {}
    usual = {"stage": "declared", "independent_seeds": False}
    how = {"stage": experiment.stage, "independent_seeds": settings.independent_seeds}
    return {
        "experiment": {
            "name": experiment.name,
            "primary": experiment.primary,
            "contrast": experiment.contrast,
            **chosen,
        },
        "conditions": [condition.name for condition in experiment.conditions],
        "settings": {
            "model": model.name,
            "clips": settings.clips,
            "seconds": settings.seconds,
            "seed": settings.seed,
            "prompts": [prompt.content() for prompt in plan.prompts],
            **measures.described(),
            **{name: value for name, value in how.items() if value != usual[name]},
        },
    }


def _prompt_per_style(model: Model) -> tuple[Prompt, ...]:
    if not model.styles:
        raise UsageError(
            f"{model.name} has no styles to choose prompts from: say what to play, for example --prompt 'a slow waltz'."
        )
    return tuple(Prompt(style=style) for style in model.styles)


def host_facts(model: Model) -> dict[str, Any]:
    """Where a clip was made: not part of its identity, but of its record. Bytes are promised equal on one platform."""
    # A model that does not use torch need not wait for its import.
    torch = sys.modules.get("torch")
    return {
        "device": str(getattr(model, "device", "cpu")),
        "threads": torch.get_num_threads() if torch else 1,
        "torch": version("torch"),
        "numpy": version("numpy"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "harness": version("music-harness"),
    }
