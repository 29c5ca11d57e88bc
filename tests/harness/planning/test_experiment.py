"""Conditions that change more than the sampling: prompts, lengths and random numbers, each part of the identity."""

import pytest

from harness.core.errors import UsageError
from harness.models.base import Sampling
from harness.models.toy import ToyModel
from harness.planning.experiment import Condition, Experiment
from harness.planning.plan import Plan, make_plan
from harness.planning.settings import ExperimentSettings
from harness.prompts.prompt import Prompt

MODEL = ToyModel()
BELL = Prompt(style="toy-bell")


def planned(*conditions: Condition, independent: bool = False, seconds: float = 2.0) -> Plan:
    experiment = Experiment("any", conditions, "something")
    prompts = (BELL, Prompt(text="waltz"))
    settings = ExperimentSettings(clips=4, seconds=seconds, seed=7, prompts=prompts, independent_seeds=independent)
    return make_plan(experiment, MODEL, settings)


def test_a_condition_replaces_fields_of_the_prompts_and_keeps_their_seeds():
    plan = planned(Condition("as it is"), Condition("organ", prompt={"style": "toy-organ"}))
    first, second = (plan.of(condition) for condition in plan.experiment.conditions)
    assert [request.prompt.style for request in first] == ["toy-bell", None] * 2
    assert {request.prompt.style for request in second} == {"toy-organ"}
    assert [request.listed for request in second] == [request.listed for request in first]
    assert [request.seed for request in first] == [request.seed for request in second]
    assert [request.unit for request in first] == [request.unit for request in second]
    assert not {request.id for request in first} & {request.id for request in second}
    assert len({request.id for request in second}) == 4  # one prompt now, with the seeds of two


def test_a_prompt_with_nothing_left_is_unconditional():
    none = Condition("none", prompt={"style": None, "text": None})
    assert none.ask(BELL) == Prompt(unconditional=True)
    assert none.ask(Prompt(style="toy-bell", artist="ada")) == Prompt(artist="ada")
    assert Condition("style", prompt={"style": "toy-bell"}).ask(Prompt(unconditional=True)) == BELL
    assert Prompt(unconditional=True).content() == {"unconditional": True}
    with pytest.raises(UsageError, match="unconditional and has style"):
        Prompt(style="toy-bell", unconditional=True)


def test_seconds_are_the_runs_or_the_conditions():
    plan = planned(Condition("run's"), Condition("own", seconds=3.0), Condition("more", more_seconds=0.5))
    assert [plan.of(one)[0].seconds for one in plan.experiment.conditions] == [2.0, 3.0, 2.5]
    assert [plan.of(one)[0].identity["seconds"] for one in plan.experiment.conditions] == [2, 3, 2.5]
    assert {length for _, length in plan.encode(MODEL)} == {2.0, 3.0, 2.5}


def test_a_condition_of_the_runs_own_length_is_the_clip_it_always_was():
    usual = planned(Condition("usual")).requests
    assert [request.id for request in planned(Condition("named", seconds=2.0)).requests] == [r.id for r in usual]


def test_replicates_draw_other_numbers_and_the_first_is_the_experiments_own():
    plan = planned(Condition("0"), Condition("1", replicate=1), Condition("2", replicate=2))
    seeds = [{request.seed for request in plan.of(condition)} for condition in plan.experiment.conditions]
    assert len(set.union(*seeds)) == 12
    assert seeds[0] == {request.seed for request in planned(Condition("alone")).requests}


def test_independent_seeds_differ_between_conditions_and_not_with_their_names():
    plan = planned(Condition("cold", Sampling(0.5)), Condition("warm"), independent=True)
    cold, warm = (plan.of(condition) for condition in plan.experiment.conditions)
    assert not {request.seed for request in cold} & {request.seed for request in warm}
    renamed = planned(Condition("chilly", Sampling(0.5)), Condition("hot", Sampling(3.0)), independent=True)
    assert [request.id for request in renamed.requests[:4]] == [request.id for request in cold]


def test_conditions_that_come_to_the_same_clips_are_refused():
    with pytest.raises(UsageError, match="ask for the same clip of the prompt 'toy-bell'"):
        planned(Condition("as it is"), Condition("no lyrics", prompt={"lyrics": None}))
    with pytest.raises(UsageError, match="same clip"):
        planned(Condition("run's"), Condition("own", seconds=2.0))


REFUSED = {
    "unknown field": ({"prompt": {"genre": "metal"}}, "unknown field of a prompt 'genre'"),
    "a sound": ({"prompt": {"audio": "clip.wav"}}, "'audio'"),
    "no length": ({"prompt": {"prompt_seconds": None}}, "take away audio instead"),
    "empty text": ({"prompt": {"text": " "}}, "text is empty"),
    "prompt length": ({"prompt": {"prompt_seconds": -1.0}}, "length was -1 s"),
    "offset": ({"prompt": {"offset_seconds": -1.0}}, "offset_seconds was -1"),
    "seconds": ({"seconds": 0.0}, r"seconds is 0\.0"),
    "endless": ({"more_seconds": float("inf")}, "more_seconds is inf"),
    "replicate": ({"replicate": -1}, "replicate is -1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_condition_cannot_change_is_refused(case):
    values, message = REFUSED[case]
    with pytest.raises(UsageError, match=message):
        Condition("wrong", **values)


def test_the_length_of_a_sound_takes_a_sound():
    with pytest.raises(UsageError, match="--audio"):
        Condition("2 s", prompt={"prompt_seconds": 2.0}).ask(BELL)


@pytest.mark.parametrize(
    ("field", "value"), [("unit", "song"), ("contrast", "all"), ("family", "each"), ("unit", None)]
)
def test_a_declaration_has_its_choices(field, value):
    with pytest.raises(UsageError, match=f"{field} is {value!r}: "):
        Experiment("x", (Condition("a"),), "nothing", **{field: value})


def test_what_is_confirmed_is_one_pair_of_its_conditions():
    experiment = Experiment("x", tuple(Condition(str(n), replicate=n) for n in range(3)), "luck")
    chosen = experiment.confirming("0", "2")
    assert chosen.stage == "confirmatory"
    assert [(one.name, other.name) for one, other in chosen.contrasts()] == [("0", "2")]
    with pytest.raises(UsageError, match="unknown condition of x '7'"):
        experiment.confirming("0", "7")
    with pytest.raises(UsageError, match="named twice"):
        experiment.confirming("0", "0")
