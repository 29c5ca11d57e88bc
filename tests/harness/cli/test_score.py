"""`harness score`: a table, JSON or CSV of what is there, and an exit code that says whether all of it was read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from harness.cli import app
from tests.harness.models.jukebox.tiny import tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(autouse=True)
def _tiny(model, monkeypatch):
    monkeypatch.setattr("harness.models.registry.load_model", lambda name: model)


@pytest.fixture
def folder(tmp_path):
    for name in ("one[0].wav", "two.wav"):
        audio = 0.1 * np.random.default_rng(len(name)).standard_normal(2000)
        soundfile.write(tmp_path / name, audio, 1000)
    return tmp_path


def score(*arguments: str | Path):
    return CliRunner().invoke(app, ["score", *map(str, arguments)])


def test_a_table_has_every_file_and_level_and_their_means(folder):
    result = score(folder, "--likelihood")
    assert result.exit_code == 0, result.output
    for said in ("one[0].wav", "two.wav", "bits/token", "bits/s", "all", "mean ± standard error"):
        assert said in result.stdout
    assert "encoding: 2" in result.stderr


def test_labels_change_the_figures_and_json_says_which(folder):
    plain, styled = (
        json.loads(score(folder / "two.wav", "--likelihood", "--json", "-q", *more).stdout)[0]
        for more in ((), ("--style", "loud", "--offset-seconds", "2", "--total-seconds", "30", "--as-it-is"))
    )
    assert plain["nats"] != styled["nats"]
    assert styled["provenance"]["labels"]["style"] == "loud"
    assert styled["provenance"]["read_as"]["offset_seconds"] == 2.0
    assert styled["provenance"]["read_as"]["total_seconds"] == 30.0
    assert (plain["provenance"]["lufs"], styled["provenance"]["lufs"]) == (-23.0, None)


def test_a_csv_file_is_written_beside_the_table(folder):
    table = folder / "new" / "likelihood.csv"
    result = score(folder, "--likelihood", "--csv", table)
    assert result.exit_code == 0, result.output
    assert len(table.read_text().splitlines()) == 1 + 2 * 4


def test_a_broken_file_is_named_and_the_rest_is_scored(folder):
    (folder / "broken.wav").write_text("not a sound")
    result = score(folder, "--likelihood", "-q")
    assert result.exit_code == 1
    assert "two.wav" in result.stdout
    assert "broken.wav cannot be decoded" in result.stderr
    assert "1 of 3 files could not be scored." in result.stderr
    stopped = score(folder, "--likelihood", "-q", "--on-error", "stop")
    assert stopped.exit_code == 1
    assert stopped.stdout == ""
    assert "broken.wav cannot be decoded" in stopped.stderr


def test_without_a_figure_it_says_what_there_is(folder):
    result = score(folder)
    assert result.exit_code == 2
    assert "There is --likelihood" in result.output


def test_a_table_that_cannot_be_written_is_refused_before_scoring(folder):
    result = score(folder, "--likelihood", "--csv", folder)
    assert result.exit_code == 2
    assert "cannot be written" in result.output


def test_help_has_examples():
    result = score("--help")
    assert result.exit_code == 0
    assert "--likelihood" in result.output
