"""What only a Ray cluster has: nodes that come late, that have GPUs, or that do not see the store. Needs the extra
`ray`; what Ray has in common with the others is in `test_conformance`."""

from __future__ import annotations

import importlib
import socket
import sys
from functools import partial
from pathlib import Path, PosixPath

import pytest

from harness.core.errors import ModelError, UsageError
from harness.core.progress import Quiet
from harness.models.toy import ToyModel
from harness.planning.plan import Plan, make_plan
from harness.planning.settings import ExperimentSettings
from harness.prompts.prompt import Prompt
from harness.sampling.loop import Execution, Sampled, sample_missing
from harness.store.clips import Store
from tests.harness.sampling.executors.clusters import several_nodes
from tests.harness.sampling.executors.faults import EXPERIMENT, Faulty, Large, loads, sounds, toy_plan, workers
from tests.harness.sounds import make_folder


def test_without_ray_its_name_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"Ray is not installed: pip install 'music-harness\[ray\]'"):
        sample_missing(toy_plan(), ToyModel(), Store(tmp_path / "store"), Quiet(), Execution("ray"))


def test_an_address_belongs_to_ray():
    with pytest.raises(UsageError, match="--executor ray"):
        Execution("local", address="auto")


@pytest.mark.long
@pytest.mark.parametrize("address", ["auto", "nonsense", "127.0.0.1:{unused}", "ray://127.0.0.1:{unused}"])
@pytest.mark.parametrize("left", [False, True])
def test_where_no_cluster_answers_one_is_to_be_named(left, address, tmp_path, monkeypatch):
    """Also where a cluster that was killed has left its address."""
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as closed:
        unused = closed.getsockname()[1]
        address = address.format(unused=unused)
    if left:
        (tmp_path / "ray").mkdir()
        (tmp_path / "ray" / "ray_current_cluster").write_text(f"127.0.0.1:{unused}")
    with pytest.raises(UsageError, match=f"no Ray cluster answers at '{address}' .* --address HOST:PORT"):
        sample_missing(toy_plan(), ToyModel(), Store(tmp_path / "store"), Quiet(), Execution("ray", address=address))


@pytest.fixture(scope="module")
def cluster():
    with several_nodes() as cluster:
        yield cluster


class OnEachNode(PosixPath):
    """A path that every node has a disk of its own under: whoever gets it sent finds another folder there."""

    def __reduce__(self):
        return Path, (f"{self}-of-the-node",)


def without_shared_disk(folder: Path, plan: Plan, load, **execution) -> tuple[Store, Sampled]:
    store = Store(OnEachNode(folder / "store"))
    return store, sample_missing(plan, ToyModel(), store, Quiet(), Execution("ray", **execution), load)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["none", "kill", "connection"])
def test_nodes_without_the_store_send_their_clips_to_the_driver(fault, cluster, tmp_path):
    plan = with_audio_prompt(tmp_path)
    here = Store(tmp_path / "here")
    sample_missing(plan, ToyModel(), here, Quiet())
    store, outcome = without_shared_disk(tmp_path, plan, loads(fault, tmp_path))
    assert sounds(store) == sounds(here)
    assert (outcome.clips, outcome.failures) == (16, ())
    assert records(store) == records(here)
    assert not (tmp_path / "store-of-the-node").exists()
    assert not list(store.root.glob(".[plu]*/*"))


def with_audio_prompt(folder: Path) -> Plan:
    """A plan one of whose prompts is a sound file, which the driver alone can read."""
    audio = OnEachNode(make_folder(folder / "prompts", 1) / "00.wav")
    prompts = (Prompt(style="toy-bell"), Prompt(audio=audio, prompt_seconds=0.25))
    return make_plan(EXPERIMENT, ToyModel(), ExperimentSettings(clips=8, seconds=0.5, prompts=prompts))


def records(store: Store) -> dict[str, object]:
    """What the records say, but for the process that they were made in."""
    return {clip: {**store.get(clip).record, "host": None} for clip in store.ids()}


@pytest.mark.slow
def test_what_another_run_has_claimed_is_not_sampled_on_such_a_node(cluster, tmp_path):
    plan = toy_plan()
    theirs = [request.id for request in plan.requests[:6]]
    released = []

    class Releasing(Quiet):
        """The other run ends, when this one says that it waits."""

        def note(self, message):
            released.append(message)
            claim.__exit__(None, None, None)

    store = Store(OnEachNode(tmp_path / "store"))
    with Store(tmp_path / "store").claim(theirs):
        pass
    claim = Store(tmp_path / "store").claim(theirs)
    claim.__enter__()
    load = loads("none", tmp_path)
    outcome = sample_missing(plan, ToyModel(), store, Releasing(), Execution("ray"), load)
    assert released == ["waiting for 6 clips that another run is sampling"]
    assert outcome.clips == 16
    assert len((tmp_path / "log").read_text().split()) == 16


@pytest.mark.long
def test_such_a_node_says_what_went_wrong(cluster, tmp_path):
    store, outcome = without_shared_disk(tmp_path, toy_plan(), loads("nan", tmp_path))
    assert {failure.message.partition(" made audio")[0] for failure in outcome.failures} == {"toy"}
    assert (len(outcome.failures), len(sounds(store))) == (4, 12)
    with pytest.raises(ModelError, match=r"out of memory with batches of 4 clips; 2 at a time fit \(--width 2\)"):
        without_shared_disk(tmp_path / "large", toy_plan(), partial(Large, 2))


class Elsewhere:
    """Loads a model, but on no other machine: its module is not there."""

    def __call__(self):
        return ToyModel()

    def __reduce__(self):
        return importlib.import_module, ("a_module_of_the_driver",)


@pytest.mark.long
def test_actors_that_cannot_start_come_to_an_end(cluster, tmp_path):
    store = Store(tmp_path / "store")
    outcome = sample_missing(toy_plan(), ToyModel(), store, Quiet(), Execution("ray", max_failures=16), Elsewhere())
    assert len(outcome.failures) == 16
    said = "the worker was lost (ModuleNotFoundError: No module named 'a_module_of_the_driver')"
    assert {failure.message for failure in outcome.failures} == {said}


@pytest.mark.long
def test_a_node_that_joins_gets_work_and_actors_get_a_gpu_each(cluster, tmp_path):
    node = cluster.add_node(num_cpus=2, num_gpus=2)
    try:
        load = partial(Faulty, "together", tmp_path)
        sample_missing(toy_plan(), ToyModel(), Store(tmp_path / "store"), Quiet(), Execution("ray"), load)
    finally:
        cluster.remove_node(node)
    assert sorted(workers(tmp_path).values()) == ["0", "1"]
