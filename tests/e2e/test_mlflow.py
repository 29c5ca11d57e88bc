"""What a run shows in MLflow, and that showing it twice changes nothing."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

import harness
from harness.cli import app
from harness.models import registry
from tests.harness.sampling.executors.faults import Faulty

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, Run


def arguments(results: Path, reference: Path, *more: str) -> list[str]:
    varied = ["--temperature", "0.6", "--temperature", "1"]
    common = ["--model", "toy", "--embedder", "toy", "--seconds", "1", "--clips", "8", "--quiet"]
    return ["run", "temperature", *varied, *common, "--reference", str(reference), "--results", str(results), *more]


@pytest.fixture(scope="module")
def logged(tmp_path_factory, toy_reference):
    results = tmp_path_factory.mktemp("mlflow") / "results"
    result = CliRunner().invoke(app, arguments(results, toy_reference))
    assert result.exit_code == 0, result.output
    return results, result


def client_of(results: Path):
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=f"sqlite:///{(results / 'mlflow.db').resolve()}")


def runs_of(results: Path):
    """The parent and its children by name, oldest first."""
    client = client_of(results)
    experiment = client.get_experiment_by_name("temperature")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert len(parents) == 1
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parents[0].info.run_id]
    assert len(children) == len(runs) - 1
    return parents[0], {run.info.run_name: run for run in children}


def inputs_of(run: Run) -> list[DatasetInput]:
    assert run.inputs is not None
    return run.inputs.dataset_inputs


def artifact_folder(run: Run) -> Path:
    assert run.info.artifact_uri is not None
    return Path(run.info.artifact_uri.removeprefix("file://"))


def artifacts(run: Run) -> set[str]:
    folder = artifact_folder(run)
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_there_is_a_parent_and_a_child_per_condition(logged):
    parent, children = runs_of(logged[0])
    assert set(children) == {"temperature=0.6", "temperature=1"}
    for run in (parent, *children.values()):
        assert run.info.status == "FINISHED"
        assert len(run.data.tags["harness.identity"]) == 64
        assert run.data.tags["harness.model"] == "toy"
        assert run.data.params["model"] == "toy"
        assert run.data.params["clips"] == "8"
        assert run.data.params["primary"] == "fad16"
        assert (run.data.params["family"], run.data.params["stage"]) == ("all contrasts", "declared")
        assert run.data.metrics["failures"] == 0
        assert "harness.failures" not in run.data.tags
        assert {"device", "host", "python", "package.torch", "package.numpy"} <= set(run.data.tags)
        assert {dataset.dataset.name for dataset in inputs_of(run)} == {"prompts", "toy"}
    assert children["temperature=0.6"].data.params["temperature"] == "0.6"


def test_metrics_come_with_their_bounds_and_are_those_of_the_results(logged):
    _, children = runs_of(logged[0])
    [folder] = (logged[0] / "runs").iterdir()
    for condition in json.loads((folder / "result.json").read_text("utf-8"))["conditions"]:
        metrics = children[condition["name"]].data.metrics
        for name, score in condition["scores"].items():
            assert metrics[name] == score["value"]
            assert metrics[f"{name}.se"] == score["stderr"]
            bounds = [metrics[key] for key in (f"{name}.low", f"{name}.high") if key in metrics]
            assert bounds == (score["interval"] or [])
        assert metrics["fad16.n"] == 8


def test_the_parent_shows_the_difference_and_the_figure(logged):
    parent, _ = runs_of(logged[0])
    difference = "fad16.difference/temperature:0.6 to temperature:1"
    assert {difference, f"{difference}.low", f"{difference}.high", f"{difference}.p"} <= set(parent.data.metrics)
    assert artifacts(parent) == {"result.json", "replicates.json", "scores.csv", "clips.csv", "scores.png"}


def test_children_hold_the_table_of_clips_and_some_to_hear(logged):
    _, children = runs_of(logged[0])
    for run in children.values():
        found = artifacts(run)
        assert {"clips.json", "scores.json"} <= found
        assert sum(name.endswith(".flac") for name in found) == 4
        table = json.loads((artifact_folder(run) / "clips.json").read_text("utf-8"))
        assert len(table["data"]) == 8
        assert {"prompt", "seed", "clip", "audio_sha256", "silent", "style_similarity"} <= set(table["columns"])


def test_failures_are_counted_tabled_and_gone_with_the_clips(toy_reference, tmp_path, monkeypatch):
    """A run with failures is shown as it is, the whole one beside it; what is in MLflow stays as it was."""
    command = arguments(tmp_path / "results", toy_reference)
    with monkeypatch.context() as patched:
        patched.setattr(registry, "load_model", lambda name: Faulty("exception", tmp_path))
        assert CliRunner().invoke(app, command).exit_code == 1
    parent, children = runs_of(tmp_path / "results")
    broken = children["temperature=0.6"]
    for run in (parent, broken):
        assert run.data.metrics["failures"] == 4
        assert run.data.tags["harness.failures"] == "4 × ZeroDivisionError"
        assert "failures.json" in artifacts(run)
    assert children["temperature=1"].data.metrics["failures"] == 0
    assert '"failures.json"' in broken.data.tags["mlflow.loggedArtifacts"]
    table = json.loads((artifact_folder(broken) / "failures.json").read_text("utf-8"))
    [row] = {tuple(row[table["columns"].index(name)] for name in ("error", "kind", "attempt")) for row in table["data"]}
    assert (row, len(table["data"])) == (("ZeroDivisionError", "model", 1), 4)
    assert {"traceback", "host", "clip", "seed", "prompt"} <= set(table["columns"])

    [folder] = (tmp_path / "results" / "runs").iterdir()
    CliRunner().invoke(app, [*command, "--reuse", "only-cached"])
    assert (folder / "failures.json").is_file()
    assert CliRunner().invoke(app, command).exit_code == 0
    assert not (folder / "failures.json").exists()


def test_what_a_condition_changes_is_in_its_parameters(toy_reference, tmp_path):
    conditions = (
        harness.Condition("bell", prompt={"style": "toy-bell"}),
        harness.Condition("longer", more_seconds=0.5),
        harness.Condition("again", replicate=1),
    )
    experiment = harness.Experiment("temperature", conditions, varies="much", primary="vendi", family="each alone")
    settings = harness.RunSettings(
        "toy", clips=4, seconds=1.0, references=(str(toy_reference),), embedders=("toy",), results=tmp_path
    )
    harness.run(experiment, settings)
    parent, children = runs_of(tmp_path)
    changed = ("prompt.style", "seconds", "replicate", "family")
    found = {name: [run.data.params.get(key) for key in changed] for name, run in children.items()}
    assert found == {
        "bell": ["toy-bell", "1.0", None, "each alone"],
        "longer": [None, "1.5", None, "each alone"],
        "again": [None, "1.0", "1", "each alone"],
    }
    assert parent.data.params["seconds"] == "1.0"


def test_what_the_machine_did_is_logged_where_it_is_asked_for(logged, toy_reference, tmp_path):
    pytest.importorskip("psutil")
    command = arguments(tmp_path / "results", toy_reference, "--system-metrics")
    assert CliRunner().invoke(app, command).exit_code == 0
    parent, children = runs_of(tmp_path / "results")
    seen = {name for name in parent.data.metrics if name.startswith("system/")}
    assert {"system/cpu_utilization_percentage", "system/system_memory_usage_megabytes"} <= seen
    [folder] = (tmp_path / "results" / "runs").iterdir()
    [[when, _], *_] = json.loads((folder / "system.json").read_text("utf-8"))
    history = client_of(tmp_path / "results").get_metric_history(parent.info.run_id, "system/disk_usage_percentage")
    assert history[0].timestamp == when
    assert parent.data.tags["harness.identity"] == runs_of(logged[0])[0].data.tags["harness.identity"]
    for run in (*children.values(), runs_of(logged[0])[0]):
        assert not any(name.startswith("system/") for name in run.data.metrics)


def test_without_psutil_its_name_says_what_to_install(toy_reference, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "psutil", None)
    for name in [name for name in sys.modules if name.startswith("mlflow.system_metrics")]:
        monkeypatch.delitem(sys.modules, name)
    result = CliRunner().invoke(app, arguments(tmp_path, toy_reference, "--system-metrics"))
    assert result.exit_code == 2
    assert "pip install 'music-harness[system]'" in result.stderr
    assert not (tmp_path / "store").exists()


@pytest.mark.slow
def test_models_that_are_compared_are_named_with_what_they_made(toy_reference, tmp_path):
    study = tmp_path / "temperature.yaml"
    study.write_text(
        "question: which?\nvaries: {grid: {model: [toy, jukebox:mini]}}\nprimary: vendi\n"
        "prompts: [a slow waltz, a fast one]\n"
    )
    common = ["--embedder", "toy", "--reference", str(toy_reference), "--results", str(tmp_path / "results")]
    command = ["run", str(study), "--seconds", "1", "--clips", "4", "--quiet", *common]
    plan = CliRunner().invoke(app, [*command, "--dry-run"])
    assert "toy, jukebox:mini" in plan.stdout, plan.output
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    parent, children = runs_of(tmp_path / "results")
    assert parent.data.params["model"] == parent.data.tags["harness.model"] == "toy, jukebox:mini"
    for name in ("toy", "jukebox:mini"):
        child = children[f"model={name}"]
        assert child.data.params["model"] == child.data.tags["harness.model"] == name
    assert len({run.data.tags["harness.model_hash"] for run in (parent, *children.values())}) == 3


def test_a_second_run_adds_nothing(logged, toy_reference):
    before = {run.info.run_id for run in runs_of(logged[0])[1].values()}
    result = CliRunner().invoke(app, arguments(logged[0], toy_reference))
    assert result.exit_code == 0, result.output
    assert "already in experiment 'temperature'" in result.stdout
    assert {run.info.run_id for run in runs_of(logged[0])[1].values()} == before


def test_a_run_that_was_killed_while_logging_is_finished_not_doubled(logged, toy_reference, tmp_path):
    results = tmp_path / "results"
    shutil.copytree(logged[0], results, symlinks=True)
    client, (parent, children) = client_of(results), runs_of(results)
    half = children["temperature=1"].info.run_id
    for run_id in (parent.info.run_id, half):
        client.update_run(run_id, status="RUNNING")
    result = CliRunner().invoke(app, arguments(results, toy_reference))
    assert result.exit_code == 0, result.output
    after, again = runs_of(results)
    assert after.info.run_id == parent.info.run_id
    assert {run.info.run_id for run in again.values()} == {run.info.run_id for run in children.values()}
    assert all(run.info.status == "FINISHED" for run in (after, *again.values()))


def test_the_environment_decides_where_and_under_which_name(logged, toy_reference, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{logged[0] / 'mlflow.db'}")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "study")
    result = CliRunner().invoke(app, arguments(tmp_path / "elsewhere", toy_reference))
    assert result.exit_code == 0, result.output
    assert not (tmp_path / "elsewhere" / "mlflow.db").exists()
    assert client_of(logged[0]).get_experiment_by_name("study") is not None


def test_an_mlflow_that_cannot_be_reached_loses_nothing(logged, toy_reference, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # nobody listens on the discard port
    result = CliRunner().invoke(app, arguments(logged[0], toy_reference))
    assert result.exit_code == 0, result.output
    assert "FAD, 16 comp." in result.stdout
    assert result.stdout.endswith(f"MLflow   not synced: run `harness sync` with --results {logged[0]}\n")
    assert "Nothing is lost" in result.stderr
    assert "Traceback" not in result.output


def test_a_fresh_database_is_made_without_chatter(toy_reference, tmp_path):
    run = subprocess.run(
        [sys.executable, "-m", "harness", *arguments(tmp_path / "results", toy_reference)],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""


def test_ui_says_when_there_is_nothing_to_show(tmp_path):
    result = CliRunner().invoke(app, ["ui", "--results", str(tmp_path)])
    assert result.exit_code == 2
    assert "run an experiment first" in result.output


@pytest.mark.slow
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_ui_shows_the_runs_and_stops_with_its_server(logged, signal_number):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "harness", "ui", "--results", str(logged[0]), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        url = f"http://127.0.0.1:{port}"
        while True:
            assert process.poll() is None
            try:
                with urllib.request.urlopen(f"{url}/health", timeout=10) as answer:
                    assert answer.status == 200
                    break
            except OSError:
                time.sleep(0.2)
        query = json.dumps({"experiment_ids": ["1"]}).encode()
        request = urllib.request.Request(
            f"{url}/api/2.0/mlflow/runs/search", query, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert len(json.load(answer)["runs"]) == 3
        process.send_signal(signal_number)
        said, complained = process.communicate(timeout=120)
    assert process.returncode == 0
    assert url in said
    assert "Traceback" not in complained
    with pytest.raises(urllib.error.URLError, match="refused"):
        urllib.request.urlopen(f"{url}/health", timeout=2)


def test_a_notebook_without_mlflow_gets_its_outcome_and_a_warning(tmp_path, toy_reference, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    experiment = harness.Experiment("truncation", (harness.Condition("free"),), varies="top_k", primary="vendi")
    settings = harness.RunSettings(
        "toy", clips=8, seconds=1.0, references=(str(toy_reference),), embedders=("toy",), results=tmp_path
    )
    with pytest.warns(UserWarning, match="not synced: run `harness sync`"):
        assert harness.run(experiment, settings).clips == 8


def test_a_notebook_runs_an_experiment_through_the_facade(tmp_path, toy_reference):
    conditions = (harness.Condition("greedy", harness.Sampling(top_k=1)), harness.Condition("free"))
    experiment = harness.Experiment("truncation", conditions, varies="top_k", primary="vendi")
    settings = harness.RunSettings(
        "toy", clips=8, seconds=1.0, references=(str(toy_reference),), embedders=("toy",), results=tmp_path
    )
    outcome = harness.run(experiment, settings)
    greedy, free = outcome.conditions
    assert greedy.scores["vendi"].value < free.scores["vendi"].value
    [declared] = [one for one in outcome.differences if one.label == "declared"]
    assert declared.significant
    assert declared.difference.value > 0
    assert client_of(tmp_path).get_experiment_by_name("truncation") is not None
