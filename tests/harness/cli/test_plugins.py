"""`harness plugins`, and every command beside a distribution whose entry points are all broken."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.core.registry import REGISTRIES
from metrics.io.audio import save
from tests.distributions import BROKEN, BROKEN_MODULES, install

pytestmark = pytest.mark.whole

GROUPS = REGISTRIES.names()

LISTING = [
    "--help", "experiments", "run --help", "run temperature --help", "models", "models show toy", "metrics",
    "metrics --json", "metrics kad", "prompts list", "prompts list --json", "prompts show styles", "corpus list",
    "reference list", "store ls --results results", "stimuli --help",
]  # fmt: skip
WORKING = [
    "models list", "sample calm -o calm.wav --model toy --seconds 1 -q",
    "run temperature --model toy --clips 3 --seconds 1 --dry-run --results results",
    "score sounds --reference music --embedder toy --metric fad -q",
    "stimuli plan --kind acr --conditions 3 --effect 0.5",
    "stimuli sounds --kind acr --listeners 2 --out study --no-mlflow -q",
]  # fmt: skip

DRIVER = """
import json, sys
from typer.testing import CliRunner
from harness.cli import app
told = []
for command in json.loads(sys.argv[1]):
    result = CliRunner().invoke(app, command.split())
    told.append([command, result.exit_code, result.stdout])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
sys.stderr.write("\\n" + json.dumps(told))
"""


def in_a_process(commands: list[str], site: Path | None, folder: Path) -> tuple[list[list], str]:
    """[command, exit code, standard output] of each command in `folder`, and what went past them to the process's own
    standard output."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(site or ""),
        "COLUMNS": "200",
        "HARNESS_CACHE": str(folder / "cache"),
    }
    driver = [sys.executable, "-c", DRIVER, json.dumps(commands)]
    run = subprocess.run(driver, capture_output=True, text=True, env=environment, cwd=folder)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stderr.rpartition("\n")[2]), run.stdout


@pytest.fixture(scope="module")
def bad_site(tmp_path_factory) -> Path:
    site = tmp_path_factory.mktemp("site")
    install(site, "bad-parts", {group: BROKEN for group in GROUPS}, BROKEN_MODULES, version="6.6")
    return site


