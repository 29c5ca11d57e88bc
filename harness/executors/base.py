"""The worker: holds a model, samples batches of clips, and stores them. Whoever runs it, it does the same.

A worker is sent to where it works before it has loaded anything, so it can be pickled; the model is loaded with the
first batch. It claims the clips of a batch first (a lock that ends with its process), so that of several runs of one
experiment on one store each samples other clips. It never touches MLflow, and it never raises for what a model does:
what went wrong comes back as data, and whoever drives it decides what is tried again.
"""

from __future__ import annotations

import copy
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from harness.errors import AudioError, ModelError
from harness.failures import Failure, failures_of, kind_of
from harness.host import host_facts
from harness.models.base import Clip, Conditioning, Model
from harness.plan import ClipRequest
from harness.prompts import Prompt
from harness.store import Store

Load = Callable[[], Model]
"""Gives the model; picklable where the worker goes to another process."""


@dataclass(frozen=True)
class Batch:
    """Requests of one condition, at most as many as the model's width."""

    number: int
    requests: tuple[ClipRequest, ...]


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


class Report(Protocol):
    """Told the batch's number, which part of it is done (0 to 1), and where the model is."""

    def __call__(self, batch: int, part: float, detail: str, /) -> None: ...


class Executor(Protocol):
    """Runs a worker over batches. A context manager: its processes end with the block."""

    def __enter__(self) -> Executor: ...

    def __exit__(self, *reason: object) -> None: ...

    def run(self, batches: Iterable[Batch], report: Report) -> Iterator[Result]:
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
            self._model = self.load()
        return self._model

    def sample(self, batch: Batch, report: Report) -> Result:
        """Sample and store what is wanted of `batch`."""
        store = Store(self.root)
        try:
            with store.claim([request.id for request in batch.requests], self.again) as claim:
                mine = [request for request in batch.requests if request.id in claim.mine]
                sampled, changed, failures = self._sample(mine, batch.number, store, report) if mine else ((), (), ())
                return Result(batch, tuple(sampled), claim.busy, tuple(failures), tuple(changed))
        except Exception as error:  # whatever a model does, the other batches are sampled
            left = [request for request in batch.requests if self.again or not store.has(request.id)]
            message = self._too_large(left) if kind_of(error) == "memory" else ""
            return Result(batch, failures=failures_of(left, error, message))

    def _sample(
        self, requests: Sequence[ClipRequest], number: int, store: Store, report: Report
    ) -> tuple[list[str], list[str], list[Failure]]:
        model = self.model

        def step(done: int, total: int, detail: str = "") -> None:
            report(number, done / max(total, 1), detail or f"step {done}/{total}")

        clips = model.sample(
            [self._conditioning(request) for request in requests],
            [request.seed for request in requests],
            requests[0].condition.sampling,
            step,
            [store.unfinished(request.id) for request in requests],
        )
        if len(clips) != len(requests):
            raise ModelError(
                f"{model.name} returned {len(clips)} clips for {len(requests)} requests: one for each was expected."
            )
        # What is sampled is stored, even when someone presses Ctrl-C now.
        with uninterrupted():
            return self._store(requests, clips, store)

    def _store(
        self, requests: Sequence[ClipRequest], clips: Sequence[Clip], store: Store
    ) -> tuple[list[str], list[str], list[Failure]]:
        """Ids stored, ids whose sound changed, and failures of clips that could not be stored; the others are."""
        facts = host_facts(self.model)
        sampled, changed, failures = [], [], []
        kept = store.put_all(
            [(request.identity, clip) for request, clip in zip(requests, clips, strict=True)], facts, self.again
        )
        for request, outcome in zip(requests, kept, strict=True):
            if isinstance(outcome, AudioError):
                refused = ModelError(
                    f"{self.model.name} made audio that cannot be kept for {request.condition.name}, prompt "
                    f"{request.prompt.label()!r}, seed {request.seed}: {outcome} Change the sampling, or report this "
                    "as a defect of the model."
                )
                refused.__cause__ = outcome
                failures += failures_of([request], refused)
            else:
                sampled.append(request.id)
                changed += [request.id] if outcome.changed else []
        return sampled, changed, failures

    def _conditioning(self, request: ClipRequest) -> Conditioning:
        if request.asked not in self.conditionings:
            self.conditionings[request.asked] = self.model.encode(request.prompt, request.seconds)
        return self.conditionings[request.asked]

    def _too_large(self, requests: Sequence[ClipRequest]) -> str:
        """What to say when memory is out: which width would do. It is said, not done: other widths are other clips."""
        tried = self.model.width
        try:
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
