"""Plans are deterministic, balanced, paired by seed, and refuse what makes no sense."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import UsageError
from harness.models.base import Sampling
from harness.models.toy import ToyModel
from harness.planning.experiment import Condition, Experiment, experiment
from harness.planning.plan import make_plan
from harness.planning.settings import ExperimentSettings
from harness.prompts.prompt import Prompt

MODEL = ToyModel()
STYLES = tuple(Prompt(style=style) for style in MODEL.styles)


def settings(clips: int, prompts: Sequence[Prompt] = STYLES, seed: int = 0) -> ExperimentSettings:
    return ExperimentSettings(clips=clips, seconds=2.0, seed=seed, prompts=tuple(prompts))


def declared(*temperatures: float) -> Experiment:
    conditions = tuple(Condition(f"temperature={value:g}", Sampling(value), value) for value in temperatures)
    return Experiment("temperature", conditions, "temperature")


@given(clips=st.integers(1, 20), prompts=st.integers(1, 4), seed=st.integers(0, 2**63 - 1))
def test_clips_are_per_condition_and_spread_evenly(clips, prompts, seed):
    plan = make_plan(declared(0.7, 1.0), MODEL, settings(clips, STYLES[:prompts], seed=seed))
    for condition in plan.experiment.conditions:
        requests = plan.of(condition)
        assert len(requests) == clips
        counts = [sum(request.prompt_index == n for request in requests) for n in range(prompts)]
        assert max(counts) - min(counts) <= 1
    assert len({request.id for request in plan.requests}) == 2 * clips


def test_the_seed_does_not_depend_on_the_condition_and_the_identity_does():
    plan = make_plan(declared(0.7, 1.0), MODEL, settings(8))
    cold, warm = (plan.of(condition) for condition in plan.experiment.conditions)
    assert [request.seed for request in cold] == [request.seed for request in warm]
    assert [request.unit for request in cold] == [request.unit for request in warm]
    assert len({request.seed for request in cold}) == 8
    assert not {request.id for request in cold} & {request.id for request in warm}


def test_names_of_conditions_and_more_clips_or_conditions_leave_clips_what_they_are():
    few = make_plan(declared(0.7), MODEL, settings(4))
    many = make_plan(declared(0.5, 0.7, 0.9), MODEL, settings(12))
    assert {request.id for request in few.requests} <= {request.id for request in many.requests}
    renamed = Experiment("other", (Condition("cold", Sampling(0.7)),), "what")
    assert [r.id for r in make_plan(renamed, MODEL, settings(4)).requests] == [r.id for r in few.requests]


@given(st.data())
def test_batches_hold_what_is_wanted_once_and_one_condition_each(data):
    plan = make_plan(declared(0.7, 1.0), MODEL, settings(7))
    wanted = data.draw(st.sets(st.sampled_from([request.id for request in plan.requests])))
    width = data.draw(st.integers(1, 5))
    batches = list(plan.batches(wanted, width))
    assert [request.id for batch in batches for request in batch] == [r.id for r in plan.requests if r.id in wanted]
    assert all(1 <= len(batch) <= width for batch in batches)
    assert all(len({request.condition.name for request in batch}) == 1 for batch in batches)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clips": 0}, "clips is 0"),
        ({"clips": -3}, "clips is -3"),
        ({"clips": 1_000_001}, "at most 1,000,000"),
        ({"seconds": 0.0}, r"seconds is 0\.0"),
        ({"seconds": float("nan")}, "seconds is nan"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**63}, "seed is 9223372036854775808"),
        ({"prompts": ()}, "no prompts"),
        ({"prompts": (Prompt(text="waltz"), Prompt(text=" waltz"))}, "“waltz”' was given twice"),
    ],
)
def test_what_makes_no_sense_is_refused(change, message):
    with pytest.raises(UsageError, match=message):
        make_plan(declared(0.7), MODEL, ExperimentSettings(**{"prompts": STYLES, "clips": 4, "seconds": 2.0, **change}))


def test_an_experiment_needs_conditions_that_differ():
    with pytest.raises(UsageError, match="no conditions"):
        declared()
    with pytest.raises(UsageError, match=r"same name twice: temperature=0\.7"):
        declared(0.7, 0.7)
    with pytest.raises(UsageError, match="same sampling twice"):
        Experiment("x", (Condition("a"), Condition("b")), "nothing")


def test_contrasts_are_every_pair_or_against_the_first():
    three = declared(0.1, 0.2, 0.3)
    assert [(one.value, other.value) for one, other in three.contrasts()] == [(0.1, 0.2), (0.1, 0.3), (0.2, 0.3)]

    @experiment(varies="temperature", contrast="against the first")
    def against_first() -> list[Condition]:
        """Which?"""
        return list(three.conditions)

    built = against_first()
    assert built.name == "against_first"
    assert built.question == "Which?"
    assert [(one.value, other.value) for one, other in built.contrasts()] == [(0.1, 0.2), (0.1, 0.3)]
