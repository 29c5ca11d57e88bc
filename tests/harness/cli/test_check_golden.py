"""`harness models check-golden`: a line per case, what failed below it, and an exit code that a script can trust."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli import app

GOLDEN = Path(__file__).parents[2] / "golden"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Two quick cases of the original's set."""
    for name in ("vqvae", "time_bins"):
        shutil.copytree(GOLDEN / name, tmp_path / "golden" / name)
    return tmp_path / "golden"


def run(*args: object):
    return CliRunner().invoke(app, ["models", "check-golden", *map(str, args)])


def test_a_line_per_case_and_a_count(small: Path):
    result = run(small)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split()[:2] for line in lines[:2]] == [["PASS", "time_bins"], ["PASS", "vqvae"]]
    assert "largest difference" in lines[1]
    assert lines[2].endswith(", 2 of 2 cases.")
    assert "Checking: 2" in result.stderr


def test_verbose_has_a_line_per_check_and_quiet_no_progress(small: Path):
    result = run(small, "--verbose", "--quiet")
    assert "PASS  codes_level_0: 0 unequal" in result.stdout
    assert result.stderr == ""


def test_a_wrong_vector_is_shown_and_ends_with_1(small: Path):
    values = json.loads((small / "vqvae" / "vectors.json").read_text())
    values["hop_lengths"][0] += 1
    (small / "vqvae" / "vectors.json").write_text(json.dumps(values))
    result = run(small)
    assert result.exit_code == 1
    assert "FAIL  vqvae" in result.stdout
    assert "FAIL  hop_lengths: 1 unequal (entry 0 is 8, expected 9)" in result.stdout
    assert result.stdout.splitlines()[-1].endswith(", 1 of 2 cases.")


def test_a_folder_without_cases_is_explained(tmp_path: Path):
    result = run(tmp_path)
    assert result.exit_code == 2
    assert "holds no golden cases" in result.stderr
    assert "a subfolder" in result.stderr
