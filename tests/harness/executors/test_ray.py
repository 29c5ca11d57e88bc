"""Ray's actors give the bytes that this process gives, and what one meets costs a try. Needs the extra `ray`."""

from __future__ import annotations

import sys

import pytest

from harness.errors import UsageError
from harness.models.toy import ToyModel
from harness.progress import Quiet
from harness.sampling import Execution, sample_missing
from harness.store import Store
from tests.harness.executors.faults import loads, sounds, toy_plan


def test_without_ray_its_name_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"Ray is not installed: pip install 'music-harness\[ray\]'"):
        sample_missing(toy_plan(), ToyModel(), Store(tmp_path / "store"), Quiet(), Execution("ray"))


def test_an_address_belongs_to_ray():
    with pytest.raises(UsageError, match="--executor ray"):
        Execution("local", address="auto")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("whole") / "store")
    sample_missing(toy_plan(), ToyModel(), store, Quiet())
    return sounds(store)


@pytest.fixture(scope="module")
def cluster():
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield ray
    ray.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning:ray", "ignore::ResourceWarning")
@pytest.mark.parametrize("fault", ["none", "slow", "kill", "connection", "hang"])
def test_the_same_bytes_come_out_of_actors(fault, cluster, tmp_path, whole):
    store, load = Store(tmp_path / "store"), loads(fault, tmp_path)
    timeout = 5.0 if fault == "hang" else None
    outcome = sample_missing(toy_plan(), load(), store, Quiet(), Execution("ray", timeout=timeout), load)
    assert sounds(store) == whole
    assert outcome.failures == ()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning:ray", "ignore::ResourceWarning")
def test_an_exception_in_an_actor_costs_its_batch(cluster, tmp_path):
    load = loads("exception", tmp_path)
    store = Store(tmp_path / "store")
    outcome = sample_missing(toy_plan(), load(), store, Quiet(), Execution("ray"), load)
    assert {failure.error for failure in outcome.failures} == {"ZeroDivisionError"}
    assert len(sounds(store)) == 12
