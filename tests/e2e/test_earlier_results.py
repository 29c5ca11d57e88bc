"""What an earlier version stored is still there: the same clips by the same ids, and nothing is sampled again."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli import app

EARLIER = Path(__file__).parents[1] / "golden" / "earlier_results"
RUN = "temperature-1a866b8685b1"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EARLIER, tmp_path / "results"))


def harness(results: Path, *arguments: str) -> str:
    found = CliRunner().invoke(app, [*arguments, "--results", str(results)])
    assert found.exit_code == 0, found.output
    return found.stdout


def earlier_ids() -> set[str]:
    with (EARLIER / "runs" / RUN / "clips.csv").open(encoding="utf-8", newline="") as file:
        return {row["clip"] for row in csv.DictReader(file)}


def test_the_same_run_samples_nothing_again(results):
    harness(
        results, "run", "temperature", "--model", "toy", "--temperature", "0.5", "--temperature", "0.9", "--clips", "4",
        "--seconds", "1", "--embedder", "toy", "--reference", str(results / "toy.safetensors"), "--reuse",
        "only-cached", "--quiet",
    )  # fmt: skip
    listed = json.loads(harness(results, "store", "ls", "--json"))
    assert {clip["identity"] for clip in listed} == earlier_ids()


def test_the_store_is_listed_and_found_whole(results):
    listed = json.loads(harness(results, "store", "ls", "--json"))
    assert {clip["identity"] for clip in listed} == earlier_ids()
    assert all(len(clip["sha256"]) == 64 for clip in listed)
    harness(results, "store", "verify")


def test_the_run_is_shown_in_mlflow(results):
    from mlflow import MlflowClient

    harness(results, "sync", "--quiet")
    client = MlflowClient(tracking_uri=f"sqlite:///{results / 'mlflow.db'}")
    [experiment] = [one for one in client.search_experiments() if one.name == "temperature"]
    found = client.search_runs([experiment.experiment_id])
    assert len(found) == 3  # the request and its two conditions
    assert sum("fad16" in run.data.metrics for run in found) == 2
