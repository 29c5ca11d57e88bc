"""The worker as actors of a Ray cluster, each with a model of its own and, where the cluster has GPUs, one of them.

The folder of results must be on a file system that all nodes share: workers store what they sample themselves. An
actor that is lost with its node, or that gives no result within `timeout` seconds, gives its batch back as failures of
the infrastructure, and another actor takes its place wherever the cluster has room.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from harness.errors import UsageError
from harness.executors.base import Batch, Report, Result, Worker
from harness.failures import failures_of


class Ray:
    """As many actors as the cluster has GPUs, or else processors; started when there is a batch for them.

    `address` is that of a running cluster, "auto" for the one of this machine; None starts one here, or uses the one
    that this process is connected to. Raises `UsageError` where Ray is not installed.
    """

    def __init__(self, worker: Worker, address: str | None = None, timeout: float | None = None) -> None:
        try:
            import ray
        except ImportError:
            raise UsageError(
                "Ray is not installed: pip install 'music-harness[ray]', or use --executor processes:N."
            ) from None
        self.ray: Any = ray
        self.worker = Worker(worker.load, worker.root.resolve(), worker.again)
        self.address, self.timeout = address, timeout
        self.idle: list[Any] = []
        self.busy: dict[Any, tuple[Any, Batch, float]] = {}

    def __enter__(self) -> Ray:
        ray = self.ray
        self.own = not ray.is_initialized()
        if self.own:
            ray.init(address=self.address, logging_level="ERROR", log_to_driver=False, include_dashboard=False)
        return self

    def __exit__(self, *reason: object) -> None:
        for actor in [*self.idle, *(actor for actor, _, _ in self.busy.values())]:
            self.ray.kill(actor)
        self.idle, self.busy = [], {}
        if self.own:
            self.ray.shutdown()

    def run(self, batches: Iterable[Batch], report: Report) -> Iterator[Result]:
        queue = iter(batches)
        upcoming = next(queue, None)
        while upcoming is not None or self.busy:
            while upcoming is not None and (self.idle or len(self.busy) < self._places()):
                actor = self.idle.pop() if self.idle else self._start()
                self.busy[actor.sample.remote(upcoming)] = actor, upcoming, time.monotonic()
                upcoming = next(queue, None)
            ready, _ = self.ray.wait(list(self.busy), timeout=1.0)
            for reference in ready:
                actor, batch, _ = self.busy.pop(reference)
                try:
                    result = self.ray.get(reference)
                    self.idle.append(actor)
                except self.ray.exceptions.RayError as error:
                    result = _lost(batch, f"the worker was lost ({str(error).strip().splitlines()[0]})")
                yield result
            yield from self._hung()

    def _hung(self) -> Iterator[Result]:
        now = time.monotonic()
        for reference, (actor, batch, begun) in list(self.busy.items()):
            if self.timeout is not None and now - begun > self.timeout:
                del self.busy[reference]
                self.ray.kill(actor)
                yield _lost(batch, f"the worker gave no result for {self.timeout:g} s (--timeout) and was killed")

    def _places(self) -> int:
        """Actors that the cluster has room for now: nodes may come and go."""
        resources = self.ray.cluster_resources()
        return max(1, int(resources.get("GPU", 0) or resources.get("CPU", 1)))

    def _start(self) -> Any:
        gpus = 1 if self.ray.cluster_resources().get("GPU") else 0
        actor = self.ray.remote(num_cpus=1, num_gpus=gpus, max_restarts=0)(_Actor)
        return actor.remote(self.worker)


class _Actor:
    """A worker where Ray put it. Ray's actors report no steps: a batch is done, or it is not."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker

    def sample(self, batch: Batch) -> Result:
        return self.worker.sample(batch, lambda number, part, detail: None)


def _lost(batch: Batch, reason: str) -> Result:
    return Result(batch, failures=failures_of(batch.requests, ConnectionError(reason)))
