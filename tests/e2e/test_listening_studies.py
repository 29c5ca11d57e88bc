"""The four studies that the project began with, from the command line to the stimuli folder and MLflow."""

from __future__ import annotations

import json
import re
import stat
from html import escape
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from harness.cli import app
from harness.listening.make.blinding import read_key
from harness.listening.package.webmushra_rules import validate_webmushra
from harness.planning.registry import declarations
from tests.e2e.mlflow_server import content

STUDIES = ("ideation", "experiment_design", "writing", "emotion")
CONTROLS = {"music from the prompt", "other music", "noise", "silence"}
MINE = '''\
from harness.planning.experiment import Condition, experiment
from harness.planning.listening import Listening
from harness.models.base import Sampling
from harness.prompts.prompt import Prompt

@experiment(
    varies="temperature", primary="vendi",
    settings={{"model": "toy", "embedder": "toy", "reference": {reference!r}, "clips": 4, "seconds": 5.0,
              "prompts": (Prompt(style="toy-bell"), Prompt(style="toy-organ"))}},
    listening=Listening("acr", ("Means.",), ("Few.",), listeners=4),
)
def mine() -> list[Condition]:
    """Which sounds better?"""
    return [Condition("cold", Sampling(0.6)), Condition("warm", Sampling(2.0))]
'''


def harness(*arguments: str | int | Path, code: int = 0) -> str:
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.output


def make(name: str, folder: Path, *sampling: str | int | Path) -> Path:
    """Run an experiment and make its stimuli, without MLflow."""
    results = ("--results", folder / "results", "--no-mlflow", "--quiet")
    harness("run", name, *sampling, *results)
    harness("stimuli", name, "--out", folder / "study", "--workers", 1, "--listeners", 4, *results)
    return folder / "study"


@pytest.fixture(scope="module", params=STUDIES)
def made(request, tmp_path_factory, toy_reference):
    toy = ("--model", "toy", "--embedder", "toy", "--reference", toy_reference, "--seconds", 5, "--clips", 3)
    return request.param, make(request.param, tmp_path_factory.mktemp(request.param), *toy)


def check(name: str, study: Path) -> None:
    """What every finished study is: of the declared kind, blind in public, described in private."""
    declared, protocol = declarations()[name].listening, json.loads((study / "protocol.json").read_text("utf-8"))
    assert declared is not None
    assert protocol["kind"] == declared.kind
    assert set(declared.analysis) < set(protocol["analysis"])
    assert set(declared.limits) < set(protocol["limits"])
    key = read_key(study)
    conditions = {row.condition for row in key}
    assert conditions == (CONTROLS if declared.tasks else {"music from the prompt", "other music"})
    secret = {text for row in key for text in (row.condition, row.model, row.prompt, row.file, row.source) if text}
    # As whole words: three letters in a row do occur in a hash.
    words = sorted({re.escape(form) for text in secret for form in (text, escape(text))})
    named = re.compile(rf"(?<![^\W_])(?:{'|'.join(words)})(?![^\W_])".encode())
    for path in (*study.glob("public/**/*"), study / "preview.html"):
        assert not named.search(path.name.encode()), path
        assert path.is_dir() or not named.search(path.read_bytes()), path
    assert stat.S_IMODE((study / "PRIVATE").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in study.glob("PRIVATE/*.csv")} == {0o600}


def test_a_study_runs_from_its_prompts_to_a_folder_that_names_nothing_in_public(made):
    check(*made)


def test_listeners_are_given_the_declared_tasks_or_scales(made):
    name, study = made
    declared = declarations()[name].listening
    assert declared is not None
    timeline = json.loads((study / "public" / "jspsych" / "L01.json").read_text("utf-8"))["timeline"]
    forms = " ".join(trial.get("preamble", "") + trial.get("html", "") for trial in timeline)
    if declared.tasks:
        assert sum(escape(task["en"]) in forms for task in declared.tasks) >= 2
        assert not (study / "public" / "webmushra").exists()
    else:
        assert all(f'name="{scale}"' in forms for scale in ("valence", "arousal"))
        for path in study.glob("public/webmushra/*.yaml"):
            assert validate_webmushra(yaml.safe_load(path.read_text("utf-8"))) == []


