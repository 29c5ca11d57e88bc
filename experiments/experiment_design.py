"""Music to design experiments by."""

from harness.planning.experiment import Condition, experiment
from harness.planning.listening import Listening
from harness.planning.sweeps import prompted_and_other

LISTENING = Listening(
    kind="ideation",
    tasks=(
        {
            "en": "Find as many ways as you can to test whether a new teaching method works.",
            "zh": "请想出尽可能多的方法来检验一种新的教学方法是否有效。",
        },
        {
            "en": "List as many variables as you can that must be constant to compare two ways of growing tomatoes.",
            "zh": "要比较两种种植番茄的方法，有哪些变量必须保持不变？请尽可能多地列出。",
        },
        {
            "en": "Find as many control conditions as you can for a study of whether walking improves mood.",
            "zh": "研究“散步能否改善心情”可以设置哪些对照条件？请尽可能多地提出。",
        },
        {
            "en": "Find as many reasons as you can why an experiment on sleep might give another result when repeated.",
            "zh": "一个关于睡眠的实验重复时可能得到不同的结果，请提出尽可能多的原因。",
        },
    ),
    analysis=(
        "Hypothesis: more sound proposals with music from the prompt than with other music, and than in silence.",
        "A proposal counts as sound when two raters trained in methods, who know neither condition nor list, agree.",
    ),
    limits=(
        "Knowledge of methods differs more between listeners than conditions do: ask for it, and enter it as a term.",
    ),
)


@experiment(
    varies="prompt",
    primary="style_similarity",
    contrast="against the first",
    settings={"prompts": "experiment_design", "clips": 5, "seconds": 60.0},
    listening=LISTENING,
)
def experiment_design() -> list[Condition]:
    """Does music from a prompt about designing experiments help to design them?

    The frame is that of the experiment ideation, with tasks and prompts of its own: harness stimuli experiment_design.
    """
    return prompted_and_other()
