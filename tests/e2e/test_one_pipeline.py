"""The same clips give the same scores, intervals, marks and differences, whichever command asks: a run, or the table
that it leaves as a manifest. And a run whose clips and frames are cached is quick, for it loads nothing heavy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.core.errors import UsageError
from harness.reporting.document import check_document
from harness.scoring.cache import ContentCache
from harness.scoring.results import read_replicates
from harness.store.listing import read_rows
from metrics.api.catalogue import available
from metrics.io.weights import cache_dir
from metrics.stats.resampling import estimate_of
from tests.harness.sounds import make_folder

LONG = "a slow waltz, longer than forty letters"
TEXTS = ("a slow waltz", "=1+1 loud metal", "calm, “quoted” flute", "techno", f"{LONG}, one", f"{LONG}, two")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    """Measured by the run, and read by the folder: the weights are where they were."""
    monkeypatch.setattr("harness.scoring.score.user_cache", lambda: _cache(tmp_path_factory.getbasetemp()))


def _cache(folder: Path) -> ContentCache:
    return ContentCache(folder / "measured")


def invoke(*arguments: Any) -> Any:
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def options(name: str, values: Any) -> list[str]:
    return [word for value in values for word in (name, str(value))]


@pytest.fixture(scope="module")
def sounds(tmp_path_factory) -> list[Path]:
    return sorted(make_folder(tmp_path_factory.mktemp("sounds"), 3, seconds=1.0).iterdir())


def run(results: Path, reference: Path, *more: Any) -> tuple[dict[str, Any], Path]:
    common = ["--model", "toy", "--embedder", "toy", "--reference", reference, "--quiet", "--no-mlflow", "--json"]
    told = invoke("run", "temperature", *common, "--results", results, *more)
    return told, Path(told["folder"])


def same(first: Any, second: Any) -> None:
    """Both commands' conditions and differences, to the last digit."""
    leave = ("clips", "files")
    for one, other in zip(first["conditions"], second["conditions"], strict=True):
        assert {k: v for k, v in one.items() if k not in leave} == {k: v for k, v in other.items() if k not in leave}
    assert first["differences"] == second["differences"]
    assert first["differences"]


@pytest.mark.slow
def test_a_run_and_its_table_as_a_manifest_give_the_same_in_every_metric(tmp_path, toy_reference, sounds):
    varied = options("--temperature", (0.7, 1.0, 2.0))
    prompts = [*options("--prompt", TEXTS), *options("--style", ["toy-bell"]), *options("--audio", sounds)]
    told, folder = run(
        tmp_path / "results", toy_reference, *varied, *prompts, "--clips", 20, "--seconds", 2.5,
        "--prompt-seconds", 0.7, *options("--metric", available()),
    )  # fmt: skip
    scored = invoke("score", "--manifest", folder / "clips.csv", "--reference", toy_reference, "--json", "--quiet")
    same(told, scored)
    names = told["conditions"][0]["scores"]
    assert {"kad", "prompt_similarity", "tag_text_similarity", "label_accuracy", "loudness", "is_softmax"} <= set(names)
    assert told["notes"] == scored["notes"]
    for found in (told, scored, json.loads((folder / "result.json").read_text("utf-8"))):
        check_document(found)


def test_a_run_and_its_table_give_the_same_by_default_with_two_embedders(tmp_path, toy_reference):
    chosen = ["--clips", 8, "--seconds", 3, *options("--temperature", (0.7, 2.0))]
    told, folder = run(tmp_path / "results", toy_reference, *chosen, "--embedder", "musicnn", "--reference", "heldout")
    names = {name for one in told["conditions"] for name in one["scores"]}
    assert {"kad", "kad@musicnn", "fad16", "fad16@musicnn", "vendi@musicnn"} <= names
    assert told["labels"]["kad@musicnn"] == "exploratory"
    scored = invoke(
        "score", "--manifest", folder / "clips.csv", "--reference", toy_reference, "--reference", "heldout",
        "--json", "--quiet",
    )  # fmt: skip
    same(told, scored)


def test_scores_without_each_fold_lie_beside_the_result(tmp_path, toy_reference):
    chosen = ["--clips", 8, "--seconds", 2, *options("--temperature", (0.7, 2.0))]
    told, folder = run(tmp_path / "results", toy_reference, *chosen)
    stored = read_replicates(folder)
    assert set(stored) == {"temperature=0.7", "temperature=2"}
    for condition in told["conditions"]:
        for name, score in condition["scores"].items():
            found = estimate_of(stored[condition["name"]][name])
            assert (found.value, found.stderr) == (score["value"], score["stderr"])
    (folder / "replicates.json").write_text("{}")
    with pytest.raises(UsageError, match="SHA-256"):
        read_replicates(folder)


def test_what_the_model_understood_stands_in_the_table_and_under_it(tmp_path, toy_reference):
    chosen = ["--clips", 12, "--seconds", 1, *options("--temperature", (0.7, 2.0)), *options("--prompt", TEXTS)]
    told, folder = run(tmp_path / "results", toy_reference, *chosen)
    assert [note for note in told["notes"] if "prompts were understood as" in note]
    rows = read_rows(folder)
    assert {row["text"] for row in rows} == set(TEXTS)
    assert {row["understood_by"] for row in rows} == {"hash of the text"}
    assert all(row["understood_style"] == row["style"] for row in rows)
    assert len({row["prompt"] for row in rows}) == len(TEXTS)  # labels are cut short, and still told apart


def test_a_study_lies_whole_with_its_run_and_its_primary_may_be_any_metric(tmp_path, toy_reference):
    study = tmp_path / "my study.yaml"
    study.write_text(
        "question: Does it matter?\nvaries:\n  grid:\n    temperature: [0.7, 2.0]\nprimary: kad\n"
        "metrics: [kad, coverage, tempo]\nmodel: toy\nembedder: toy\nclips: 8\nseconds: 2\n"
    )
    results = tmp_path / "results"
    told = invoke("run", study, "--reference", toy_reference, "--results", results, "-q", "--json", "--no-mlflow")
    folder = Path(told["folder"])
    assert (folder / "my-study.yaml").read_bytes() == study.read_bytes()
    assert [one["metric"] for one in told["differences"] if one["label"] == "declared"] == ["kad"]
    assert told["metrics"] == ["kad", "coverage", "tempo"]
    same(told, invoke("score", "--manifest", folder / "clips.csv", "--reference", toy_reference, "--json", "-q"))


def test_a_run_that_is_cached_loads_nothing_heavy(tmp_path, toy_reference):
    """With musicnn's frames too: torch is for embedding, and MLflow for logging."""
    chosen = ["--clips", "4", "--seconds", "3", *options("--temperature", (0.7, 2.0)), "--no-mlflow", "--quiet"]
    command = ["run", "temperature", "--model", "toy", "--results", str(tmp_path / "results"), *chosen]
    code = (
        "import sys; from harness.cli import app\n"
        "try: app(sys.argv[1:])\n"
        "except SystemExit as ended: assert not ended.code\n"
        "print(*(name for name in ('torch', 'mlflow', 'librosa', 'matplotlib') if name in sys.modules))"
    )
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "weights").symlink_to(cache_dir() / "weights")
    environment = {**os.environ, "HARNESS_CACHE": str(cache)}
    for heavy in (True, False):
        run = [sys.executable, "-c", code, *command]
        done = subprocess.run(run, capture_output=True, text=True, check=True, env=environment)
        assert ("torch" in done.stdout.splitlines()[-1]) == heavy
    assert done.stdout.splitlines()[-1] == ""
