"""Timing two ways of doing one thing, and the steps of a loop. Nothing but the standard library: workers import it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import pairwise

CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}
"""What a second is. The processor's are this process's own: steadier where others use the machine, for one thread."""


def best(action: Callable[[], object], repeats: int = 5) -> float:
    """Seconds of the fastest of `repeats` calls: on a busy machine the slow ones measure the neighbours."""

    def once() -> float:
        started = time.perf_counter()
        action()
        return time.perf_counter() - started

    return min(once() for _ in range(repeats))


def compare(ours: str, our_seconds: float, theirs: str, their_seconds: float) -> None:
    """Print both and their ratio."""
    ratio = our_seconds / their_seconds
    print(f"  {ours}: {our_seconds * 1000:.1f} ms; {theirs}: {their_seconds * 1000:.1f} ms; ratio {ratio:.2f}")


class StepClock:
    """Times a loop that calls it once a step, without touching the steps in between: the clock is read at `marks` only
    (numbers of calls, from 0), after `synchronise`, which on a GPU waits for the work that was asked for."""

    def __init__(
        self, marks: Sequence[int], synchronise: Callable[[], object] = lambda: None, clock: str = "wall"
    ) -> None:
        self.marks, self.synchronise, self.now = list(marks), synchronise, CLOCKS[clock]
        self.calls, self.times = 0, []

    def __call__(self) -> None:
        if self.calls in self.marks:
            self.synchronise()
            self.times.append(self.now())
        self.calls += 1

    def seconds_per_step(self) -> list[float]:
        """Mean seconds of a step between each mark and the next."""
        if len(self.times) != len(self.marks):
            raise ValueError(f"the loop made {self.calls} steps: marks were wanted at {self.marks}")
        spans = zip(pairwise(self.marks), pairwise(self.times), strict=True)
        return [(end - start) / (last - first) for (first, last), (start, end) in spans]
