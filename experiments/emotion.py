"""Music for an emotion that was asked for."""

from harness.planning.experiment import Condition, experiment
from harness.planning.listening import Listening
from harness.planning.sweeps import prompted_and_other

LISTENING = Listening(
    kind="affect",
    analysis=(
        "Hypothesis: rated valence and arousal rise with those of the quadrant that the prompt asked for (the tags of "
        "the prompt set) in music from the prompt, and not in other music.",
    ),
    limits=(
        "Prompts in Chinese and English are paired: their difference is that of the model's reading of two languages.",
        "Five emotions of three wordings each do not stand for all emotions or all wordings.",
    ),
)


@experiment(
    varies="prompt",
    primary="style_similarity",
    contrast="against the first",
    settings={"prompts": "emotion", "clips": 30, "seconds": 12.0},
    listening=LISTENING,
)
def emotion() -> list[Condition]:
    """Do listeners feel the valence and arousal that a prompt asks for?

    Listeners rate both in music from the prompt, and in other music by the same model without it: harness stimuli
    emotion. The declared figure says beforehand whether the prompt changes the music at all. The prompts are of the set
    emotion: five emotions in Chinese and English.
    """
    return prompted_and_other()
