"""The loop stores each batch at once, goes on where it was, and keeps what it has when something goes wrong."""

import re
from pathlib import Path

import numpy as np
import pytest

import harness
from harness.core.errors import ModelError, SamplingError, UsageError
from harness.core.progress import Quiet
from harness.models.base import Clip, Sampling
from harness.models.toy import ToyModel
from harness.planning.experiment import Condition, Experiment
from harness.planning.plan import Plan, make_plan
from harness.planning.settings import ExperimentSettings
from harness.prompts.prompt import Prompt
from harness.running.settings import RunSettings
from harness.sampling.loop import Execution, Sampled, sample_missing
from harness.store.clips import Store

EXPERIMENT = Experiment("t", (Condition("cold", Sampling(0.5)), Condition("warm", Sampling(1.0))), "temperature")


def plan(model: ToyModel, clips: int = 6) -> Plan:
    prompts = tuple(Prompt(style=style) for style in model.styles)
    return make_plan(EXPERIMENT, model, ExperimentSettings(clips=clips, seconds=0.5, prompts=prompts))


def stored(store: Store) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in store.root.glob("??/*/audio.flac")}


class Stopping(ToyModel):
    """A toy that is stopped, or breaks, before its n-th batch."""

    def __init__(self, batches: int, error: BaseException) -> None:
        self.left, self.error = batches, error

    def sample(self, conditionings, seeds, sampling=None, progress=None, unfinished=None):
        if self.left == 0:
            raise self.error
        self.left -= 1
        return super().sample(conditionings, seeds, sampling, progress)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError(), UsageError("broken")])
def test_what_was_sampled_before_a_stop_is_kept_and_the_rest_is_the_same(tmp_path, error):
    whole, broken = Store(tmp_path / "whole"), Store(tmp_path / "broken")
    assert sample_missing(plan(ToyModel()), ToyModel(), whole, Quiet()).clips == 12
    with pytest.raises((type(error), ModelError)):
        sample_missing(plan(ToyModel()), Stopping(2, error), broken, Quiet())
    assert len(stored(broken)) == 6  # a batch of four and one of two, then the next condition
    assert sample_missing(plan(ToyModel()), ToyModel(), broken, Quiet()).clips == 6
    assert stored(broken) == stored(whole)
    assert sample_missing(plan(ToyModel()), Stopping(0, AssertionError()), broken, Quiet()).clips == 0


class Spoiling(ToyModel):
    """A toy whose second clip of every batch is not finite."""

    def sample(self, conditionings, seeds, sampling=None, progress=None, unfinished=None):
        clips = super().sample(conditionings, seeds, sampling, progress)
        clips[1] = Clip(np.full_like(clips[1].audio, np.nan), clips[1].rate)
        return clips


def test_a_clip_that_is_not_finite_is_named_and_its_neighbours_are_kept(tmp_path):
    store = Store(tmp_path / "store")
    outcome = sample_missing(plan(ToyModel()), Spoiling(), store, Quiet())
    assert re.search(r"toy made audio that cannot be kept for cold.*'toy-drone', seed \d+.*NaN", said(outcome))
    assert len(stored(store)) == 8
    assert len(outcome.failures) == 4


class Forgetful(ToyModel):
    """A toy that returns a clip too few."""

    def sample(self, conditionings, seeds, sampling=None, progress=None, unfinished=None):
        return super().sample(conditionings, seeds, sampling, progress)[1:]


def test_a_model_that_returns_too_few_clips_is_refused(tmp_path):
    with pytest.raises(SamplingError, match="returned 3 clips for 4 requests"):
        sample_missing(plan(ToyModel()), Forgetful(), Store(tmp_path / "store"), Quiet(), Execution(max_failures=0))


def said(outcome: Sampled) -> str:
    return outcome.failures[0].message


def test_the_record_says_where_a_clip_was_made_and_its_name_does_not_depend_on_it(tmp_path):
    store = Store(tmp_path / "store")
    sample_missing(plan(ToyModel(), clips=1), ToyModel(), store, Quiet())
    for clip_id in stored(store):
        record = store.get(clip_id).record
        assert {"device", "threads", "torch", "platform", "harness"} <= set(record["host"])
        assert not set(record["host"]) & set(record["identity"])
        assert record["conditioning"]["style"] == "toy-bell"


@pytest.mark.parametrize("wrong", [{"clips": 0}, {"seconds": -1.0}, {"seconds": float("nan")}, {"seed": -1}])
def test_settings_are_checked_before_anything_is_loaded(wrong):
    with pytest.raises(UsageError):
        RunSettings(model="no such model", **wrong)


def test_the_folder_of_results_is_given_or_that_of_the_environment(monkeypatch):
    assert RunSettings().results_folder == Path("results")
    monkeypatch.setenv("HARNESS_RESULTS", "/elsewhere")
    assert RunSettings().results_folder == Path("/elsewhere")
    assert RunSettings(results=Path("here")).results_folder == Path("here")


def test_the_facade_runs_the_five_steps(tmp_path):
    prompt = harness.Prompt(text="科研创意激发")
    model = harness.load_model("toy")
    encoded = model.encode(prompt, seconds=1)
    [clip] = model.sample([encoded], seeds=[0])
    assert clip.save(tmp_path / "output.wav").stat().st_size == pytest.approx(32044, abs=10)


def test_every_name_of_the_facade_is_there():
    for name in harness.__all__:
        assert getattr(harness, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = harness.nothing  # type: ignore[attr-defined]
