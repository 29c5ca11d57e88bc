"""The worker in N processes of this machine, each with a model of its own and, where there are GPUs, one of them.

Processes are spawned (a forked one cannot use CUDA) and talk through a pipe. The driver gives a batch to whoever is
idle and takes results as they come. A worker that dies, or reports nothing for `timeout` seconds and is killed, gives
its batch back as failures of the infrastructure; another is started in its place when there is work for it.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from harness.core.foreign import Stopped
from harness.core.process_pool import begin_worker
from harness.sampling.failures import failures_of
from harness.sampling.worker import Batch, Result, Worker, WorkerReport

GRACE_SECONDS = 10.0
"""What a worker has to store its sampled batch after a request to end."""

REPORT_SECONDS = 0.2
"""A worker reports no oftener: a model may take thousands of steps a second."""


class Processes:
    """`count` workers in processes of their own, started when there is a batch for them."""

    def __init__(self, worker: Worker, count: int, timeout: float | None = None) -> None:
        # Each loads its own model, which need not be one that can be pickled.
        self.worker = Worker(worker.load, worker.root, worker.again)
        self.timeout = timeout
        self.seats: list[_Process | None] = [None] * count
        self.gpus = visible_gpus()

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *reason: object) -> None:
        running = [process for process in self.seats if process is not None]
        for process in running:
            process.tell_to_end()
        for process in running:
            process.end()
        self.seats = [None] * len(self.seats)

    def run(self, batches: Iterable[Batch], report: WorkerReport) -> Iterator[Result]:
        queue = iter(batches)
        upcoming = next(queue, None)
        while True:
            for seat, process in enumerate(self.seats):
                if upcoming is not None and (process is None or process.batch is None):
                    process = self.seats[seat] = process or self._start(seat)
                    process.give(upcoming)
                    upcoming = next(queue, None)
            busy = [process for process in self.seats if process is not None and process.batch is not None]
            if not busy:
                return
            wait([process.connection for process in busy], timeout=1.0)
            for process in busy:
                result = process.heard(report, self.timeout)
                if not process.alive:
                    self.seats[self.seats.index(process)] = None
                if result is not None:
                    yield result

    def _start(self, seat: int) -> _Process:
        environment = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // len(self.seats)))}
        if "OMP_NUM_THREADS" in os.environ:  # the user's word goes first
            environment = {}
        if self.gpus:
            environment["CUDA_VISIBLE_DEVICES"] = self.gpus[seat % len(self.gpus)]
        return _Process(self.worker, environment)


class _Process:
    """One worker's process as its driver sees it. `batch` is what it is working on."""

    def __init__(self, worker: Worker, environment: dict[str, str]) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, worker), daemon=True)
        before = {name: os.environ.get(name) for name in environment}
        os.environ.update(environment)  # inherited at the start, before any library reads it
        try:
            self.process.start()
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
        theirs.close()
        self.batch: Batch | None = None
        self.alive, self.begun, self.last = True, False, time.monotonic()

    def give(self, batch: Batch) -> None:
        self.batch, self.last = batch, time.monotonic()
        with suppress(OSError):  # it has died: `heard` will find out
            self.connection.send(batch)

    def heard(self, report: WorkerReport, timeout: float | None) -> Result | None:
        """The result of its batch, if it has one now; a dead or silent worker's batch has failed."""
        batch = self.batch
        assert batch is not None
        try:
            while self.connection.poll():
                said = self.connection.recv()
                self.begun, self.last = True, time.monotonic()
                if isinstance(said, Result):
                    self.batch = None
                    return said
                if said is not None:
                    report(*said)
        except (EOFError, OSError, pickle.UnpicklingError):
            self.end(grace=1.0)
            return self._failed(f"the worker's process {self.process.pid} ended ({_why(self.process.exitcode)})")
        # Loading a model reports nothing and may take minutes: the clock runs from when it is there.
        if timeout is not None and self.begun and time.monotonic() - self.last > timeout:
            self.end(grace=0.0)
            return self._failed(f"the worker reported no step for {timeout:g} s (--timeout) and was killed")
        return None

    def _failed(self, reason: str) -> Result:
        assert self.batch is not None
        batch, self.batch, self.alive = self.batch, None, False
        return Result(batch, failures=failures_of(batch.requests, ConnectionError(reason)))

    def tell_to_end(self) -> None:
        self.process.terminate()

    def end(self, grace: float = GRACE_SECONDS) -> None:
        """Wait so long for it to end, then kill it."""
        self.process.join(grace)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.connection.close()


def _serve(connection: Connection, worker: Worker) -> None:
    """A worker's process: batches in, reports and results out, until the driver hangs up."""
    begin_worker()
    signal.signal(signal.SIGTERM, _leave)
    last = 0.0

    def report(batch: int, part: float, detail: str) -> None:
        nonlocal last
        if time.monotonic() - last > REPORT_SECONDS:
            last = time.monotonic()
            connection.send((batch, part, detail))

    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            batch = connection.recv()
            with suppress(Exception):  # the worker says why when it samples
                _ = worker.model
            connection.send(None)  # the model is there
            connection.send(worker.sample(batch, report))


def _leave(number: int, frame: Any) -> None:
    raise Stopped(128 + number)


def visible_gpus() -> list[str]:
    """The GPUs that a process may use, as CUDA_VISIBLE_DEVICES names them; none where torch is not in use or has no
    CUDA."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip()]
    torch = sys.modules.get("torch")
    return [str(n) for n in range(torch.cuda.device_count())] if torch else []


def _why(code: int | None) -> str:
    if code is None:
        return "still ending"
    if code < 0:
        name = signal.Signals(-code).name
        hint = ": the system kills so when memory is out" if -code == signal.SIGKILL else ""
        return f"killed by {name}{hint}"
    return f"exit code {code}"
