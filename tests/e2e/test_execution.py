"""`harness run` when clips fail, when nothing may be sampled, with several workers, and for a program that reads it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.models import registry
from harness.reporting import projection
from tests.harness.sampling.executors.faults import Faulty


def arguments(results: Path, reference: Path, *more: str) -> list[str]:
    varied = ["--temperature", "0.6", "--temperature", "1"]
    common = ["--model", "toy", "--embedder", "toy", "--seconds", "1", "--clips", "8", "--no-mlflow"]
    return ["run", "temperature", *varied, *common, "--reference", str(reference), "--results", str(results), *more]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory, toy_reference) -> Path:
    results = tmp_path_factory.mktemp("whole") / "results"
    assert CliRunner().invoke(app, arguments(results, toy_reference)).exit_code == 0
    return results


def test_two_workers_leave_what_one_leaves(whole, tmp_path, toy_reference):
    result = CliRunner().invoke(app, arguments(tmp_path, toy_reference, "--executor", "processes:2"))
    assert result.exit_code == 0, result.output
    assert "(16 sampled now)" in result.stdout
    assert contents(tmp_path) == contents(whole)


def test_clips_that_fail_are_told_kept_apart_and_made_by_the_command_that_is_shown(
    whole, tmp_path, toy_reference, monkeypatch
):
    results = tmp_path / "results"
    command = arguments(results, toy_reference)
    with monkeypatch.context() as patched:
        patched.setattr(registry, "load_model", lambda name: Faulty("exception", tmp_path))
        patched.setattr(sys, "argv", ["harness", *command])
        result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert "4 clips could not be made" in result.stderr
    assert "4 × ZeroDivisionError: the model divides by nothing" in result.stderr
    assert f"harness {' '.join(command)}" in result.stderr
    assert "temperature=0.6: 4 of 8 clips are missing" in result.stdout
    assert "Traceback" not in result.output
    assert len(list((results / "failures").glob("*.json"))) == 4
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 0, again.output
    assert "(4 sampled now)" in again.stdout
    assert not list((results / "failures").iterdir())
    (results / "failures").rmdir()
    assert contents(results) == contents(whole)


def test_a_run_killed_before_its_figure_was_drawn_draws_it(whole, tmp_path, toy_reference, monkeypatch):
    shutil.copytree(whole, tmp_path / "results", symlinks=True)
    [folder] = (tmp_path / "results" / "runs").iterdir()
    for name in ("result.json", "scores.png"):
        (folder / name).write_bytes(b"of an older version")

    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(projection, "write_png", kill)
        assert CliRunner().invoke(app, arguments(tmp_path / "results", toy_reference)).exit_code == 130
    assert CliRunner().invoke(app, arguments(tmp_path / "results", toy_reference)).exit_code == 0
    assert contents(tmp_path / "results") == contents(whole)


def test_a_condition_without_clips_is_left_out_and_said(tmp_path, toy_reference):
    CliRunner().invoke(app, arguments(tmp_path, toy_reference))
    result = CliRunner().invoke(app, arguments(tmp_path, toy_reference, "--temperature", "2", "--reuse", "only-cached"))
    assert result.exit_code == 0, result.output
    assert "temperature=2: 8 of 8 clips are missing, so it is left out" in result.stdout
    assert "none sampled" in result.stdout


def test_nothing_cached_is_a_mistake_that_is_explained(tmp_path, toy_reference):
    result = CliRunner().invoke(app, arguments(tmp_path, toy_reference, "--reuse", "only-cached"))
    assert result.exit_code == 2
    assert "none of the clips is stored" in result.stderr


def test_json_is_all_of_standard_output(whole, toy_reference):
    result = CliRunner().invoke(app, arguments(whole, toy_reference, "--json", "--quiet"))
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [condition["name"] for condition in found["conditions"]] == ["temperature=0.6", "temperature=1"]
    assert (found["sampled"], found["failures"]) == (0, [])
    assert Path(found["folder"]).is_dir()


def test_another_width_gives_other_clips_or_is_refused(tmp_path, toy_reference):
    result = CliRunner().invoke(app, arguments(tmp_path, toy_reference, "--width", "2"))
    assert result.exit_code == 2
    assert "toy takes no width" in result.stderr


@pytest.mark.parametrize("executor", ["local", "processes:2", pytest.param("ray", marks=pytest.mark.slow)])
def test_ctrl_c_says_how_to_go_on(executor, tmp_path, toy_reference):
    if executor == "ray":
        pytest.importorskip("ray")
    options = arguments(tmp_path, toy_reference, "--clips", "3000", "--executor", executor)
    with subprocess.Popen(
        [sys.executable, "-m", "harness", *options], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        while not list(tmp_path.glob("store/??/*")):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert f"To resume: harness {' '.join(options)}" in said
    assert "Traceback" not in said
    assert not list(tmp_path.glob("store/.partial/*"))
