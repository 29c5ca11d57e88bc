"""The worker: holds a model, samples batches of clips, and stores them. Identical under every executor.

A worker is sent to where it works before it has loaded anything, so it can be pickled; the model is loaded with the
first batch. It claims the clips of a batch first (a lock that ends with its process), so that of several runs of one
experiment on one store each samples other clips. It never touches MLflow, and it never raises for what a model does:
what went wrong comes back as data, and the caller decides what is tried again.
"""

from __future__ import annotations

import copy
import signal
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from harness.core.errors import AudioError, ModelError
from harness.core.foreign import foreign
from harness.core.host import host_facts
from harness.models.base import Clip, Conditioning, Model
from harness.planning.plan import ClipRequest
from harness.prompts.prompt import Prompt
from harness.sampling.failures import Failure, failures_of, kind_of
from harness.store.clips import Store

Load = Callable[[], Model]
"""Gives the model; picklable where the worker goes to another process."""


@dataclass(frozen=True)
class Batch:
    """Requests of one condition, at most as many as the model's width."""

    number: int
    requests: tuple[ClipRequest, ...]

    @property
    def ids(self) -> list[str]:
        return [request.id for request in self.requests]

    def only(self, ids: Collection[str]) -> Batch:
        """The batch without the clips that are not among `ids`."""
        return replace(self, requests=tuple(request for request in self.requests if request.id in ids))


@dataclass(frozen=True)
class Result:
    """What became of a batch: ids of the clips sampled now, of those that another run has claimed, and failures.

    Clips of the batch that are in none of the three were stored by another run meanwhile. `changed` are the sampled
    clips whose stored sound was another (only when stored clips are sampled again).
    """

    batch: Batch
    sampled: tuple[str, ...] = ()
    busy: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    changed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Made:
    """A batch's clips, in the order of its requests, and the facts of where they were made."""

    clips: tuple[Clip, ...]
    host: dict[str, Any]


class WorkerReport(Protocol):
    """Told the batch's number, which part of it is done (0 to 1), and where the model is."""

    def __call__(self, batch: int, part: float, detail: str, /) -> None: ...


class Executor(Protocol):
    """Runs a worker over batches. A context manager: its processes end with the block."""

    def __enter__(self) -> Executor: ...

    def __exit__(self, *reason: object) -> None: ...

    def run(self, batches: Iterable[Batch], report: WorkerReport) -> Iterator[Result]:
        """One result for each batch, in any order. A worker that dies or hangs gives failures of its batch."""
        ...


