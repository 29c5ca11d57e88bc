"""`harness sync`: MLflow can be made again from the results, anywhere, at any time, and only once."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.store.listing import listing
from metrics.io.files import temporary_mark
from tests.e2e.mlflow_server import content, free_port, serving
from tests.e2e.postgres import postgres


def run(results: Path, reference: Path, *more: str, code: int = 0) -> str:
    varied = ["--temperature", "0.6", "--temperature", "1"]
    common = ["--model", "toy", "--embedder", "toy", "--seconds", "1", "--clips", "8", "--quiet"]
    common += ["--reference", str(reference), "--results", str(results)]
    result = CliRunner().invoke(app, ["run", "temperature", *varied, *common, *more])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.stdout


def sync(results: Path, *more: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["sync", *more, "--results", str(results), "--quiet"])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.output


def database(results: Path) -> str:
    return f"sqlite:///{(results / 'mlflow.db').resolve()}"


@pytest.fixture(scope="module")
def logged(tmp_path_factory, toy_reference):
    """A run that was logged at its end, and what MLflow shows of it."""
    folder = tmp_path_factory.mktemp("sync")
    run(folder / "results", toy_reference)
    return folder / "results", content(database(folder / "results"), "temperature", folder / "artifacts")


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory) -> Path:
    """A database without runs: its migration takes seconds, so that all but one of the tests copy it."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("database") / "empty.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def results(logged, tmp_path, empty_database) -> Path:
    """The same results, to be changed, with nothing logged."""
    shutil.copytree(logged[0], tmp_path / "results", symlinks=True)
    shutil.rmtree(tmp_path / "results" / "mlartifacts")
    shutil.copyfile(empty_database, tmp_path / "results" / "mlflow.db")
    return tmp_path / "results"


def test_a_deleted_database_is_made_again_with_the_same_content(logged, results, tmp_path):
    (results / "mlflow.db").unlink()
    # What is left of one whose making was killed is removed: MLflow could not go on with it. `tests/soak` kills it.
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    mark = temporary_mark().replace(f"-{os.getpid()}-", f"-{ended.pid}-")
    for name in (f".mlflow.db.{mark}", f".mlflow.db.{mark}-journal"):
        (results / name).write_bytes(b"half")
    assert "1 runs logged, 0 already logged" in sync(results)
    assert {path.name for path in results.glob("*mlflow*")} == {".mlflow.lock", "mlflow.db"}
    assert content(database(results), "temperature", tmp_path / "artifacts") == logged[1]
    assert len(logged[1]) == 3


def test_syncing_again_changes_nothing(logged, results, tmp_path):
    sync(results)
    assert "0 runs logged, 1 already logged" in sync(results)
    told = json.loads(sync(results, "--json"))
    assert [one["new"] for one in told["logged"].values()] == [False]
    assert content(database(results), "temperature", tmp_path / "artifacts") == logged[1]


def test_a_run_deleted_in_mlflow_is_made_again(logged, results, tmp_path):
    from mlflow import MlflowClient

    sync(results)
    client = MlflowClient(tracking_uri=database(results))
    for one in client.search_runs(["1"]):
        client.delete_run(one.info.run_id)
    assert "1 runs logged" in sync(results)
    assert content(database(results), "temperature", tmp_path / "artifacts") == logged[1]


def test_children_whose_parent_was_deleted_in_mlflow_get_the_new_one(logged, results, tmp_path):
    from mlflow import MlflowClient

    sync(results)
    client = MlflowClient(tracking_uri=database(results))
    for one in client.search_runs(["1"], "tags.mlflow.runName = 'temperature'"):
        client.delete_run(one.info.run_id)
    assert "1 runs logged" in sync(results)
    assert content(database(results), "temperature", tmp_path / "artifacts") == logged[1]


