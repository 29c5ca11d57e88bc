"""A plan in figures: what is stored, what is missing, the work, the time where a rate was measured, the disk."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from harness.cli.tables.plan import said_time
from harness.core.errors import UsageError
from harness.core.progress import Quiet
from harness.models.base import Model, Sampling
from harness.models.toy import NOTE_SECONDS, ToyModel
from harness.planning.experiment import Condition, Experiment
from harness.prompts.prompt import Prompt
from harness.running.by_model import plan_of
from harness.running.dry_run import preview
from harness.running.experiment import sample_missing
from harness.running.settings import RunSettings
from harness.sampling import rates
from harness.sampling.rates import Rate, known_rate, measured_rate, tokens
from harness.scoring.measures import Measures
from harness.store.clips import Store

EXPERIMENT = Experiment("t", (Condition("cold", Sampling(0.5)), Condition("long", seconds=2.0)), "two things")
BELL = (Prompt(style="toy-bell"),)


@pytest.fixture
def settings(tmp_path, monkeypatch) -> RunSettings:
    monkeypatch.setattr(rates, "rates_file", lambda: tmp_path / "cache" / "rates.json")
    # What is measured is no part of the plan.
    monkeypatch.setattr(Measures, "load", lambda *names: None)
    monkeypatch.setattr("harness.running.dry_run.check_measurable", lambda *names: None)
    return RunSettings("toy", clips=3, seconds=1.0, prompts=BELL, results=tmp_path / "results")


def test_what_is_missing_is_counted_and_what_is_stored_is_not(settings):
    model, store = ToyModel(), Store(settings.results_folder / "store")
    found = preview(EXPERIMENT, settings)
    assert (found.stored, found.missing, found.audio_seconds) == (0, 6, 3 * 1.0 + 3 * 2.0)
    assert found.tokens == 9.0 / NOTE_SECONDS
    assert found.disk_bytes >= 9 * model.rate * 2
    assert found.free_bytes > 0
    assert not settings.results_folder.exists()
    first = replace(EXPERIMENT, conditions=EXPERIMENT.conditions[:1])
    sample_missing(plan_of(first, model, settings), model, store, Quiet())
    found = preview(EXPERIMENT, settings)
    assert [(one.stored, one.missing, one.seconds) for one in found.conditions] == [(3, 0, 1.0), (0, 3, 2.0)]
    assert found.tokens == 6.0 / NOTE_SECONDS


def test_the_time_is_that_of_a_measured_rate_or_unknown(settings):
    model = ToyModel()
    found = preview(EXPERIMENT, settings)
    assert found.seconds is None
    assert "unknown" in said_time(found)
    rates._remember(plan_of(EXPERIMENT, model, settings), model, plan_of(EXPERIMENT, model, settings).requests, 36.0)
    assert known_rate(model) == Rate("toy", "tokens", 2.0)
    found = preview(EXPERIMENT, settings)
    assert found.seconds == 36.0
    assert "about 36 s of sampling, at the 2 tokens/s" in said_time(found)
    assert "everything is stored" in said_time(replace(found, conditions=()))


def wordless() -> Model:
    """The toy as a model that does not count its codes."""
    toy = ToyModel()
    names = ("name", "rate", "width", "styles", "fingerprint", "encode", "sample")
    return cast(Model, SimpleNamespace(**{name: getattr(toy, name) for name in names}))


def test_a_model_without_tokens_is_measured_in_seconds_of_audio(settings):
    model = wordless()
    plan = plan_of(EXPERIMENT, model, settings)
    assert tokens(plan, model, plan.requests) is None
    rates._remember(plan, model, plan.requests, 4.5)
    assert known_rate(model) == Rate("toy", "seconds", 2.0)


def test_only_what_was_made_in_the_block_counts_also_when_it_ends_in_an_error(settings, monkeypatch):
    model, store = ToyModel(), Store(settings.results_folder / "store")
    plan = plan_of(EXPERIMENT, model, settings)
    clock = iter([0.0, 10.0])
    monkeypatch.setattr(rates.time, "monotonic", lambda: next(clock))
    first = plan_of(replace(EXPERIMENT, conditions=EXPERIMENT.conditions[:1]), model, settings)

    def stopped() -> None:
        with measured_rate(plan, model, store):
            sample_missing(first, model, store, Quiet())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert known_rate(model) == Rate("toy", "tokens", 3 / NOTE_SECONDS / 10)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": 1}', "\x00"])
def test_rates_that_cannot_be_read_are_measured_anew(settings, content):
    rates.rates_file().parent.mkdir()
    rates.rates_file().write_text(content)
    model = ToyModel()
    plan = plan_of(EXPERIMENT, model, settings)
    assert known_rate(model) is None
    rates._remember(plan, model, plan.requests, 36.0)
    assert known_rate(model) is not None
    json.loads(rates.rates_file().read_text())


def test_a_plan_refuses_what_a_run_would(settings):
    with pytest.raises(UsageError, match="Did you mean 'toy-bell'"):
        preview(EXPERIMENT, replace(settings, prompts=(Prompt(style="toy-bel"),)))
    with pytest.raises(UsageError, match="unknown metric 'fid'"):
        preview(replace(EXPERIMENT, primary="fid"), settings)