@dataclass
class Worker:
    """Samples batches into the store at `root`; with `again`, clips that are stored already as well."""

    load: Load
    root: Path
    again: bool = False
    conditionings: dict[tuple[Prompt, float], Conditioning] = field(default_factory=dict)
    _model: Model | None = None

    @property
    def model(self) -> Model:
        """The model, loaded now if it is not."""
        if self._model is None:
            with foreign("what loads the model"):
                self._model = self.load()
        return self._model

    def sample(self, batch: Batch, report: WorkerReport) -> Result:
        """Sample and store what is wanted of `batch`."""
        store = Store(self.root)
        try:
            with store.claim(batch.ids, self.again) as claim:
                mine = batch.only(claim.mine)
                if not mine.requests:
                    return Result(batch, busy=claim.busy)
                clips = self.make(mine, report, [store.unfinished(clip) for clip in mine.ids])
                # What is sampled is stored, even when someone presses Ctrl-C now.
                with uninterrupted():
                    kept = keep(mine, Made(clips, host_facts(self.model)), store, self.again)
                return replace(kept, batch=batch, busy=claim.busy)
        except Exception as error:  # whatever a model does, the other batches are sampled
            return self.failed(batch, error, store)

    def make(self, batch: Batch, report: WorkerReport, unfinished: Sequence[Path] | None = None) -> tuple[Clip, ...]:
        """The clips of `batch`, stored nowhere. Raises whatever the model does."""
        model, requests = self.model, batch.requests

        def step(done: int, total: int, detail: str = "") -> None:
            report(batch.number, done / max(total, 1), detail or f"step {done}/{total}")

        with foreign(f"the model {model.name}"):
            clips = model.sample(
                [self._conditioning(request) for request in requests],
                [request.seed for request in requests],
                requests[0].condition.sampling,
                step,
                unfinished,
            )
        if len(clips) != len(requests):
            raise ModelError(
                f"{model.name} returned {len(clips)} clips for {len(requests)} requests: one for each was expected."
            )
        return tuple(clips)

    def failed(self, batch: Batch, error: Exception, store: Store | None = None) -> Result:
        """The result of a batch that ended with `error`: a failure of each clip that `store` does not have by now."""
        left = [request for request in batch.requests if store is None or self.again or not store.has(request.id)]
        message = self._too_large(left) if kind_of(error) == "memory" else ""
        return Result(batch, failures=failures_of(left, error, message))

    def _conditioning(self, request: ClipRequest) -> Conditioning:
        if request.asked not in self.conditionings:
            self.conditionings[request.asked] = self.model.encode(request.prompt, request.seconds)
        return self.conditionings[request.asked]

    def _too_large(self, requests: Sequence[ClipRequest]) -> str:
        """What to say when memory is out: which width would do. It is said, not done: other widths are other clips."""
        tried = self.model.width
        try:
            with foreign("the model"):
                fits = fitting_width(self.model, [self._conditioning(request) for request in requests], requests)
        except Exception:  # no memory for the question either
            fits = None
        said = f"out of memory with batches of {tried} clips"
        if fits is None:
            return f"{said}, and with one clip as well: ask for fewer --seconds, or use a machine with more memory."
        return (
            f"{said}; {fits} at a time fit (--width {fits}). The width is part of a clip's identity: clips that were "
            f"sampled {tried} at a time stay stored, and are other clips."
        )


def keep(batch: Batch, made: Made, store: Store, again: bool = False) -> Result:
    """Store what was made of `batch`; a clip that cannot be stored is a failure, the others are. Raises `StoreError`
    when the disk refuses."""
    sampled, changed, failures = [], [], []
    clips = [(request.identity, clip) for request, clip in zip(batch.requests, made.clips, strict=True)]
    for request, outcome in zip(batch.requests, store.put_all(clips, made.host, again), strict=True):
        if isinstance(outcome, AudioError):
            refused = ModelError(
                f"{request.identity['model']['name']} made audio that cannot be kept for {request.condition.name}, "
                f"prompt {request.prompt.label()!r}, seed {request.seed}: {outcome} Change the sampling, or report "
                "this as a defect of the model."
            )
            refused.__cause__ = outcome
            failures += failures_of([request], refused)
        else:
            sampled.append(request.id)
            changed += [request.id] if outcome.changed else []
    return Result(batch, tuple(sampled), failures=tuple(failures), changed=tuple(changed))


class _BegunError(Exception):
    """The first step was taken: what the batch needs is in memory."""


def fitting_width(model: Model, conditionings: Sequence[Conditioning], requests: Sequence[ClipRequest]) -> int | None:
    """The first of the halved widths whose first step fits into memory; None when not even one clip does."""

    def begun(done: int, total: int, detail: str = "") -> None:
        raise _BegunError

    probe = copy.copy(model)  # the weights are shared
    width = model.width // 2
    while width:
        probe.width = width
        seeds = [request.seed for request in requests[:width]]
        try:
            with foreign("the model"):
                probe.sample(conditionings[:width], seeds, requests[0].condition.sampling, begun)
            return width
        except _BegunError:
            return width
        except Exception as error:
            if kind_of(error) != "memory":
                return None
        width //= 2
    return None


@contextmanager
def uninterrupted() -> Iterator[None]:
    """SIGINT and SIGTERM wait until the block has ended. In another thread than the main one they never come anyway."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []

    def later(number: int, frame: Any) -> None:
        waiting.append(number)

    before = {number: signal.signal(number, later) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in waiting:
            signal.raise_signal(number)