def test_the_facts_are_those_of_the_sampling_not_of_the_logging(logged, results, monkeypatch, tmp_path):
    from harness.core import provenance

    monkeypatch.setattr(provenance, "source", lambda: {"git_commit": "another", "git_dirty": True})
    monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere")
    sync(results)
    assert content(database(results), "temperature", tmp_path / "artifacts") == logged[1]
    record = json.loads((Path(listing(results)[0]["path"]).parent / "record.json").read_text("utf-8"))
    for shown in logged[1].values():
        assert shown["tags"]["host"] == record["host"]["host"] != "elsewhere"
        assert shown["tags"]["git.commit"] == record["host"]["git_commit"]
        assert shown["tags"]["git.dirty"] in ("true", "false")
        assert shown["tags"]["package.numpy"] == record["host"]["packages"]["numpy"]


def test_clips_that_were_removed_leave_the_figures(logged, results, tmp_path):
    shutil.rmtree(results / "store")
    sync(results)
    again = content(database(results), "temperature", tmp_path / "artifacts")
    assert {key: one["metrics"] for key, one in again.items()} == {
        key: one["metrics"] for key, one in logged[1].items()
    }


def test_runs_are_named_or_all(results):
    [folder] = (results / "runs").iterdir()
    shutil.copytree(folder, results / "runs" / "other-000000000000")
    assert "1 runs logged" in sync(results, folder.name)
    assert "1 already logged" in sync(results, folder.name.rpartition("-")[2][:6])
    assert "Did you mean" in sync(results, "temprature", code=2)


def test_a_damaged_run_is_named_and_the_others_are_synced(results):
    (results / "runs" / "a-damaged").mkdir()
    (results / "runs" / "a-damaged" / "result.json").write_text("{")
    said = sync(results, code=1)
    assert "a-damaged/result.json cannot be read" in said
    assert "1 runs logged, 0 already logged, 1 not synced: a-damaged" in said


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:9", "nonsense://x", "postgresql://127.0.0.1:9/x", "sqlite:////proc/no/such.db", "http://"]
)
def test_an_mlflow_that_cannot_be_written_is_one_message(results, monkeypatch, uri):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    said = sync(results, code=1)
    assert "Nothing is lost" in said
    assert "harness sync" in said


def test_a_database_that_is_none_stops_no_sampling(results, toy_reference, tmp_path, monkeypatch):
    (tmp_path / "broken.db").write_text("no database")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'broken.db'}")
    shutil.rmtree(results / "store")
    assert "not synced: run `harness sync`" in run(results, toy_reference)
    assert len(listing(results)) == 16
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert "1 runs logged" in sync(results)


def test_a_truncated_database_of_the_results_is_named_as_what_to_remove(results):
    path = results / "mlflow.db"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert f"if the database is damaged, remove {path}, then run 'harness sync'" in sync(results, code=1)


def test_a_server_that_accepts_and_never_answers_stops_no_sampling(results, toy_reference, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        assert "not synced: run `harness sync`" in run(results, toy_reference)


@pytest.mark.slow
def test_a_real_server_that_is_down_is_synced_when_it_is_up(
    logged, results, empty_database, toy_reference, tmp_path, monkeypatch
):
    """Up, down, up again: with the database of before, and with a new one."""
    port = free_port()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert "not synced: run `harness sync`" in run(results, toy_reference)
    for name in ("first", "second"):
        place = tmp_path / name
        place.mkdir()
        with serving(f"sqlite:///{place / 'server.db'}", place / "artifacts", port) as url:
            assert "1 runs logged, 0 already logged" in sync(results)
            assert content(url, "temperature", place / "read") == logged[1]
            assert "already in experiment 'temperature'" in run(results, toy_reference)
    assert (results / "mlflow.db").read_bytes() == empty_database.read_bytes()


@pytest.mark.slow
def test_a_server_on_postgresql_shows_the_same(logged, results, tmp_path, monkeypatch):
    with (
        postgres(free_port()) as database,
        serving(database, tmp_path / "artifacts", free_port()) as url,
    ):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
        assert "1 runs logged, 0 already logged" in sync(results)
        assert "0 runs logged, 1 already logged" in sync(results)
        assert content(url, "temperature", tmp_path / "read") == logged[1]
