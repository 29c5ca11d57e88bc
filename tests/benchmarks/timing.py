"""Timing two ways of doing one thing."""

from __future__ import annotations

import time
from collections.abc import Callable


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
