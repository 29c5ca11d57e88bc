"""What stored clips are worth, what a failure costs, and that several runs on one store share the work."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from harness.core.errors import ModelError, SamplingError, UsageError
from harness.core.progress import Lines, Quiet
from harness.models.toy import ToyModel
from harness.sampling.loop import Execution, sample_missing
from harness.sampling.worker import fitting_width
from harness.store.clips import Store
from tests.harness.sampling.executors.faults import Faulty, Large, sounds, toy_plan


def store_of(folder: Path) -> Store:
    store = Store(folder / "store")
    sample_missing(toy_plan(), ToyModel(), store, Quiet())
    return store


def test_only_cached_samples_nothing(tmp_path):
    store = Store(tmp_path / "store")
    assert sample_missing(toy_plan(), ToyModel(), store, Quiet(), Execution(reuse="only-cached")).clips == 0
    assert sounds(store) == {}


def test_always_rerun_samples_all_and_leaves_what_comes_out_the_same(tmp_path):
    store = store_of(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in store.root.glob("??/*/record.json")}
    outcome = sample_missing(toy_plan(), ToyModel(), store, Quiet(), Execution(reuse="always-rerun"))
    assert (outcome.clips, outcome.changed) == (16, 0)
    assert {path: path.stat().st_mtime_ns for path in store.root.glob("??/*/record.json")} == before


class Louder(ToyModel):
    """A toy that has changed without saying so."""

    def sample(self, *arguments, **named):
        clips = super().sample(*arguments, **named)
        for clip in clips:
            clip.audio[:] *= 1.5
        return clips


def test_always_rerun_replaces_what_comes_out_otherwise(tmp_path):
    store, other = store_of(tmp_path / "a"), Store(tmp_path / "b" / "store")
    outcome = sample_missing(toy_plan(), Louder(), store, Quiet(), Execution(reuse="always-rerun"))
    assert outcome.changed == 16
    sample_missing(toy_plan(), Louder(), other, Quiet())
    assert sounds(store) == sounds(other)
    for clip in sounds(store):
        store.get(clip)
    assert not list(store.root.glob(".partial/*"))


def test_on_error_stop_raises_the_first_failure_as_itself(tmp_path):
    with pytest.raises(ModelError, match="audio that cannot be kept"):
        sample_missing(
            toy_plan(), Faulty("nan", tmp_path), Store(tmp_path / "store"), Quiet(), Execution(on_error="stop")
        )
    assert len(sounds(Store(tmp_path / "store"))) == 3


def test_more_failures_than_may_stop_the_run(tmp_path):
    with pytest.raises(SamplingError, match=r"2 clips failed, more than the 1 that may.*--max-failures"):
        sample_missing(
            toy_plan(), Faulty("nan", tmp_path), Store(tmp_path / "store"), Quiet(), Execution(max_failures=1)
        )


@pytest.mark.parametrize(("most", "said"), [(2, r"2 at a time fit \(--width 2\)"), (0, "with one clip as well")])
def test_out_of_memory_says_which_width_fits_and_changes_nothing(most, said, tmp_path):
    with pytest.raises(ModelError, match=said):
        sample_missing(toy_plan(), Large(most), Store(tmp_path / "store"), Quiet())
    assert sounds(Store(tmp_path / "store")) == {}


def test_the_width_that_fits_is_found_by_halving_and_leaves_the_model_alone():
    model, requests = Large(1), toy_plan().requests[:4]
    conditionings = [model.encode(request.prompt, 1.0) for request in requests]
    assert fitting_width(model, conditionings, requests) == 1
    assert model.width == 4


def test_a_mistake_of_the_users_ends_the_run_at_once(tmp_path):
    class Refusing(ToyModel):
        def sample(self, *arguments, **named):
            raise UsageError("no such hop")

    with pytest.raises(UsageError, match="no such hop"):
        sample_missing(toy_plan(), Refusing(), Store(tmp_path / "store"), Quiet())


@pytest.mark.parametrize(
    "wrong",
    [
        {"executor": "procesess:2"},
        {"executor": "processes:0"},
        {"executor": "local:2"},
        {"reuse": "some"},
        {"on_error": "ask"},
        {"retries": -1},
        {"max_failures": -1},
        {"timeout": 0.0},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(UsageError, match="expected"):
        Execution(**wrong)


def _one_run(folder: Path) -> None:
    sample_missing(toy_plan(), Faulty("slow", folder), Store(folder / "store"), Lines())


def test_ten_runs_at_once_sample_each_clip_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    runs = [context.Process(target=_one_run, args=(tmp_path,)) for _ in range(10)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [run.exitcode for run in runs] == [0] * 10
    seeds = (tmp_path / "log").read_text().split()
    assert len(seeds) == 16  # eight seeds, each under two conditions
    assert len(set(seeds)) == 8
    assert sounds(Store(tmp_path / "store")) == sounds(store_of(tmp_path / "alone"))
    assert not list((tmp_path / "store").glob(".locks/*"))