def world(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    for kind in ("sounds", "music"):
        for n in range(8):
            path = folder / kind / ("ab"[n % 2]) / f"{n // 2}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            save(path, 0.1 * rng.standard_normal(3 * 16000).astype(np.float32), 16000)
    return folder


def test_every_command_works_beside_broken_plug_ins(bad_site, tmp_path):
    beside, past = in_a_process([*LISTING, *WORKING], bad_site, world(tmp_path))
    alone, _ = in_a_process(LISTING, None, tmp_path)
    assert past == ""
    assert [code for _, code, _ in beside] == [0] * len(beside)
    assert beside[: len(alone)] == alone


def test_what_is_broken_is_told_when_it_is_asked_for(bad_site, tmp_path):
    asking = [
        "run {0}", "run temperature --model {0} --dry-run", "run temperature --model toy --executor {0} --dry-run",
        "run temperature --model toy --prompts {0} --dry-run", "metrics {0}", "prompts show {0}", "models show {0}",
        "sample calm -o x.wav --model {0} -q", "stimuli x --kind {0} --out x",
    ]  # fmt: skip
    names = list(BROKEN)
    commands = [command.format(names[n % len(names)]) for n, command in enumerate(asking)]
    told, past = in_a_process([*commands, "plugins"], bad_site, tmp_path)
    assert past == ""
    assert [code for _, code, _ in told] == [2] * len(commands) + [0]
    listed = told[-1][2]
    assert listed.count("broken: ") == len(BROKEN) * len(GROUPS)
    assert listed.isprintable() or all(line.isprintable() for line in listed.splitlines())


def test_the_list_says_who_brings_what_and_what_is_wrong_with_it(tmp_path, monkeypatch):
    points = {"absent": "no_such_module:X", "toy": "harness.models.toy:load", "mine": "harness.models.toy:load"}
    install(tmp_path, "plug", {"music_harness.models": points}, version="1.5")
    monkeypatch.syspath_prepend(tmp_path)
    result = CliRunner().invoke(app, ["plugins", "--json"])
    assert result.exit_code == 0
    rows = json.loads(result.stdout)
    assert {row["group"] for row in rows} == set(GROUPS)
    brought = {row["name"]: row for row in rows if row["distribution"] == "plug"}
    assert {name: row["state"] for name, row in brought.items()} == {
        "absent": "broken",
        "mine": "installed",
        "toy": "hidden",
    }
    assert brought["absent"] == {
        "group": "music_harness.models",
        "name": "absent",
        "distribution": "plug",
        "version": "1.5",
        "target": "no_such_module:X",
        "state": "broken",
        "reason": "ModuleNotFoundError: No module named 'no_such_module'",
    }
    text = CliRunner().invoke(app, ["plugins"])
    assert text.exit_code == 0
    for row in brought.values():
        [line] = [line for line in text.stdout.splitlines() if line.split()[:1] == [row["name"]]]
        assert f"plug 1.5  {row['target']}  {row['state']}" in line


EXPERIMENTS = """
from collections.abc import Sequence
from harness.planning.experiment import Condition, experiment

@experiment(varies="clips")
def clash(clips: Sequence[float] = (1.0,)) -> list[Condition]:
    "What varies has the name of an option of every run."
    return [Condition("one")]

@experiment(varies="x")
def odd(x: Sequence[Sequence[float]]) -> list[Condition]:
    "No option can be made of it."
    return [Condition("one")]

@experiment(varies="x")
def raises(x: float = 1.0) -> list[Condition]:
    "It cannot say what its conditions are."
    raise ZeroDivisionError("by zero")

@experiment(varies="x")
def lists(x: float = 1.0) -> list[Condition]:
    "Its conditions are none."
    return ["hot", "cold"]

@experiment(varies="width")
def marked(width: Sequence[float] = (1.0,)) -> list[Condition]:
    "Is [/it] marked [up]?"
    return [Condition("one")]
"""


def test_an_experiment_that_turns_out_broken_when_it_is_run_is_told_with_whose_it_is(tmp_path, monkeypatch):
    points = {name: f"experiments_of_others:{name}" for name in ("clash", "odd", "raises", "lists", "marked")}
    install(tmp_path, "plug", {"music_harness.experiments": points}, {"experiments_of_others.py": EXPERIMENTS})
    monkeypatch.syspath_prepend(tmp_path)
    listed = CliRunner().invoke(app, ["run", "--help"])
    assert listed.exit_code == 0
    assert "[/it] marked [up]" in listed.stdout
    for name in ("clash", "odd", "raises", "lists"):
        result = CliRunner().invoke(app, ["run", name, "--dry-run"])
        assert result.exit_code == 2
        assert "plug 1.0" in result.stderr


@pytest.mark.slow
def test_a_wheel_of_broken_parts_that_pip_installed(tmp_path):
    source, site = tmp_path / "source", tmp_path / "site"
    tables = "\n".join(
        f'[project.entry-points."{group}"]\n'
        + "\n".join(f'{name} = "{target}"' for name, target in BROKEN.items() if ":" in target)
        for group in GROUPS
    )
    for file, text in BROKEN_MODULES.items():
        (source / file).parent.mkdir(parents=True, exist_ok=True)
        (source / file).write_text(text)
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "bad-parts"\nversion = "6.6"\n'
        f'{tables}\n[tool.setuptools]\npackages = ["broken_parts"]\n'
    )
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]
    offline = ["--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "wheel", *offline, "--wheel-dir", str(tmp_path), str(source)], check=True)
    [wheel] = tmp_path.glob("*.whl")
    subprocess.run([*pip, "install", *offline, "--no-compile", "--target", str(site), str(wheel)], check=True)
    environment = {**os.environ, "PYTHONPATH": str(site), "HARNESS_CACHE": str(tmp_path / "cache")}
    for command, code in (
        ("plugins", 0),
        ("experiments", 0),
        ("run --help", 0),
        ("models list", 0),
        ("metrics", 0),
        ("prompts list", 0),
        (f"score {world(tmp_path)}/sounds --reference {tmp_path}/music --embedder toy --metric fad -q", 0),
        ("run raises", 2),
    ):
        run = subprocess.run(
            [sys.executable, "-m", "harness", *command.split()], capture_output=True, text=True, env=environment
        )
        assert run.returncode == code, run.stderr
        assert "Traceback" not in run.stderr
        assert "LOUD" not in run.stdout
        if command == "plugins":
            assert "bad-parts 6.6" in run.stdout
        if code:
            assert "bad-parts 6.6" in run.stderr
