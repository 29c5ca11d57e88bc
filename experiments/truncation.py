"""Leaving out the unlikely codes: top-k and top-p (nucleus) against drawing from all of them."""

from collections.abc import Sequence
from typing import Annotated

from harness import Condition, Sampling, experiment


@experiment(varies="truncation", primary="fad16", unit="clip", contrast="against the first", family="all contrasts")
def truncation(
    top_k: Annotated[Sequence[int], "Draw from the k likeliest codes; repeat for more, 0 for no such condition."] = (
        16,
        128,
    ),
    top_p: Annotated[
        Sequence[float], "Draw from the likeliest codes of this mass; repeat for more, 0 for no such condition."
    ] = (0.9,),
) -> list[Condition]:
    """Does drawing from the likeliest codes only bring clips nearer to music, and at what cost in diversity?"""
    return [
        Condition("all codes"),
        *(Condition(f"top_k={k}", Sampling(top_k=k)) for k in top_k if k),
        *(Condition(f"top_p={p:g}", Sampling(top_p=p)) for p in top_p if p),
    ]
