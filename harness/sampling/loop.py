"""Sampling what a plan needs and the store lacks, by whatever executor, until nothing is left that could be made.

Work goes in rounds. In each, the missing clips go to the executor in batches, and what it reports is looked at: what
the machine broke is tried again in the next round, what the model broke is given up (the same seed would break it
again), and what another run is sampling is waited for. Results are the same bytes however many workers there are.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from harness.core.errors import SamplingError, UsageError
from harness.core.option import Option
from harness.core.progress import Progress
from harness.core.settings import settings_class
from harness.models.base import Model
from harness.planning.plan import Plan
from harness.sampling.executors import make_executor, parse
from harness.sampling.failures import ENDS_THE_RUN, Failure, FailureFolder
from harness.sampling.worker import Batch, Executor, Result, Worker
from harness.store.clips import Store

Reuse = Literal["missing", "always-rerun", "only-cached"]
OnError = Literal["continue", "stop"]

DONE = "How the work is done"
"""The heading of these options in --help."""

POLL_SECONDS = 0.2
"""How soon to look again for clips that another run is sampling; doubled up to 5 s."""


def _known_executor(name: str) -> str:
    parse(name)
    return name


@settings_class
class Execution:
    """How the sampling is executed; no field changes a clip.

    Attributes:
        executor: `local`, `processes:N` or `ray`.
        reuse: sample what is `missing`, sample and embed all again (`always-rerun`; a clip that differs replaces the
            stored one), or sample nothing (`only-cached`; stored clips are embedded and measured).
        on_error: with `continue`, a clip that fails is left out, until more than `max_failures` have; `stop` ends the
            run at the first.
        max_failures: None for a tenth of the clips, at least two batches.
        retries: how often work that the machine broke is tried again.
        timeout: seconds without a step after which a worker counts as hung, None for never.
        address: of a Ray cluster.

    Raises:
        UsageError: for values out of range.

    >>> Execution("processes:2", reuse="only-cached").reuse
    'only-cached'
    """

    executor: Annotated[
        str, AfterValidator(_known_executor), Option("local, processes:N with a model in each, or ray.", panel=DONE)
    ] = "local"
    reuse: Annotated[
        Reuse, Option("Sample what is missing, all again (always-rerun) or nothing (only-cached).", panel=DONE)
    ] = "missing"
    on_error: Annotated[OnError, Option("When a clip fails: continue or stop.", panel=DONE)] = "continue"
    max_failures: Annotated[
        int | None,
        Field(ge=0),
        Option("More failed clips stop the run.", panel=DONE, default="a tenth, at least two batches"),
    ] = None
    retries: Annotated[int, Field(ge=0), Option("How often to retry after a fault of the machine.", panel=DONE)] = 2
    timeout: Annotated[
        float | None,
        Field(gt=0),
        Option("Seconds without a step after which a worker counts as hung.", panel=DONE),
    ] = None
    address: Annotated[str | None, Option("Address of a Ray cluster; without it, one on this machine.", panel=DONE)] = (
        None
    )

    def __post_init__(self) -> None:
        if self.address is not None and parse(self.executor)[0] in ("local", "processes"):
            raise UsageError(f"an address was given to the executor {self.executor!r}: expected --executor ray.")


@dataclass
class Sampled:
    """What sampling came to: clips stored by this run, failures, and how many clips came out otherwise than stored."""

    clips: int = 0
    failures: tuple[Failure, ...] = ()
    changed: int = 0

    def __add__(self, other: Sampled) -> Sampled:
        return Sampled(self.clips + other.clips, (*self.failures, *other.failures), self.changed + other.changed)


def sample_missing(
    plan: Plan,
    model: Model,
    store: Store,
    progress: Progress,
    execution: Execution | None = None,
    load: Callable[[], Model] | None = None,
) -> Sampled:
    """Sample the clips of `plan` that `store` does not have, each batch stored at once.

    `load` gives workers in other processes their model; without it they get `model`, which must then be picklable.
    Raises `UsageError` for prompts or values that the model refuses, `StoreError` for a disk that does, `ModelError`
    when memory is out, and `SamplingError` when more clips failed than may; whatever is stored is kept.
    """
    execution = execution or Execution()
    store.sweep()
    again = execution.reuse == "always-rerun"
    ids = [request.id for request in plan.requests]
    wanted = list(dict.fromkeys(ids)) if again else store.missing(ids)
    if not wanted or execution.reuse == "only-cached":
        return Sampled()
    # All prompts are read before the first clip is sampled: one that the model refuses is known at once.
    conditionings = plan.encode(model)
    here = execution.executor == "local"
    worker = Worker(load or _Given(model), store.root, again, conditionings, model if here else None)
    with (
        make_executor(execution.executor, worker, execution.timeout, execution.address) as executor,
        progress.stage(f"sampling ({model.name})", len(wanted)) as stage,
    ):
        loop = _Loop(plan, model.width, store, executor, execution, progress, stage, wanted)
        loop.run()
    store.sweep()  # workers of a killed run may have ended since
    return loop.sampled()


@dataclass(frozen=True)
class _Given:
    """A loader that returns an already loaded model."""

    model: Model

    def __call__(self) -> Model:
        return self.model


@dataclass
class _Loop:
    plan: Plan
    width: int
    store: Store
    executor: Executor
    execution: Execution
    progress: Progress
    stage: Any
    wanted: list[str]
    done: set[str] = field(default_factory=set)
    changed: int = 0
    lost: dict[str, Failure] = field(default_factory=dict)
    attempts: Counter[str] = field(default_factory=Counter)
    parts: dict[int, float] = field(default_factory=dict)  # clips' worth of the batches in work
    settled: int = 0
    batches: int = 0

    def run(self) -> None:
        self.failures = FailureFolder(self.store.root.with_name("failures"))
        left, pause = self.wanted, POLL_SECONDS
        while left:
            busy = 0
            for result in self.executor.run(self._batches(left), self._report):
                busy += len(result.busy)
                self._take(result)
            before, left = len(left), [clip for clip in left if self._is_open(clip)]
            if busy and busy == len(left):
                if pause == POLL_SECONDS:
                    self.progress.note(f"waiting for {busy} clips that another run is sampling")
                time.sleep(pause)
                pause = min(2 * pause, 5.0) if len(left) == before else POLL_SECONDS

    def sampled(self) -> Sampled:
        return Sampled(len(self.done), tuple(self.lost.values()), self.changed)

    def _batches(self, left: list[str]) -> Any:
        for requests in self.plan.batches(left, self.width):
            self.batches += 1
            yield Batch(self.batches, tuple(requests))

    def _is_open(self, clip: str) -> bool:
        if clip in self.done or clip in self.lost:
            return False
        return self.execution.reuse == "always-rerun" or not self.store.has(clip)

    def _report(self, batch: int, part: float, detail: str) -> None:
        self.parts[batch] = self.width * part
        self.stage.advance(min(self.settled + sum(self.parts.values()), len(self.wanted)), detail)

    def _take(self, result: Result) -> None:
        """Count what was sampled; give up, or leave for the next round, what failed."""
        self.parts.pop(result.batch.number, None)
        self.done.update(result.sampled)
        self.changed += len(result.changed)
        for clip in result.sampled:
            self.failures.forget(clip)
        for failure in result.failures:
            self._fail(failure)
        again = sum(failure.clip not in self.lost for failure in result.failures)
        self.settled += len(result.batch.requests) - len(result.busy) - again
        self.stage.advance(self.settled, result.batch.requests[0].condition.name)

    def _fail(self, failure: Failure) -> None:
        self.attempts[failure.clip] += 1
        failure = replace(failure, attempt=self.attempts[failure.clip])
        if failure.kind in ENDS_THE_RUN:
            raise failure.as_error()
        self.failures.write(failure)
        if failure.kind == "infrastructure" and failure.attempt <= self.execution.retries:
            self.progress.note(f"{failure.message}: clip {failure.clip[:12]} is tried again")
            return
        self.lost[failure.clip] = failure
        if self.execution.on_error == "stop":
            raise failure.as_error()
        allowed = self.execution.max_failures
        allowed = max(2 * self.width, len(self.wanted) // 10) if allowed is None else allowed
        if len(self.lost) > allowed:
            raise SamplingError(
                f"{len(self.lost)} clips failed, more than the {allowed} that may; the last: {failure.as_error()} "
                f"What went wrong is in {self.failures.root}. What is stored is kept: put it right and run the same "
                "command again, or allow more with --max-failures."
            )
