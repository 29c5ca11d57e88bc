"""`harness store`: what it prints and its exit codes; what it does is tested beside the modules that do it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli import app
from tests.harness.stored import leave_plan, leave_run, put


@pytest.fixture
def results(tmp_path: Path) -> Path:
    clips = [put(tmp_path, seed) for seed in range(2)]
    leave_run(tmp_path, "run-1", {"cold": clips[:1]})
    return tmp_path


def store(results: Path, *arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["store", *arguments, "--results", str(results)])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.output if code else result.stdout


def test_ls_shows_every_clip(results: Path):
    assert store(results, "ls").count("\n") == 2
    rows = json.loads(store(results, "ls", "--json"))
    assert {"identity", "path", "sha256", "condition", "prompt", "index"} <= set(rows[0])
    assert {row["condition"] for row in rows} == {"cold", None}


def test_verify_ends_with_1_for_damage_and_0_when_it_is_set_aside(results: Path):
    assert "2 clips, 0 damaged" in store(results, "verify", "--quiet")
    stored = put(results, 0)
    stored.path.write_bytes(b"fLaC")
    assert stored.id[:12] in store(results, "verify", "--quiet", code=1)
    assert list(json.loads(store(results, "verify", "--json", code=1))["damaged"]) == [stored.id]
    assert "Set aside" in store(results, "verify", "--quiet", "--quarantine", code=1)
    assert "1 clips, 0 damaged" in store(results, "verify", "--quiet")


def test_gc_removes_only_when_told_to(results: Path):
    assert "1 clips that no run refers to are younger" in store(results, "gc", "--yes")
    assert "1 things" in store(results, "gc", "--older-than", "0")
    assert len(json.loads(store(results, "ls", "--json"))) == 2
    assert "Removed 1 things" in store(results, "gc", "--older-than", "0", "--yes")
    [row] = json.loads(store(results, "ls", "--json"))
    assert row["condition"] == "cold"


def test_gc_leaves_the_clips_of_a_run_that_was_interrupted_and_names_it(results: Path):
    spare = put(results, 1)
    leave_plan(results, "begun-2", {"hot": [spare]})
    said = store(results, "gc", "--older-than", "0", "--yes")
    assert "1 runs" in said
    assert "begun-2" in said
    assert {row["condition"] for row in json.loads(store(results, "ls", "--json"))} == {"cold", "hot"}


def test_du_adds_up(results: Path):
    told = json.loads(store(results, "du", "--json"))
    assert [(row["condition"], row["clips"]) for row in told["store"]] == [("(no run)", 1), ("cold", 1)]
    assert "the store" in store(results, "du")


def test_what_is_exported_can_be_imported(results: Path, tmp_path: Path):
    output = tmp_path / "some.tar"
    assert "1 clips, 1 runs" in store(results, "export", "run-1", "-o", str(output))
    there = tmp_path / "there"
    assert "1 clips and 1 runs added, 0 existing" in store(there, "import", str(output))
    assert "0 clips and 0 runs added, 2 existing" in store(there, "import", str(output))
    output.write_bytes(output.read_bytes()[:2000])
    assert "Fetch it again" in store(there, "import", str(output), code=2)
