"""Upsampling in slices side by side, which is quicker, against upsampling in order."""

from collections.abc import Sequence
from typing import Annotated

from harness import Condition, Sampling, experiment


@experiment(varies="upsampling", primary="fad16", unit="clip", contrast="against the first", family="all contrasts")
def upsampling(
    slices: Annotated[
        Sequence[int], "Slices that the lower levels are cut in, against none; repeat for each condition."
    ] = (2, 4),
    overlap: Annotated[float, "Windows by which each slice begins early."] = 0.25,
) -> list[Condition]:
    """Do the seams between slices that are upsampled in parallel move clips away from music?"""
    return [
        Condition("exact"),
        *(Condition(f"parallel:{n}", Sampling(upsampling=f"parallel:{n}:{overlap:g}")) for n in slices),
    ]
