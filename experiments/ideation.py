"""Music to have research ideas by, from prompts such as 科研创意激发."""

from harness.planning.experiment import Condition, experiment
from harness.planning.listening import Listening
from harness.planning.sweeps import prompted_and_other

LISTENING = Listening(
    kind="ideation",
    tasks=(
        {
            "en": "Find as many research questions as you can about how cities could use less water.",
            "zh": "围绕“城市如何减少用水”，提出尽可能多的研究问题。",
        },
        {
            "en": "Find as many explanations as you can for why some people remember names better than others.",
            "zh": "有些人比别人更容易记住名字。请提出尽可能多的解释。",
        },
        {
            "en": "Find as many uses as you can for a sensor that costs a cent and measures temperature.",
            "zh": "一种只值一分钱的温度传感器可以用来研究什么？请提出尽可能多的用途。",
        },
        {
            "en": "Find as many connections as you can between the flight of birds and the traffic of a city.",
            "zh": "鸟类飞行与城市交通之间有哪些联系？请提出尽可能多的想法。",
        },
    ),
    analysis=(
        "Hypothesis: more different ideas with music from the prompt than with other music, and than in silence.",
    ),
    limits=(
        "The tasks ask researchers' questions of anyone: with experts of one field, replace them by the field's own.",
    ),
)


@experiment(
    varies="prompt",
    primary="style_similarity",
    contrast="against the first",
    settings={"prompts": "ideation", "clips": 5, "seconds": 60.0},
    listening=LISTENING,
)
def ideation() -> list[Condition]:
    """Does music from a prompt such as 科研创意激发 help to find research ideas?

    Listeners find ideas with music from the prompt, other music, noise or silence: harness stimuli ideation. Sampled
    are the first two, the other music by the same model without a prompt; noise and silence are made with the stimuli.
    The declared figure says beforehand whether the prompt changes the music at all. Its prompts are the set ideation.
    """
    return prompted_and_other()
