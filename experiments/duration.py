"""Clips of different lengths."""

from collections.abc import Sequence
from typing import Annotated

from harness import Condition, experiment


@experiment(varies="seconds", primary="fad16", unit="clip", contrast="every pair", family="all contrasts")
def duration(
    duration: Annotated[Sequence[float], "Length of the clips, in place of --seconds; repeat for each condition."] = (
        6.0,
        12.0,
    ),
) -> list[Condition]:
    """Does music get worse, or more varied, the longer the model continues?

    Longer clips are measured in excerpts as long as those of the reference, so choose multiples of its length (6 s).
    """
    return [Condition(f"{seconds:g} s", value=seconds, seconds=seconds) for seconds in duration]
