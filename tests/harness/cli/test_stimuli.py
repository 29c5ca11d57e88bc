"""`harness stimuli` as it is typed: build, go on, check."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile
from typer.testing import CliRunner

from harness.cli import app
from tests.harness.listening.choose.test_sources import leave_run
from tests.harness.listening.clips import make_clips


def harness(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clips(tmp_path_factory.mktemp("clips") / "clips", ("cold", "hot"), prompts=3)


def test_a_folder_becomes_a_study_that_passes_its_check(tmp_path: Path, clips: Path) -> None:
    options = ("stimuli", clips, "--kind", "ab", "--out", tmp_path / "study", "--rate", "keep", "--listeners", 4, "-q")
    first = harness(*options)
    assert "items     2 × cold, hot: 2 of 3, drawn by seed 0, prompts evenly" in first
    assert f"serve     {tmp_path}/study/public" in first
    assert "existed)" in harness(*options)
    output = harness("stimuli", "check", tmp_path / "study", "-q")
    assert all(line.startswith("✓") for line in output.splitlines()), output


@pytest.mark.parametrize("kind", ["acr", "affect"])
def test_one_system_alone_is_rated(tmp_path: Path, kind: str) -> None:
    source = make_clips(tmp_path / "clips", ("cold",), prompts=5, seconds=5.2) / "cold"
    options = ("--kind", kind, "--out", tmp_path / "study", "--rate", "keep", "--listeners", 3, "--repeats", 1, "-q")
    output = harness("stimuli", source, *options)
    assert "items     4 × cold: 4 of 5, drawn by seed 0, prompts evenly; 1 more for training" in output
    assert "design    random order, 3 lists of" in output
    assert "One condition alone is rated" in (tmp_path / "study/README.md").read_text("utf-8")
    found = harness("stimuli", "check", tmp_path / "study", "-q")
    assert all(line.startswith("✓") for line in found.splitlines()), found


def test_a_run_becomes_a_study_by_the_name_of_its_experiment(tmp_path: Path) -> None:
    leave_run(tmp_path, "heat-aaaaaaaaaaaa")
    out = tmp_path / "study"
    options = ("--kind", "acr", "--out", out, "--results", tmp_path, "--no-mlflow", "--rate", "keep", "--json")
    output = harness("stimuli", "heat", *options)
    protocol = json.loads(output)
    assert protocol == json.loads((out / "protocol.json").read_text("utf-8"))
    assert protocol["source"]["run"] == "heat-aaaaaaaaaaaa"
    assert protocol["source"]["question"] == "Why?"
    [kept] = (tmp_path / "runs" / "heat-aaaaaaaaaaaa" / "stimuli").iterdir()
    assert {path.name for path in kept.iterdir()} == {"protocol.json", "manifest.csv", "preview.html"}


def test_a_check_that_fails_exits_with_1_and_says_so_as_json(tmp_path: Path, clips: Path) -> None:
    out = tmp_path / "study"
    harness("stimuli", clips, "--kind", "acr", "--out", out, "--rate", "keep", "--listeners", 2, "-q")
    path = next((out / "public/audio").iterdir())
    sound, rate = soundfile.read(path)
    soundfile.write(path, 0.5 * sound, rate, "PCM_16")
    assert "✗ hashes" in harness("stimuli", "check", out, "-q", code=1)
    findings = {one["what"]: one["ok"] for one in json.loads(harness("stimuli", "check", out, "--json", code=1))}
    assert (findings["hashes"], findings["format"]) == (False, True)


def test_any_folder_of_sounds_can_be_checked(clips: Path) -> None:
    assert "✗ names" in harness("stimuli", "check", clips, "--name", "cold", "-q", code=1)


def test_help_says_where_to_begin() -> None:
    output = harness("stimuli", "--help")
    assert "SOURCE --kind KIND --out DIR" in " ".join(output.split())
    assert "check" in output
    assert "Which clips" in harness("stimuli", "x", "--help")
