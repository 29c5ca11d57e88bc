"""How much new each window adds, and so how far it looks back."""

from collections.abc import Sequence
from typing import Annotated

from harness import Condition, Sampling, experiment


@experiment(varies="hop_fraction", primary="fad16", unit="clip", contrast="every pair", family="all contrasts")
def hop(
    hop_fraction: Annotated[
        Sequence[float], "Part of a window that each window adds, at every level; repeat for each condition."
    ] = (0.125, 0.25, 0.5),
) -> list[Condition]:
    """Does more overlap between windows, which costs time, bring clips nearer to music?

    It can only matter in clips that are longer than a window (of jukebox:mini, 4.1 s at the finest level).
    """
    return [Condition(f"hop={value:g}", Sampling(hop_fraction=value), value) for value in hop_fraction]
