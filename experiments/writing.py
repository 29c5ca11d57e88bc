"""Music to write papers by."""

from harness.planning.experiment import Condition, experiment
from harness.planning.listening import Listening
from harness.planning.sweeps import prompted_and_other

LISTENING = Listening(
    kind="ideation",
    tasks=(
        {
            "en": "Write as many first sentences as you can for a paper that shows that plants react to sound.",
            "zh": "为一篇证明“植物对声音有反应”的论文写出尽可能多的首句。",
        },
        {
            "en": "Write as many titles as you can for a paper on why people put off unpleasant work.",
            "zh": "为一篇研究“人为什么会拖延”的论文写出尽可能多的标题。",
        },
        {
            "en": "Write as many arguments as you can, a sentence each, for sharing the data of published studies.",
            "zh": "为“公开已发表研究的数据”写出尽可能多的论据，每条一句话。",
        },
        {
            "en": "Write as many polite answers as you can to a reviewer who says: the sample is too small.",
            "zh": "审稿人说“样本量太小”。请写出尽可能多的得体回复。",
        },
    ),
    analysis=(
        "Hypothesis: more usable sentences with music from the prompt than with other music, and than in silence.",
        "A sentence counts as usable when two raters who know neither condition nor list would keep it in a draft.",
    ),
    limits=("Short sentences are not the writing of a paper; the time of minutes is too short for its flow.",),
)


@experiment(
    varies="prompt",
    primary="style_similarity",
    contrast="against the first",
    settings={"prompts": "writing", "clips": 5, "seconds": 60.0},
    listening=LISTENING,
)
def writing() -> list[Condition]:
    """Does music from a prompt about writing a paper help to write one?

    The frame is that of the experiment ideation, with tasks and prompts of its own: harness stimuli writing.
    """
    return prompted_and_other()
