"""Sweeps list what they say, once each, the same every time, inside their ranges, and refuse what makes no sense."""

import math
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import UsageError
from harness.models.base import Sampling, scalar
from harness.planning.experiment import Condition, Experiment
from harness.planning.sweeps import (
    FIELDS,
    Range,
    ablate,
    ablations,
    condition,
    grid,
    off,
    random,
    read_change,
    sobol,
    zipped,
)


def test_a_grid_has_every_combination_and_the_last_value_varies_fastest():
    found = grid(temperature=[0.7, 0.99], top_k=[0, 64])
    assert [one.name for one in found] == [
        "temperature=0.7, top_k=0",
        "temperature=0.7, top_k=64",
        "temperature=0.99, top_k=0",
        "temperature=0.99, top_k=64",
    ]
    assert found[1].sampling == Sampling(0.7, 64)


def test_zipped_values_go_together():
    found = zipped(temperature=[0.7, 0.99], top_p=[0.9, 0.95])
    assert [one.sampling for one in found] == [Sampling(0.7, top_p=0.9), Sampling(0.99, top_p=0.95)]


def test_one_number_is_a_place_on_the_axis_and_a_text_is_not():
    assert [one.value for one in grid(temperature=[0.5, 1])] == [0.5, 1.0]
    assert [one.value for one in grid(upsampling=["exact", "parallel:2"])] == [None, None]
    assert [one.value for one in grid(temperature=[(0.9, 0.99)])] == [None]


def test_prompts_lengths_and_replicates_can_be_varied():
    [one] = grid(style=["metal"], prompt_seconds=[2.0], seconds=[4.0], replicate=[1], top_k=[(8, 64)])
    assert one == Condition(
        "style=metal, prompt_seconds=2, seconds=4, replicate=1, top_k=8,64",
        Sampling(top_k=(8, 64)),
        prompt={"style": "metal", "prompt_seconds": 2.0},
        seconds=4.0,
        replicate=1,
    )


@given(count=st.integers(1, 40), seed=st.integers(0, 2**32), draw=st.sampled_from([random, sobol]))
def test_draws_are_in_their_ranges_different_and_the_same_again(count, seed, draw):
    ranges = {"temperature": Range(0.7, 1.1), "top_k": Range(1, 512, log=True), "style": ["a", "b"]}
    found = draw(count, seed, **ranges)
    assert len(found) == count == len({one.name for one in found})
    assert found == draw(count, seed, **ranges)
    for one in found:
        assert 0.7 <= scalar(one.sampling.temperature) <= 1.1
        assert one.sampling.top_k in range(1, 513)
        assert one.prompt["style"] in ("a", "b")
    Experiment("drawn", tuple(found), "all")


def test_sobol_fills_the_range_more_evenly_than_chance():
    """Sixteen points of a scrambled sequence have one in every sixteenth."""
    places = [scalar(one.sampling.temperature) for one in sobol(16, temperature=Range(1.0, 2.0))]
    assert sorted(math.floor(16 * (place - 1)) for place in places) == list(range(16))


def test_whole_numbers_at_both_ends_are_drawn():
    assert {one.value for one in random(5, temperature=Range(1, 1.0001), seed=3)} != set()
    assert {one.value for one in random(3, stop_level=Range(0, 2))} == {0, 1, 2}
    assert {one.value for one in random(4, top_k=Range(1, 4, log=True))} == {1, 2, 3, 4}


def test_a_logarithmic_range_has_its_middle_at_the_geometric_mean():
    values = [one.value for one in random(400, temperature=Range(0.01, 100, log=True))]
    assert 0.5 < np.median(np.array(values)) < 2.0


def test_an_ablation_changes_one_value_of_the_baseline_at_a_time():
    found = ablate({"top_k": 64, "top_p": 0.9, "style": "metal"}, top_k=0, style=None, temperature=1.0)
    baseline, *changed = found
    assert [one.name for one in found] == ["baseline", "top_k=0", "no style", "temperature=1"]
    assert baseline.sampling == Sampling(top_k=64, top_p=0.9)
    assert [one.sampling for one in changed] == [
        Sampling(top_p=0.9), Sampling(top_k=64, top_p=0.9), Sampling(1.0, top_k=64, top_p=0.9)
    ]  # fmt: skip
    assert [one.prompt for one in found] == [
        {"style": "metal"},
        {"style": "metal"},
        {"style": None},
        {"style": "metal"},
    ]
    assert all(one.value is None for one in found)
    tested = Experiment("a", tuple(found), "one at a time", contrast="against the first").contrasts()
    assert tested == [(baseline, one) for one in changed]


@given(
    st.fixed_dictionaries(
        {}, optional={"top_k": st.integers(1, 9), "temperature": st.floats(0.5, 0.9), "top_p": st.just(0.5)}
    ),
    st.fixed_dictionaries(
        {}, optional={"top_k": st.integers(10, 19), "temperature": st.floats(1, 2), "style": st.just("a")}
    ),
)
def test_every_condition_of_an_ablation_differs_from_the_baseline_in_its_value_alone(baseline, changes):
    if not changes:
        return
    first, *others = ablate(baseline, **changes)
    assert len(others) == len(changes)
    for one, name in zip(others, changes, strict=True):
        ours, theirs = flat(one), flat(first)
        assert {key for key in {*ours, *theirs} if ours.get(key) != theirs.get(key)} == {name}


