"""From which level of codes the sound is decoded."""

from collections.abc import Sequence
from typing import Annotated

from harness import Condition, Sampling, experiment


@experiment(varies="stop_level", primary="fad16", unit="clip", contrast="every pair", family="all contrasts")
def levels(
    stop_level: Annotated[
        Sequence[int], "Finest level that is sampled and decoded, 0 for all levels; repeat for each condition."
    ] = (0, 1),
) -> list[Condition]:
    """How much of what is heard do the upsamplers add to the top level's codes?

    Conditions share the codes of the levels above. jukebox:mini has levels 0 and 1, the released models 0 to 2.
    """
    return [Condition(f"level={level}", Sampling(stop_level=level), level) for level in stop_level]
