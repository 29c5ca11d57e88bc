"""The experiments that are installed: found by entry point, so that another distribution can bring its own."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.planning.experiment import Declaration

GROUP = "music_harness.experiments"


@lru_cache(maxsize=1)
def declarations() -> dict[str, Declaration]:
    """The installed experiments by name."""
    return {point.name: point.load() for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)}
