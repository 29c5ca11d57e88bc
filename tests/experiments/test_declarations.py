"""Every installed experiment declares what it must, and its options do not clash with the runner's."""

import inspect

import pytest

from harness.cli.run import command_for, common
from harness.planning.claims import check_primary
from harness.planning.experiment import Experiment
from harness.planning.registry import declarations


def test_the_shipped_experiments_are_found():
    assert "temperature" in declarations()


@pytest.mark.parametrize("name", declarations())
def test_an_experiment_with_its_defaults_is_whole(name):
    declaration = declarations()[name]
    built = declaration()
    assert isinstance(built, Experiment)
    assert built.name == name
    assert built.question
    check_primary(built.primary)
    assert built.unit == "clip"
    assert len(built.conditions) >= 2


@pytest.mark.parametrize("name", declarations())
def test_its_command_has_its_options_and_the_common_ones(name):
    declaration = declarations()[name]
    options = inspect.signature(command_for(declaration)).parameters
    assert set(options) == set(declaration.parameters) | set(common())


def test_an_option_of_the_runner_cannot_be_varied():
    from harness.planning.experiment import Condition, experiment

    @experiment(varies="clips")
    def greedy(clips: int = 3) -> list[Condition]:
        """How many?"""
        return [Condition(str(clips))]

    with pytest.raises(TypeError, match="clips"):
        command_for(greedy)
