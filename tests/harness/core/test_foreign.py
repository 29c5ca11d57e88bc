"""A model that ends the program, wherever it does: a failure, exit code 1; the signals of a person still pass."""

from __future__ import annotations

import sys

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.core.errors import ModelError
from harness.core.foreign import Stopped, foreign
from harness.models import toy
from harness.models.registry import MODELS, load_model
from harness.planning.plan import make_plan
from harness.planning.settings import ExperimentSettings
from harness.prompts.prompt import Prompt
from harness.sampling.executors.local import Local
from harness.sampling.worker import Batch, Worker
from tests.harness.sampling.executors.faults import EXPERIMENT, toy_plan


class WorseError(BaseException):
    """Neither an Exception nor anything else that is known."""


ENDINGS = {
    "exit": lambda: sys.exit(0),
    "generator": lambda: raised(GeneratorExit()),
    "own": lambda: raised(WorseError()),
}
PLACES = ["load", "fingerprint", "encode", "sample"]


def raised(error: BaseException) -> None:
    raise error


@pytest.fixture(params=ENDINGS)
def ending(request, monkeypatch):
    """Gives a function that makes the toy model end the program at a place."""

    def at(place: str) -> None:
        end = ENDINGS[request.param]

        def load(**options):
            if place == "load":
                end()
            model = toy.load(**options)
            if place != "load":
                monkeypatch.setattr(type(model), place, lambda *args, **kwargs: end())
            return model

        monkeypatch.setattr(MODELS, "get", lambda name: load)

    return at


@pytest.mark.parametrize("place", PLACES)
def test_a_sample_that_was_not_made_is_no_success(ending, place, tmp_path):
    ending(place)
    done = CliRunner().invoke(app, ["sample", "x", "--model", "toy", "--seconds", "1", "-o", str(tmp_path / "a.wav")])
    assert done.exit_code == 1, done.output
    assert "ends a program" in done.output
    assert not (tmp_path / "a.wav").exists()


@pytest.mark.parametrize("place", ["load", "encode", "sample"])
def test_a_worker_gives_failures_for_clips_that_were_not_made(ending, place, tmp_path):
    plan = toy_plan(clips=2)
    ending(place)
    worker = Worker(lambda: load_model("toy"), tmp_path / "store")
    [*batches] = [Batch(n, tuple(some)) for n, some in enumerate(plan.batches([r.id for r in plan.requests], 2))]
    results = list(Local(worker).run(batches, lambda *told: None))
    assert [len(result.failures) for result in results] == [2, 2]
    assert {(one.kind, one.error) for result in results for one in result.failures} == {("model", "ModelError")}


@pytest.mark.parametrize("ending", ["exit"], indirect=True)
def test_a_plan_is_not_made_of_a_model_that_ends_the_program(ending):
    ending("fingerprint")
    with pytest.raises(ModelError):
        make_plan(EXPERIMENT, load_model("toy"), ExperimentSettings(clips=1, prompts=(Prompt(style="toy"),)))


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Stopped(143), ValueError("its own")])
def test_signals_and_errors_pass_as_they_are(error):
    with pytest.raises(type(error)) as caught, foreign("the model"):
        raise error
    assert caught.value is error


@pytest.mark.parametrize("error", [SystemExit(0), SystemExit("text"), GeneratorExit(), WorseError()])
def test_whatever_else_is_a_failure_of_the_model(error):
    with pytest.raises(ModelError) as caught, foreign("the model x"):
        raise error
    assert caught.value.__cause__ is error


def test_nothing_that_a_command_calls_can_end_it_as_a_success(monkeypatch):
    monkeypatch.setattr("harness.cli.experiments.experiments", lambda: sys.exit(0))
    assert CliRunner().invoke(app, ["experiments"]).exit_code == 1
