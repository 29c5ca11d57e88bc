"""`harness metrics` lists the catalogue, shows one metric in full, and speaks JSON."""

import json

from typer.testing import CliRunner

from harness.cli import app
from metrics.catalogue import CATALOGUE


def said(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["metrics", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_every_metric_has_one_line():
    lines = said().splitlines()
    assert len(lines) == len(CATALOGUE)
    for line, row in zip(lines, CATALOGUE.values(), strict=True):
        assert line.startswith(f"{row.name} ")
        assert line.endswith(row.title)
        assert ("↓" in line, "↑" in line) == (row.direction == "lower", row.direction == "higher")


def test_one_is_shown_in_full():
    shown = said("vendi2")
    for part in ("effective number", "at least  3 clips", "metrics.diversity:vendi2", "higher is better", "Pasarkar"):
        assert part in shown
    assert "without replacement" in shown  # the function's own words
    assert "metrics.frechet:fad with components=16" in said("fad16")
    assert "by leaving groups of songs out" in said("is_softmax")


def test_json_is_for_programs():
    assert [row["name"] for row in json.loads(said("--json"))] == list(CATALOGUE)
    assert json.loads(said("fad16", "--json"))["options"] == {"components": 16}


def test_an_unknown_metric_is_answered_with_the_nearest():
    result = CliRunner().invoke(app, ["metrics", "vendy"])
    assert result.exit_code == 2
    assert "Did you mean 'vendi'" in result.output
