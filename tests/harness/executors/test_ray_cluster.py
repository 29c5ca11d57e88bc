"""A node of a Ray cluster is lost midway; the clips come out all the same. Needs the extra `ray`."""

from __future__ import annotations

import pytest

from harness.models.toy import ToyModel
from harness.progress import Quiet
from harness.sampling import Execution, sample_missing
from harness.store import Store
from tests.harness.executors.faults import loads, sounds, toy_plan

CLIPS = 48


class LosingNode(Quiet):
    """A progress that takes a node away when the first clips are done."""

    def __init__(self, lose) -> None:
        self.lose, self.lost = lose, False

    def stage(self, title, total):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *reason):
        pass

    def advance(self, done, detail=""):
        if done >= 8 and not self.lost:
            self.lost = True
            self.lose()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning:ray", "ignore::ResourceWarning")
def test_a_lost_node_costs_tries_and_no_clip(tmp_path):
    ray, utils = pytest.importorskip("ray"), pytest.importorskip("ray.cluster_utils")

    here = Store(tmp_path / "here" / "store")
    sample_missing(toy_plan(CLIPS), ToyModel(), here, Quiet())
    cluster = utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        second = cluster.add_node(num_cpus=1)
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        store, load = Store(tmp_path / "store"), loads("slow", tmp_path)
        progress = LosingNode(lambda: cluster.remove_node(second, allow_graceful=False))
        outcome = sample_missing(toy_plan(CLIPS), load(), store, progress, Execution("ray", retries=4), load)
        assert progress.lost
        assert outcome.failures == ()
        assert sounds(store) == sounds(here)
    finally:
        ray.shutdown()
        cluster.shutdown()