def flat(one: Condition) -> dict:
    content = one.content()
    return {**content["sampling"], **content.get("prompt", {})}


def test_a_field_can_be_changed_more_than_once_or_switched_off():
    found = ablations({}, [read_change("top_k=8"), read_change("top_k=64"), read_change("top_p = 0.5")])
    assert [one.sampling for one in found] == [Sampling(), Sampling(top_k=8), Sampling(top_k=64), Sampling(top_p=0.5)]
    assert {name: off(name) for name in ("top_k", "top_p", "upsampling", "style", "lyrics")} == {
        "top_k": 0, "top_p": 0.0, "upsampling": "exact", "style": None, "lyrics": None
    }  # fmt: skip
    assert read_change("upsampling=parallel:2") == ("upsampling", "parallel:2")


REFUSED = {
    "an ablation of nothing": (lambda: ablate({"top_k": 3}), "nothing varies"),
    "an ablation that changes nothing": (lambda: ablate({"top_k": 3}, top_k=3), "changes nothing"),
    "an ablation to the model's own": (lambda: ablate(top_k=0), "changes nothing"),
    "an unknown ablation": (lambda: ablate(topk=0), "Did you mean 'top_k'"),
    "an unknown baseline": (lambda: ablate({"topk": 0}, top_k=1), "Did you mean 'top_k'"),
    "a temperature that is off": (lambda: read_change("temperature=off"), "cannot be off"),
    "an unknown field that is off": (lambda: read_change("topk=off"), "Did you mean 'top_k'"),
    "a change without a value": (lambda: read_change("top_k"), "for example top_k=0"),
    "a change to a word": (lambda: ablations({}, [read_change("top_k=many")]), "a number was expected"),
    "nothing": (lambda: grid(), "nothing varies"),
    "unknown": (lambda: grid(temprature=[1]), "Did you mean 'temperature'"),
    "no values": (lambda: grid(temperature=[]), "has no values"),
    "not a list": (
        lambda: grid(temperature=1.0),  # type: ignore[arg-type]
        "a list of values was expected",
    ),
    "a text for a list": (lambda: grid(style="metal"), "a list of values was expected"),
    "not a number": (lambda: grid(temperature=["hot"]), "a number was expected"),
    "a bool": (lambda: grid(top_k=[True]), "a number was expected"),
    "a huge whole number": (lambda: grid(temperature=[10**400]), "a number was expected"),
    "not whole": (lambda: grid(stop_level=[0.5]), "a whole number was expected"),
    "infinite": (lambda: grid(top_k=[math.inf]), "a whole number was expected"),
    "not possible": (lambda: grid(top_p=[1.0]), "0 <= top_p < 1"),
    "no levels": (lambda: grid(temperature=[()]), "one for each level"),
    "not a text": (lambda: grid(upsampling=[2]), "a text was expected"),
    "a wrong text": (lambda: grid(upsampling=["fast"]), "parallel:S"),
    "an empty style": (lambda: grid(style=[" "]), "style is empty"),
    "a short prompt": (lambda: grid(prompt_seconds=[0.0]), "prompt's length was 0 s"),
    "no seconds": (lambda: grid(seconds=[0]), "seconds is 0"),
    "seconds none": (lambda: grid(seconds=[None]), "a number was expected"),
    "negative replicate": (lambda: grid(replicate=[-1]), "replicate is -1"),
    "too many": (lambda: grid(temperature=np.linspace(0.1, 1, 101), top_p=np.linspace(0, 0.9, 100)), "10100 cond"),
    "endless": (lambda: grid(replicate=iter(int, 1)), "10001 conditions"),
    "of two lengths": (lambda: zipped(temperature=[1, 2], top_k=[1]), "2 of temperature, 1 of top_k"),
    "count": (lambda: random(0, temperature=Range(0, 1)), "temperature is 0"),
    "no count": (lambda: random(0, temperature=Range(0.1, 1)), "0 conditions"),
    "count a text": (lambda: random("3", temperature=Range(0.1, 1)), "number of conditions is '3'"),  # type: ignore[arg-type]
    "count too large": (lambda: sobol(10**9, temperature=Range(0.1, 1)), "1000000000 conditions"),
    "more than there are": (lambda: sobol(5, stop_level=Range(0, 2)), "give only 3"),
    "range the wrong way": (lambda: Range(2, 1), "the lower first"),
    "range of texts": (lambda: Range("a", "b"), "two numbers"),  # type: ignore[arg-type]
    "range without end": (lambda: Range(0, math.inf), "two numbers"),
    "range of log 0": (lambda: Range(0, 1, log=True), "above 0"),
    "range of a text": (lambda: random(2, style=Range(0, 1)), "a list of texts"),
    "range without a whole number": (lambda: random(2, top_k=Range(1.2, 1.8)), "no whole number"),
    "range beyond": (lambda: random(2, top_p=Range(0.5, 1.5)), "0 <= top_p < 1"),
    "seed": (lambda: random(2, -1, temperature=Range(0.1, 1)), "seed is -1"),
    "seed a float": (lambda: sobol(2, 0.5, temperature=Range(0.1, 1)), r"seed is 0\.5"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_sense_is_refused(case):
    make, message = REFUSED[case]
    with pytest.raises(UsageError, match=message):
        make()


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), ANYTHING, max_size=3))
def test_whatever_is_given_makes_a_condition_or_a_message(values):
    with suppress(UsageError):
        assert condition(values).content()
