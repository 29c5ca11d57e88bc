"""Processes of this machine for the harness's own work: what every worker process does at its start, and a pool.

`ProcessPool` applies a function to many things and reports progress: inspecting clips, making stimuli, measuring
files. Sampling has an executor of its own (`harness.sampling.executors.processes`), because its workers each hold a
model and a GPU, report progress within a batch, and are killed and replaced one at a time. Both share `begin_worker`.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from harness.core.errors import HarnessError
from harness.core.progress import Progress

Task = TypeVar("Task")
Result = TypeVar("Result")


class ProcessPool:
    """`count` processes (None: one per core), started when there is enough for them to do."""

    def __init__(self, count: int | None = None) -> None:
        self.count = count or os.cpu_count() or 1
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> ProcessPool:
        return self

    def __exit__(self, *reason: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def map(
        self, work: Callable[[Task], Result], tasks: Sequence[Task], title: str, progress: Progress, alone: bool
    ) -> Iterator[tuple[Task, Result]]:
        """Apply a function to every task.

        Args:
            work: a function of a module, which other processes can import.
            tasks: what it is applied to; must be picklable.
            title: what is being done, for the progress and for errors.
            progress: where progress is shown.
            alone: work in this process, for few tasks: others take a second to start.

        Yields:
            Each task with its result, in the order in which they are finished.

        Raises:
            HarnessError: when a process was lost; what `work` raises passes through.
        """
        with progress.stage(title, len(tasks)) as stage:
            if alone or self.count == 1:
                for done, task in enumerate(tasks, start=1):
                    yield task, work(task)
                    stage.advance(done)
                return
            if self._pool is None:
                self._pool = ProcessPoolExecutor(self.count, multiprocessing.get_context("spawn"), begin_worker)
            futures = {self._pool.submit(work, task): task for task in tasks}
            try:
                for done, future in enumerate(as_completed(futures), start=1):
                    yield futures[future], future.result()
                    stage.advance(done)
            except BrokenProcessPool as error:
                raise HarnessError(
                    f"a process that was {title} has ended ({error}); the system kills so when memory is out. Run the "
                    "same command again, which resumes here, with fewer --workers."
                ) from error


def begin_worker() -> None:
    """Prepare a worker process: Ctrl-C is handled by its driver alone, and it ends when its driver is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_driver, daemon=True).start()


def _end_with_driver() -> None:
    """End at once when the driver was killed. Files are written whole or not at all, so none is left half-written."""
    driver = multiprocessing.parent_process()
    if driver is not None:
        driver.join()
        os._exit(1)
