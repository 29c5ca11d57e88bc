"""How much of a sound file a continuation is given to begin with."""

from collections.abc import Sequence
from typing import Annotated

from harness import Condition, experiment


@experiment(varies="prompt_seconds", primary="fad16", unit="clip", contrast="every pair", family="all contrasts")
def prompt_length(
    prompt_length: Annotated[Sequence[float], "Seconds of each --audio to continue; repeat for each condition."] = (
        1.0,
        3.0,
    ),
) -> list[Condition]:
    """Is a continuation nearer to music, and to what it continues, when it is given more to continue?

    Give the sound files with --audio. --seconds is the length of what is sampled: each clip is its prompt longer, so
    that conditions are measured by equally much of the model's own.
    """
    return [
        Condition(f"prompt={seconds:g} s", value=seconds, prompt={"prompt_seconds": seconds}, more_seconds=seconds)
        for seconds in prompt_length
    ]
