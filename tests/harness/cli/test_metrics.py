"""`harness metrics` lists the catalogue, shows one metric in full, and speaks JSON."""

import json

from typer.testing import CliRunner

from harness.cli import app
from harness.cli.metrics import HEADINGS
from metrics.api.catalogue import CATALOGUE, METRICS, Metric
from tests.distributions import install


def said(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["metrics", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_every_metric_has_one_line_under_its_heading():
    headings = [line for line in said().splitlines() if line and not line.startswith(" ")]
    assert headings == [HEADINGS[group] for group in dict.fromkeys(row.group for row in CATALOGUE.values())]
    lines = [line for line in said().splitlines() if line.startswith(" ")]
    assert len(lines) == len(CATALOGUE)
    for line, row in zip(lines, CATALOGUE.values(), strict=True):
        assert line.startswith(f"  {row.name} ")
        assert line.endswith(row.title)
        assert ("↓" in line, "↑" in line) == (row.direction == "lower", row.direction == "higher")
        assert len(line) <= 132


def test_one_is_shown_in_full():
    shown = said("vendi2")
    for part in (
        "effective number",
        "at least  3 clips",
        "metrics.sets.diversity:vendi2",
        "higher is better",
        "Pasarkar",
    ):
        assert part in shown
    assert "without replacement" in shown  # the function's own words
    assert "metrics.sets.frechet:fad with components=16" in said("fad16")
    assert "metrics.paired_difference of two sets" in said("is_softmax")
    assert "metrics.waves.signal:signal_score with 'loudness'" in said("loudness")
    assert "not: compare by fad" in said("fad_per_song")
    assert "metrics.difference_of two scores" in said("prompt_similarity")
    assert "metrics.sets.frechet:fad with compat='fadtk'" in said("fad_fadtk")
    assert "likelihood, how likely a model finds each clip" in said("bits_per_second")


def test_json_is_for_programs():
    assert [row["name"] for row in json.loads(said("--json"))] == list(CATALOGUE)
    assert json.loads(said("fad16", "--json"))["options"] == {"components": 16}


def test_an_unknown_metric_is_answered_with_the_nearest():
    result = CliRunner().invoke(app, ["metrics", "vendy"])
    assert result.exit_code == 2
    assert "Did you mean 'vendi'" in result.output


NEAR = Metric(
    "near", "how near", "none", "lower", 3, "clips", frozenset({"embedding"}), "none", "json:loads", group="fidelity"
)


def test_a_plug_in_stands_under_the_heading_that_it_names(tmp_path, monkeypatch):
    install(tmp_path, "plug", {METRICS.entry_point_group or "": {"near": f"{__name__}:NEAR"}})
    monkeypatch.syspath_prepend(tmp_path)
    sections = said().split("\n\n")
    assert [section for section in sections if "  near " in section] == [sections[0]]
    assert sections[0].startswith(HEADINGS["fidelity"])


NUMBER = Metric("norm", "how long", "none", "none", 1, "clips", frozenset({"embedding"}), "none", "json:loads",
                gives="number")  # fmt: skip


def test_a_bare_number_is_not_said_to_have_differences(tmp_path, monkeypatch):
    install(tmp_path, "plug", {METRICS.entry_point_group or "": {"norm": f"{__name__}:NUMBER"}})
    monkeypatch.syspath_prepend(tmp_path)
    assert "not: it has no error" in said("norm")
