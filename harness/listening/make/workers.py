"""The same work on many things at once, in processes of this machine, with progress."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

from harness.core.errors import HarnessError
from harness.core.progress import Progress
from harness.sampling.executors.processes import end_with_driver

Task = TypeVar("Task")
Result = TypeVar("Result")


class Workers:
    """`count` processes, started when there is enough for them to do."""

    def __init__(self, count: int | None = None) -> None:
        self.count = count or os.cpu_count() or 1
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *reason: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def map(
        self, work: Callable[[Task], Result], tasks: Sequence[Task], title: str, progress: Progress, alone: bool
    ) -> Iterator[tuple[Task, Result]]:
        """Each task with its result, as they come; `alone`: in this process.

        Raises what `work` raises, and `HarnessError` for a process that was lost.
        """
        with progress.stage(title, len(tasks)) as stage:
            if alone or self.count == 1:
                for done, task in enumerate(tasks, start=1):
                    yield task, work(task)
                    stage.advance(done)
                return
            if self._pool is None:
                self._pool = ProcessPoolExecutor(self.count, get_context("spawn"), _begin)
            futures = {self._pool.submit(work, task): task for task in tasks}
            try:
                for done, future in enumerate(as_completed(futures), start=1):
                    yield futures[future], future.result()
                    stage.advance(done)
            except BrokenProcessPool as error:
                raise HarnessError(
                    f"a process that was {title} has ended ({error}); the system kills so when memory is out. Run the "
                    "same command again, which goes on from here, with fewer --workers."
                ) from error


def _begin() -> None:
    """A worker's start: Ctrl-C is the driver's to heed, and when the driver is gone there is no one to work for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_driver, daemon=True).start()