def test_an_experiment_without_a_run_is_run_first_and_only_once(tmp_path, toy_reference):
    (tmp_path / "mine.py").write_text(MINE.format(reference=str(toy_reference)))
    common = ("--results", tmp_path / "results", "--no-mlflow", "--workers", 1)
    first = harness("stimuli", tmp_path / "mine.py", "--out", tmp_path / "first", *common)
    assert "has no run of mine" in first
    assert "4 lists" in first
    again = harness("stimuli", tmp_path / "mine.py", "--out", tmp_path / "again", "--listeners", 6, *common)
    assert "run first" not in again
    assert "6 lists" in again
    assert len(list((tmp_path / "results" / "runs").iterdir())) == 1


def test_an_experiment_that_declares_nothing_of_listeners_is_not_run_for_them(tmp_path):
    shown = harness("stimuli", "temperature", "--out", tmp_path / "study", "--results", tmp_path / "none", code=2)
    assert "--kind was not given" in shown
    shown = harness(
        "stimuli", "temperature", "--kind", "acr", "--out", tmp_path / "study", "--results", tmp_path / "none", code=2
    )
    assert "harness run temperature" in shown


@pytest.mark.slow
def test_mlflow_is_shown_the_protocol_the_manifest_and_a_page_without_the_key(tmp_path, toy_reference):
    toy = ("--model", "toy", "--embedder", "toy", "--reference", toy_reference, "--seconds", 5, "--clips", 3)
    results = ("--results", tmp_path / "results", "--quiet")
    harness("run", "ideation", *toy, *results)  # logged and finished before there are stimuli
    make_it = ("stimuli", "ideation", "--out", tmp_path / "study", "--workers", 1, "--listeners", 4, *results)
    harness(*make_it)
    database = f"sqlite:///{(tmp_path / 'results' / 'mlflow.db').resolve()}"
    shown = content(database, "ideation", tmp_path / "first")
    [parent] = [run for run in shown.values() if run["parent"] is None]
    artifacts = {name: data for name, data in parent["artifacts"].items() if name.startswith("stimuli/")}
    folder = next(iter(artifacts)).rpartition("/")[0]
    for name, file in (
        ("protocol.json", "protocol.json"),
        ("manifest.csv", "public/manifest.csv"),
        ("preview.html",) * 2,
    ):
        assert artifacts.pop(f"{folder}/{name}") == (tmp_path / "study" / file).read_bytes()
    assert artifacts == {}

    key = read_key(tmp_path / "study")
    header = (tmp_path / "study" / "PRIVATE" / "key.csv").read_text("utf-8").splitlines()[0]
    secret = (tmp_path / "study" / "PRIVATE" / "secret").read_text("ascii").strip().encode()
    for run in shown.values():
        for name, data in run["artifacts"].items():
            assert header.encode() not in data
            assert secret not in data
            if name.startswith("stimuli/") and not name.endswith("protocol.json"):
                assert not [row for row in key if row.condition.encode() in data]
    protocol = parent["artifacts"][f"{folder}/protocol.json"]
    assert not [row for row in key if row.blind_id.encode() in protocol]

    harness(*make_it)
    assert "0 runs logged, 1 already logged" in harness("sync", "--results", tmp_path / "results", "--quiet")
    assert content(database, "ideation", tmp_path / "second") == shown


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name == "ideation" else pytest.mark.long) for name in STUDIES],
)
def test_the_embedded_model_gives_a_study(name, tmp_path):
    study = make(name, tmp_path, "--clips", "1", "--seconds", "6")
    check(name, study)
    assert {row.model for row in read_key(study)} - {""} == {"jukebox:mini"}
    assert len(re.findall("<audio ", (study / "preview.html").read_text("utf-8"))) == len(read_key(study))
