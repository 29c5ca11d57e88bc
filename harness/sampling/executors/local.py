"""The worker in this very process: nothing to start, nothing to lose."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from harness.sampling.worker import Batch, Result, Worker, WorkerReport


class Local:
    """One batch after another.

    With a `timeout` in seconds, a model that reports no step for so long is interrupted by an alarm and its batch
    fails. That reaches Python code in the main thread; a library that hangs in its own code takes `processes:1`.
    """

    def __init__(self, worker: Worker, timeout: float | None = None) -> None:
        self.worker, self.timeout = worker, timeout

    def __enter__(self) -> Local:
        return self

    def __exit__(self, *reason: object) -> None:
        pass

    def run(self, batches: Iterable[Batch], report: WorkerReport) -> Iterator[Result]:
        for batch in batches:
            with _alarm(self.timeout) as rearm:

                def heard(number: int, part: float, detail: str, rearm: Any = rearm) -> None:
                    rearm()
                    report(number, part, detail)

                result = self.worker.sample(batch, heard)
            yield result


@contextmanager
def _alarm(seconds: float | None) -> Iterator[Any]:
    """Raise `TimeoutError` in the block when what it gives was not called for so long."""
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return

    def ring(number: int, frame: Any) -> None:
        raise TimeoutError(f"the model reported no step for {seconds:g} s (--timeout)")

    def rearm() -> None:
        signal.setitimer(signal.ITIMER_REAL, seconds)

    before = signal.signal(signal.SIGALRM, ring)
    rearm()
    try:
        yield rearm
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
