"""The same condition several times: how much a score varies by chance."""

from typing import Annotated

from harness import Condition, experiment
from harness.core.errors import UsageError


@experiment(varies="replicate", primary="fad16", unit="clip", contrast="every pair", family="all contrasts")
def seeds(
    replicates: Annotated[int, "How many times the same condition is sampled with other random numbers."] = 4,
) -> list[Condition]:
    """How much of a score is chance: does it vary more between seeds than its standard error predicts?

    All replicates sample alike, so in one such experiment of twenty, and no more, any difference should be significant.
    """
    if not 2 <= replicates <= 1000:
        raise UsageError(f"the number of replicates was {replicates}: 2 to 1000 were expected, for example 4.")
    return [Condition(f"replicate {n}", replicate=n) for n in range(replicates)]
