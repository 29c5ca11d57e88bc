"""Every executor gives the same bytes, and what a worker meets on the way costs a try, or its own clips, no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.progress import Quiet
from harness.models.toy import ToyModel
from harness.sampling.loop import Execution, Sampled, sample_missing
from harness.store.clips import Store
from tests.harness.sampling.executors.clusters import one_node
from tests.harness.sampling.executors.faults import Faulty, loads, sounds, toy_plan

RAY = pytest.param("ray", marks=pytest.mark.slow)
EXECUTORS = ["local", "processes:2", RAY]


@pytest.fixture(scope="module")
def cluster():
    with one_node():
        yield


@pytest.fixture
def executor(request) -> str:
    """The executor's name; where it is Ray, there is a cluster."""
    if request.param == "ray":
        request.getfixturevalue("cluster")
    return request.param


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, tuple[bytes, ...]]:
    """What an undisturbed run in this process leaves."""
    store = Store(tmp_path_factory.mktemp("whole") / "store")
    sample_missing(toy_plan(), ToyModel(), store, Quiet())
    return sounds(store)


def sampled(fault: str, folder: Path, executor: str, **execution) -> tuple[Store, Sampled]:
    store, load = Store(folder / "store"), loads(fault, folder)
    return store, sample_missing(toy_plan(), load(), store, Quiet(), Execution(executor, **execution), load)


def leftovers(store: Store) -> list[Path]:
    return [path for name in (".partial", ".locks", ".unfinished") for path in store.root.glob(f"{name}/*")]


@pytest.mark.parametrize("executor", EXECUTORS, indirect=True)
@pytest.mark.parametrize("fault", ["none", "slow", "connection"])
def test_the_same_bytes_come_out_and_nothing_is_left_behind(fault, executor, tmp_path, whole):
    store, outcome = sampled(fault, tmp_path, executor)
    assert sounds(store) == whole
    assert (outcome.clips, outcome.failures, outcome.changed) == (16, (), 0)
    assert leftovers(store) == []
    assert not list((tmp_path / "failures").glob("*"))


@pytest.mark.parametrize("executor", ["processes:1", "processes:2", RAY], indirect=True)
def test_a_killed_worker_is_replaced_and_its_batch_sampled_by_another(executor, tmp_path, whole):
    store, outcome = sampled("kill", tmp_path, executor)
    assert sounds(store) == whole
    assert outcome.failures == ()
    store.sweep()
    assert leftovers(store) == []


@pytest.mark.parametrize("executor", EXECUTORS, indirect=True)
def test_a_hung_worker_costs_a_try(executor, tmp_path, whole):
    store, outcome = sampled("hang", tmp_path, executor, timeout=0.5)
    assert sounds(store) == whole
    assert outcome.failures == ()


@pytest.mark.parametrize("executor", EXECUTORS, indirect=True)
def test_an_exception_costs_the_clips_of_its_batch_and_is_not_tried_again(executor, tmp_path, whole):
    store, outcome = sampled("exception", tmp_path, executor)
    lost = {failure.clip for failure in outcome.failures}
    assert len(lost) == 4
    assert sounds(store) == {clip: sound for clip, sound in whole.items() if clip not in lost}
    for failure in outcome.failures:
        assert (failure.kind, failure.error, failure.attempt) == ("model", "ZeroDivisionError", 1)
        assert "in meet" in failure.traceback
        assert failure.host
        assert (tmp_path / "failures" / f"{failure.clip}.json").is_file()
    again = sample_missing(toy_plan(), ToyModel(), store, Quiet())
    assert (again.clips, again.failures) == (4, ())
    assert sounds(store) == whole
    assert not list((tmp_path / "failures").glob("*"))


@pytest.mark.parametrize("executor", EXECUTORS, indirect=True)
def test_what_the_machine_breaks_every_time_is_given_up(executor, tmp_path, monkeypatch):
    store, outcome = sampled("connection", tmp_path, executor, retries=0)
    assert {failure.kind for failure in outcome.failures} == {"infrastructure"}
    assert len(outcome.failures) == 4
    assert len(sounds(store)) == 12


@pytest.mark.parametrize("executor", EXECUTORS, indirect=True)
def test_a_clip_that_cannot_be_kept_costs_no_neighbour(executor, tmp_path):
    store, outcome = sampled("nan", tmp_path, executor)
    assert len(outcome.failures) == 4
    assert len(sounds(store)) == 12
    assert "NaN" in outcome.failures[0].message


def test_workers_go_when_the_driver_leaves(tmp_path):
    from harness.sampling.executors.processes import Processes
    from harness.sampling.worker import Batch, Worker

    batches = [Batch(n, tuple(requests)) for n, requests in enumerate(toy_plan().batches(ids(), Faulty.width))]
    with Processes(Worker(loads("slow", tmp_path), tmp_path / "store"), 2) as executor:
        next(executor.run(batches, lambda *_: None))
        running = [seat.process for seat in executor.seats if seat is not None]
        assert running
    assert not any(process.is_alive() for process in running)


def ids() -> list[str]:
    return [request.id for request in toy_plan().requests]
