"""The worker as actors of a Ray cluster, each with a model of its own and, where the cluster has GPUs, one of them.

An actor whose node sees the folder of results stores what it samples itself, as every worker does. One that does not
see it (there is no shared file system) gets prompts that the driver has read, and its clips come back through Ray's
object store to the driver, which has claimed them and stores them: they are the same, only what is unfinished of a
clip is lost with its actor. Nodes need the harness installed, and nothing else of the driver's.

An actor that is lost with its node, or that reports no step for `timeout` seconds and is killed, gives its batch back
as failures of the infrastructure, and another actor takes its place wherever the cluster has room.
"""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from harness.core.errors import StoreError, UsageError
from harness.core.host import host_facts
from harness.models.base import Conditioning
from harness.prompts.prompt import Prompt
from harness.sampling.failures import failures_of
from harness.sampling.worker import Batch, Made, Result, Worker, WorkerReport, keep, uninterrupted
from harness.store.clips import Store, refusal
from metrics.io.files import temporary_mark

LISTEN_SECONDS = 1.0
"""How often actors are asked how far they are."""

REACHED_SECONDS = 10.0


@dataclass(eq=False)
class _Seat:
    """An actor as its driver sees it; `batch` is what it is working on, `mine` what of it the driver has claimed."""

    actor: Any
    ready: bool = False
    sees_store: bool = False
    batch: Batch | None = None
    mine: Batch | None = None
    busy: tuple[str, ...] = ()
    claimed: ExitStack = field(default_factory=ExitStack)
    steps: int = 0
    last: float = 0.0


class Ray:
    """As many actors as the cluster has GPUs, or else processors; started when there are batches for them.

    `address` is that of a running cluster, "auto" for the one of this machine. Without one, and without `RAY_ADDRESS`,
    a cluster of this machine alone is started, which listens on loopback; or the one is used that this process is
    connected to. Raises `UsageError` where Ray is not installed or no cluster answers.
    """

    def __init__(self, worker: Worker, address: str | None = None, timeout: float | None = None) -> None:
        self.address = address or os.environ.get("RAY_ADDRESS") or "local"
        self.ray: Any = _import_ray(self.address)
        # Each loads its own model, which need not be one that can be pickled.
        self.worker = Worker(worker.load, worker.root.resolve(), worker.again)
        self.conditionings = worker.conditionings
        self.store = Store(self.worker.root)
        self.timeout = timeout
        self.mark = self.store.root / ".partial" / temporary_mark()
        self.seats: list[_Seat] = []
        self.asked: dict[Any, _Seat] = {}
        self.listened = 0.0

    def __enter__(self) -> Ray:
        self.own = not self.ray.is_initialized()
        if self.own:
            try:
                _check_reached(self.address)
                self.ray.init(self.address, logging_level="ERROR", log_to_driver=False, include_dashboard=False)
            except (OSError, ValueError, RuntimeError) as error:
                raise UsageError(
                    f"no Ray cluster answers at {self.address!r} ({str(error).splitlines()[0]}): name one with "
                    "--address HOST:PORT, or leave it out to use this machine."
                ) from error
        try:
            self.mark.mkdir(parents=True)
        except OSError as error:
            self.__exit__()
            raise StoreError(refusal(self.store.root, error)) from error
        return self

    def __exit__(self, *reason: object) -> None:
        for seat in list(self.seats):
            self._drop(seat)
        if self.own:
            self.ray.shutdown()
        with suppress(OSError, StoreError):  # a failing disk has been reported
            self.mark.rmdir()
            self.store.sweep()  # actors are killed where they stand

    def run(self, batches: Iterable[Batch], report: WorkerReport) -> Iterator[Result]:
        queue, upcoming = iter(batches), deque[Batch]()
        while True:
            places = self._places()
            upcoming.extend(islice(queue, max(0, places - len(upcoming))))
            if not upcoming and all(seat.batch is None for seat in self.seats):
                return
            for seat in [seat for seat in self.seats if seat.ready and seat.batch is None]:
                if upcoming:
                    yield from self._give(seat, upcoming.popleft())
            starting = sum(not seat.ready for seat in self.seats)
            for _ in range(min(places - len(self.seats), len(upcoming) - starting)):
                self._start()
            answered, _ = self.ray.wait(list(self.asked), timeout=LISTEN_SECONDS) if self.asked else ([], [])
            for reference in answered:
                yield from self._heard(reference, upcoming)
            self._listen(report)
            yield from self._hung()

    def _places(self) -> int:
        """Actors that the cluster has room for now: nodes may come and go."""
        resources = self.ray.cluster_resources()
        return max(1, int(resources.get("GPU", 0) or resources.get("CPU", 1)))

    def _start(self) -> None:
        gpus = 1 if self.ray.cluster_resources().get("GPU") else 0
        # Two calls at once: one samples, the other says how far it is.
        made = self.ray.remote(num_cpus=1, num_gpus=gpus, max_restarts=0, max_concurrency=2)(_Actor)
        seat = _Seat(made.remote(self.worker))
        self.seats.append(seat)
        self.asked[seat.actor.start.remote(self.mark)] = seat

    def _drop(self, seat: _Seat) -> None:
        self.seats.remove(seat)
        self.asked = {reference: other for reference, other in self.asked.items() if other is not seat}
        with suppress(self.ray.exceptions.RayError):  # it may be gone already
            self.ray.kill(seat.actor)
        seat.claimed.close()

    def _give(self, seat: _Seat, batch: Batch) -> Iterator[Result]:
        """Have `batch` sampled; a result now is one of a batch in which there is nothing to do, or that cannot be."""
        seat.last, seat.steps = time.monotonic(), 0
        if seat.sees_store:
            seat.batch = batch
            self.asked[seat.actor.sample.remote(batch)] = seat
            return
        try:
            claim = seat.claimed.enter_context(self.store.claim(batch.ids, self.worker.again))
        except StoreError as error:
            yield Result(batch, failures=failures_of(batch.requests, error))
            return
        mine = batch.only(claim.mine)
        if not mine.requests:
            seat.claimed.close()
            yield Result(batch, busy=claim.busy)
            return
        seat.batch, seat.mine, seat.busy = batch, mine, claim.busy
        read = {request.asked: self.conditionings[request.asked] for request in mine.requests}
        self.asked[seat.actor.make.remote(mine, list(read.items()))] = seat

    def _heard(self, reference: Any, upcoming: deque[Batch]) -> Iterator[Result]:
        """An actor's event: it has started, its batch is done, or it is lost."""
        seat = self.asked.pop(reference)
        try:
            said = self.ray.get(reference)
        except self.ray.exceptions.RayError as error:
            self._drop(seat)
            if seat.batch is None and upcoming:  # one that cannot start costs a try too: there must be an end to it
                seat.batch = upcoming.popleft()
            if seat.batch is not None:
                why = str(error).strip().splitlines()[-1].partition(". ")[0]  # what came before says where
                yield _lost(seat.batch, f"the worker was lost ({why})")
            return
        batch, seat.batch = seat.batch, None
        if batch is None:
            seat.ready, seat.sees_store = True, said
        elif isinstance(said, Made):
            yield self._kept(seat, batch, said)
        else:
            seat.claimed.close()
            yield replace(said, batch=batch)

    def _kept(self, seat: _Seat, batch: Batch, made: Made) -> Result:
        """Store what came back of a batch, and let go of its clips."""
        assert seat.mine is not None
        with seat.claimed:
            try:
                with uninterrupted():
                    result = keep(seat.mine, made, self.store, self.worker.again)
            except StoreError as error:
                result = Result(batch, failures=failures_of(seat.mine.requests, error))
        return replace(result, batch=batch, busy=seat.busy)

    def _listen(self, report: WorkerReport) -> None:
        """Pass on how far the actors are."""
        if time.monotonic() - self.listened < LISTEN_SECONDS:
            return
        asked = {seat.actor.step.remote(): seat for seat in self.seats if seat.batch is not None}
        answered = self.ray.wait(list(asked), num_returns=len(asked), timeout=LISTEN_SECONDS)[0] if asked else []
        self.listened = time.monotonic()
        for reference in answered:
            seat = asked[reference]
            with suppress(self.ray.exceptions.RayError):  # it is lost, which its batch will say
                steps, part, detail = self.ray.get(reference)
                if steps != seat.steps and seat.batch is not None:
                    seat.steps, seat.last = steps, self.listened
                    report(seat.batch.number, part, detail)

    def _hung(self) -> Iterator[Result]:
        for seat in list(self.seats):
            silent = self.timeout is not None and time.monotonic() - seat.last > self.timeout
            if silent and seat.batch is not None:
                self._drop(seat)
                yield _lost(
                    seat.batch, f"the worker reported no step for {self.timeout:g} s (--timeout) and was killed"
                )


