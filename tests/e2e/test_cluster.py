"""An experiment on a Ray cluster of two nodes, one of which is lost midway, leaves what it leaves on one machine."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from harness.core.progress import Quiet
from harness.models.base import Sampling
from harness.planning.experiment import Condition, Experiment
from harness.running.experiment import evaluate
from harness.running.settings import RunSettings
from harness.sampling.loop import Execution
from tests.harness.sampling.executors.clusters import several_nodes
from tests.harness.sampling.executors.faults import Faulty, workers


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


class Together(RunSettings):
    """A run whose workers do not begin before there are two of them."""

    def loader(self):
        return partial(Faulty, "together", self.results_folder.parent)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file but the records' facts of the process that sampled."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "record.json"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.long
def test_a_node_lost_midway_changes_no_byte(tmp_path, toy_reference):
    conditions = (Condition("cold", Sampling(0.5)), Condition("warm", Sampling(1.0)))
    experiment = Experiment("cluster", conditions, "temperature")

    def settings(kind: type[RunSettings], name: str, execution: Execution) -> RunSettings:
        results = tmp_path / name / "results"
        results.parent.mkdir()
        return kind(
            "toy", 48, 1.0, references=(str(toy_reference),), embedders=("toy",), results=results, execution=execution
        )

    here = settings(RunSettings, "here", Execution())
    evaluate(experiment, here)
    there = settings(Together, "there", Execution("ray", retries=4))
    with several_nodes() as cluster:
        second = cluster.add_node(num_cpus=1)
        progress = LosingNode(lambda: cluster.remove_node(second, allow_graceful=False))
        outcome = evaluate(experiment, there, progress)
    assert progress.lost
    assert len(workers(tmp_path / "there")) >= 2
    # A batch that was stored as its node went is there, and counts as sampled by no run.
    assert (outcome.clips, outcome.failures) == (96, ())
    assert not list((tmp_path / "there" / "results" / "failures").glob("*"))
    assert contents(tmp_path / "there" / "results") == contents(tmp_path / "here" / "results")
