"""What the parts of a prompt contribute: the same prompts, with a part of them removed."""

from collections.abc import Sequence
from typing import Annotated

from harness import Condition, experiment
from harness.planning.experiment import check_choice

TAKEN = {"style": ("style", "text"), "artist": ("artist",), "lyrics": ("lyrics",)}
"""A text is read as a style: without a style there is no text."""


@experiment(
    varies="conditioning", primary="style_similarity", unit="clip", contrast="against the first", family="all contrasts"
)
def conditioning(
    without: Annotated[
        Sequence[str], "What is removed from the prompts: style, artist or lyrics; repeat for each condition."
    ] = ("style",),
) -> list[Condition]:
    """Are clips nearer to the requested style than clips without a request?

    The first condition has the prompts as they are. A prompt with nothing left is unconditional, and its clips are
    still compared with the style that it named.
    """
    for part in without:
        check_choice("--without", part, tuple(TAKEN))
    return [
        Condition("as asked"),
        *(Condition(f"no {part}", prompt=dict.fromkeys(TAKEN[part])) for part in without),
    ]
