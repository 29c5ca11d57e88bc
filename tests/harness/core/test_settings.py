"""A settings class checks its values strictly, names every mistake, and says what counts in a run's identity."""

import pickle
from dataclasses import replace
from typing import Annotated, Literal

import pytest
from pydantic import Field

from harness.core.errors import UsageError
from harness.core.option import Option
from harness.core.settings import Names, counted, options_of, settings_class


@settings_class
class Kitchen:
    eggs: Annotated[int, Field(ge=1, le=12), Option("How many.", short="e", counts=True)] = 2
    salt: Annotated[float, Field(gt=0, allow_inf_nan=False), Option("Grams.", key="grams", counts=True)] = 1.0
    pans: Annotated[Names, Option("Which.", flag="pan", counts=True, optional=True)] = ()
    stove: Annotated[Literal["gas", "wood"], Option("What burns.")] = "gas"
    cook: str = "somebody"


class Canteen(Kitchen):
    pass


def test_it_is_a_frozen_dataclass_with_positions_and_subclasses():
    made = Kitchen(3, 2)
    assert (made.eggs, made.salt) == (3, 2.0)
    assert replace(made, eggs=4) == Kitchen(4, 2.0)
    assert Canteen(5).eggs == 5
    assert pickle.loads(pickle.dumps(made)) == made
    assert len({made, Kitchen(3, 2.0)}) == 1
    with pytest.raises(Exception, match="eggs"):
        made.eggs = 5  # type: ignore[misc]


def test_one_name_or_several_become_a_tuple_in_which_each_stands_once():
    assert Kitchen(pans="iron").pans == ("iron",)  # type: ignore[arg-type]
    assert Kitchen(pans=["iron", "steel", "iron"]).pans == ("iron", "steel")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"eggs": 0}, ["eggs", "at least 1"]),
        ({"eggs": 13}, ["eggs", "at most 12"]),
        ({"eggs": True}, ["eggs", "a whole number"]),
        ({"eggs": 1.5}, ["eggs", "a whole number"]),
        ({"eggs": "2"}, ["eggs", "a whole number"]),
        ({"salt": 0}, ["salt", "above 0"]),
        ({"salt": float("nan")}, ["salt"]),
        ({"salt": "much"}, ["salt", "a number"]),
        ({"pans": 3}, ["pans", "a list"]),
        ({"pans": ["iron", 3]}, ["pans.1", "a text"]),
        ({"pans": [["iron"], ["iron"]]}, ["pans.0", "a text"]),
        ({"pans": ""}, ["pans.0", "empty"]),
        ({"stove": "coal"}, ["stove", "'gas' or 'wood'"]),
        ({"egs": 3}, ["egs", "Did you mean 'eggs'"]),
        ({"eggs": 0, "salt": -1, "stove": 3}, ["eggs", "salt", "stove"]),
    ],
)
def test_wrong_values_are_named_all_at_once(wrong, named):
    with pytest.raises(UsageError) as caught:
        Kitchen(**wrong)
    assert all(word in str(caught.value) for word in named)


def test_a_mistake_by_position_is_called_by_its_field():
    with pytest.raises(UsageError, match="salt is 'x'"):
        Kitchen(3, "x")  # type: ignore[arg-type]


def test_what_counts_is_told_by_key_and_new_options_only_where_they_are_set():
    assert counted(Kitchen()) == {"eggs": 2, "grams": 1.0}
    assert counted(Kitchen(pans=("iron",))) == {"eggs": 2, "grams": 1.0, "pans": ["iron"]}


def test_an_option_is_known_by_field_flag_and_key():
    options = options_of(Kitchen)
    assert list(options) == ["eggs", "salt", "pans", "stove"]
    assert [one.flag for one in options.values()] == ["eggs", "salt", "pan", "stove"]
    assert [one.key for one in options.values()] == ["eggs", "grams", "pans", "stove"]
    assert options["eggs"].default == 2
