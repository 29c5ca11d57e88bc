"""A baseline, and what is left of it when one thing at a time is changed."""

from collections.abc import Sequence
from typing import Annotated

from harness import Condition, experiment
from harness.planning.sweeps import ablations, read_change


@experiment(varies="one change at a time", primary="fad16", contrast="against the first")
def ablation(
    ablate: Annotated[
        Sequence[str], "FIELD=VALUE: a change to the baseline, off to switch the field off; repeat for each condition."
    ] = ("top_k=off", "top_p=off"),
    baseline: Annotated[
        Sequence[str], "FIELD=VALUE: a value of the baseline, which without it is as the model has it; repeat for more."
    ] = ("top_k=64", "top_p=0.9"),
) -> list[Condition]:
    """What does each part of the sampling contribute?

    The first condition is the baseline; each of the others differs from it in one value, and is compared with it.
    """
    return ablations(dict(read_change(value) for value in baseline), [read_change(change) for change in ablate])
