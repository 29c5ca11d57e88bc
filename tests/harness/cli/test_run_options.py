"""The options of `harness run` are those of the settings classes: names and defaults, which users and scripts know."""

import inspect
from collections.abc import Iterable
from typing import Annotated, Any, get_args

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.cli.run import command_for, common, settings_classes
from harness.core.errors import UsageError
from harness.core.settings import options_of
from harness.planning.experiment import Condition, Declaration, experiment
from harness.planning.registry import declarations

# Option → default. A line that changes here changes what users' scripts say.
OPTIONS = {
    "--prompt": None,
    "--style": None,
    "--audio": None,
    "--prompt-seconds": None,
    "--prompts": None,
    "--model -m": "jukebox:mini",
    "--clips": 16,
    "--seconds": 6.0,
    "--seed": 0,
    "--reference": ["heldout"],
    "--embedder": ["musicnn"],
    "--metric": None,
    "--independent-seeds/--no-independent-seeds": False,
    "--results": None,
    "--width": None,
    "--system-metrics": False,
    "--executor": "local",
    "--reuse": "missing",
    "--on-error": "continue",
    "--max-failures": None,
    "--retries": 2,
    "--timeout": None,
    "--address": None,
    "--mlflow/--no-mlflow": True,
    "--quiet -q": False,
    "--json": False,
    "--dry-run": False,
    "--confirm": None,
    "--rows": None,
}


def options(parameters: Iterable[inspect.Parameter]) -> dict[str, Any]:
    """By the names that Typer is given, of which it takes the first as a default."""
    found = {}
    for parameter in parameters:
        given = get_args(parameter.annotation)[1]
        names = given.param_decls or () if given.default is ... else (given.default, *(given.param_decls or ()))
        found[" ".join(names)] = parameter.default
    return found


def own_options(declaration: Declaration) -> dict[str, Any]:
    return options(inspect.signature(command_for(declaration)).parameters.values())


def test_the_options_and_their_defaults():
    assert options(common().values()) == OPTIONS


def test_every_option_has_help_and_is_in_one_class():
    names = [name for kind in settings_classes() for name in options_of(kind)]
    assert len(names) == len(set(names))
    assert all(field.option.help.endswith(".") for kind in settings_classes() for field in options_of(kind).values())


@pytest.mark.parametrize("name", ["temperature", "emotion"])
def test_help_shows_every_option(name):
    shown = CliRunner().invoke(app, ["run", name, "--help"], env={"COLUMNS": "200"}).output
    for option in OPTIONS:
        assert all(flag in shown for flag in option.replace("/", " ").split())


def test_what_an_experiment_declares_is_its_default():
    own = own_options(declarations()["emotion"])
    assert (own["--clips"], own["--seconds"], own["--seed"]) == (30, 12.0, 0)

    @experiment(varies="x", metrics=("kad", "coverage"), settings={"embedder": "toy", "independent_seeds": True})
    def mine() -> list[Condition]:
        """Which?"""
        return [Condition("one")]

    own = own_options(mine)
    assert own["--metric"] == ["kad", "coverage"]
    assert own["--embedder"] == ["toy"]
    assert own["--independent-seeds/--no-independent-seeds"] is True


@pytest.mark.parametrize("taken", ["clips", "references", "reference", "embedder", "metric"])
def test_no_experiment_varies_an_option_of_the_run(taken):
    def varied(**values: Any) -> list[Condition]:
        """How many?"""
        return [Condition(str(values))]

    keyword = inspect.Parameter(taken, inspect.Parameter.KEYWORD_ONLY, default=1, annotation=Annotated[int, "x"])
    varied.__signature__ = inspect.Signature([keyword])  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match=taken):
        command_for(experiment(varies="x")(varied))


@pytest.mark.parametrize(
    "wrong", [{"clip": 3}, {"clips": 0}, {"results": "x"}, {"executor": "ray"}, {"prompts": 3}, {"prompts": ["a"]}]
)
def test_an_experiment_declares_only_what_it_may(wrong):
    with pytest.raises(UsageError):
        experiment(varies="x", settings=wrong)(lambda: [])