class _Actor:
    """A worker where Ray put it."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.steps, self.part, self.detail = 0, 0.0, ""

    def start(self, mark: Path) -> bool:
        """Load the model, and say whether this node sees the driver's store: `mark` is a folder in it."""
        with suppress(Exception):  # the worker says why when it samples
            _ = self.worker.model
        return mark.is_dir()

    def sample(self, batch: Batch) -> Result:
        return self.worker.sample(batch, self._report)

    def make(self, batch: Batch, read: list[tuple[tuple[Prompt, float], Conditioning]]) -> Made | Result:
        """The clips themselves, of prompts that were read elsewhere."""
        self.worker.conditionings = dict(read)
        try:
            return Made(self.worker.make(batch, self._report), host_facts(self.worker.model))
        except Exception as error:
            return self.worker.failed(batch, error)

    def step(self) -> tuple[int, float, str]:
        """How many steps it has reported, and the last report."""
        return self.steps, self.part, self.detail

    def _report(self, batch: int, part: float, detail: str) -> None:
        self.steps, self.part, self.detail = self.steps + 1, part, detail


def _import_ray(address: str) -> Any:
    # Ray reads both when it is imported. The second, in spite of its name, is what keeps a cluster on loopback.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address == "local":
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    try:
        import ray
    except ImportError:
        raise UsageError(
            "Ray is not installed: pip install 'music-harness[ray]', or use --executor processes:N."
        ) from None
    return ray


def _check_reached(address: str) -> None:
    """Raise an `OSError` when nobody listens at HOST:PORT: Ray itself would try for minutes."""
    if address == "auto":  # a cluster that was killed leaves its address behind
        folder = Path(os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp", "ray")
        with suppress(OSError):
            address = (folder / "ray_current_cluster").read_text().strip()
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), REACHED_SECONDS).close()


def _lost(batch: Batch, reason: str) -> Result:
    return Result(batch, failures=failures_of(batch.requests, ConnectionError(reason)))
