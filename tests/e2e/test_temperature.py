"""`harness run temperature`, end to end, with the toy model: what it prints, leaves, logs, and does the second time."""

import csv
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli import app

TEMPERATURES = ("0.6", "1", "2.5")


def arguments(results: Path, reference: Path, *more: str, temperatures: tuple[str, ...] = TEMPERATURES) -> list[str]:
    varied = [word for value in temperatures for word in ("--temperature", value)]
    common = ["--model", "toy", "--embedder", "toy", "--seconds", "2", "--clips", "12"]
    return ["run", "temperature", *varied, *common, "--reference", str(reference), "--results", str(results), *more]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def first(tmp_path_factory, toy_reference):
    """One complete run: its folder of results and what it printed."""
    results = tmp_path_factory.mktemp("run") / "results"
    result = CliRunner().invoke(app, arguments(results, toy_reference))
    assert result.exit_code == 0, result.output
    return results, result


@pytest.fixture
def copy(first, tmp_path):
    """The same results, to be changed."""
    shutil.copytree(first[0], tmp_path / "results", symlinks=True)
    return tmp_path / "results"


def test_the_table_has_every_condition_and_metric(first):
    shown = first[1].stdout
    for value in TEMPERATURES:
        assert f"temperature={value} " in shown
    for heading in ("FAD, 16 comp. ↓", "KAD ↓", "Vendi ↑", "diversity ↑", "style sim. ↑", "clips"):
        assert heading in shown
    assert shown.count("±") >= 3 * 5
    assert "adjusted over 3 differences" in shown
    assert "36 sampled now" in shown
    assert "harness ui" in shown


def test_the_folder_holds_scores_with_their_errors_and_provenance(first):
    [folder] = (first[0] / "runs").iterdir()
    result = json.loads((folder / "result.json").read_text("utf-8"))
    assert [condition["name"] for condition in result["conditions"]] == [f"temperature={v}" for v in TEMPERATURES]
    for condition in result["conditions"]:
        assert condition["unmeasured"] == {}
        assert len(condition["clips"]) == 12
        assert set(condition["scores"]) == {"fad16", "kad", "vendi", "diversity", "style_similarity"}
        for score in condition["scores"].values():
            if score["interval"] is None:
                assert not score["reliable"]
            else:
                low, high = score["interval"]
                assert low < score["value"] < high
            assert score["stderr"] > 0
            assert score["n"] == 12
            assert score["reliable"] == (score["why"] == "")
            assert score["provenance"]["embedder"]["name"] == "toy"
            assert score["provenance"]["preprocessing"]["lufs"] == -23.0
    labels = [difference["label"] for difference in result["differences"]]
    assert (labels.count("declared"), labels.count("exploratory")) == (3, 12)
    assert (folder / "scores.png").read_bytes().startswith(b"\x89PNG")


def test_hotter_is_farther_and_more_diverse_where_it_plainly_is(first):
    """The toy's melodies jump about at 2.5; a sweep that did not find that would find nothing."""
    [folder] = (first[0] / "runs").iterdir()
    cold, _, hot = json.loads((folder / "result.json").read_text("utf-8"))["conditions"]
    assert hot["scores"]["diversity"]["value"] > cold["scores"]["diversity"]["value"]


def test_clips_have_names_a_person_can_read_and_can_be_moved_with_the_results(copy, tmp_path):
    moved = copy.rename(tmp_path / "moved")
    [folder] = (moved / "runs").iterdir()
    with (folder / "clips.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 36
    for row in rows:
        assert (folder / row["path"]).read_bytes().startswith(b"fLaC")
    assert {row["prompt"] for row in rows} == {"toy-bell", "toy-drone", "toy-flute", "toy-organ"}
    assert len({row["seed"] for row in rows}) == 12
    assert len({row["clip"] for row in rows}) == 36


def test_a_second_run_samples_nothing_and_changes_no_byte(copy, toy_reference):
    before = contents(copy)
    result = CliRunner().invoke(app, arguments(copy, toy_reference, "--no-mlflow"))
    assert result.exit_code == 0, result.output
    assert "none sampled" in result.stdout
    assert "sampling" not in result.stderr
    assert contents(copy) == before


def test_only_what_is_missing_is_sampled_again_to_the_same_bytes(copy, toy_reference):
    before = contents(copy)
    for clip in sorted((copy / "store").glob("??/*"))[:5]:
        shutil.rmtree(clip)
    result = CliRunner().invoke(app, arguments(copy, toy_reference, "--no-mlflow"))
    assert result.exit_code == 0, result.output
    assert "(5 sampled now)" in result.stdout
    assert contents(copy) == before


def test_another_condition_reuses_the_clips_there_are(copy, toy_reference):
    result = CliRunner().invoke(
        app, arguments(copy, toy_reference, "--no-mlflow", "--quiet", temperatures=(*TEMPERATURES, "1.5"))
    )
    assert result.exit_code == 0, result.output
    assert "(12 sampled now)" in result.stdout
    assert result.stderr == ""


def test_a_run_that_is_interrupted_says_so_and_goes_on(tmp_path, toy_reference):
    results = tmp_path / "results"
    command = [sys.executable, "-m", "harness", *arguments(results, toy_reference, "--no-mlflow", "--clips", "3000")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("sampling (toy)")
        while not list((results / "store").glob("??/*")):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "run the same command again" in said
    assert "Traceback" not in said
    kept = sum(1 for _ in (results / "store").glob("??/*"))
    assert kept > 0
    result = CliRunner().invoke(app, arguments(results, toy_reference, "--no-mlflow"))
    assert result.exit_code == 0, result.output
    sampled = int(result.stdout.split(" sampled now")[0].rsplit("(", 1)[1])
    assert sampled == 36 - min(kept, 12)


def test_few_clips_are_measured_as_far_as_they_go(tmp_path, toy_reference):
    result = CliRunner().invoke(app, arguments(tmp_path, toy_reference, "--no-mlflow", "--clips", "1"))
    assert result.exit_code == 0, result.output
    assert "1 clips were given: an error bar takes at least 3" in result.stdout
    assert "(3 sampled now)" in result.stdout


def test_rows_of_each_style_are_shown_on_request(first, toy_reference, copy):
    more = ["--no-mlflow", "--quiet", "--rows", "style"]
    shown = CliRunner().invoke(app, arguments(copy, toy_reference, *more)).stdout
    assert "temperature=0.6, by style" in shown
    assert shown.count("toy-drone") == len(TEMPERATURES)


def test_audio_prompts_are_continued_and_compared(first, tmp_path, toy_reference):
    clips = sorted((first[0] / "store").glob("??/*/audio.flac"))[:2]
    prompts = [word for clip in clips for word in ("--audio", str(clip))]
    result = CliRunner().invoke(
        app, arguments(tmp_path, toy_reference, "--no-mlflow", "--prompt-seconds", "0.5", *prompts)
    )
    assert result.exit_code == 0, result.output
    assert "prompt sim. ↑" in result.stdout


MISTAKES = {
    "zero clips": (["--clips", "0"], 2, "clips is 0"),
    "negative clips": (["--clips", "-4"], 2, "clips is -4"),
    "clips a word": (["--clips", "many"], 2, "--clips"),
    "negative temperature": (["--temperature", "-1"], 2, "temperature is -1.0"),
    "temperature not a number": (["--temperature", "nan"], 2, "temperature is nan"),
    "temperature twice": (["--temperature", "0.6"], 2, "same name twice: temperature=0.6"),
    "zero seconds": (["--seconds", "0"], 2, "seconds is 0.0"),
    "negative seed": (["--seed", "-1"], 2, "seed is -1"),
    "unknown model": (["--model", "toto"], 2, "unknown model 'toto'. Did you mean 'toy'?"),
    "unknown embedder": (["--embedder", "toi"], 2, "unknown embedder 'toi'"),
    "unknown reference": (["--reference", "heldaut"], 2, "unknown reference set 'heldaut'"),
    "no such reference": (["--reference", "no.safetensors"], 2, "no reference set at no.safetensors"),
    "reference not one": (["--reference", "broken.safetensors"], 1, "not a saved embedding set"),
    "reference of another embedder": (
        ["--reference", "other.safetensors"],
        2,
        "embedder.name is 'toy' against 'other'",
    ),
    "unknown style": (["--style", "toy-bel"], 2, "Did you mean 'toy-bell'?"),
    "empty prompt": (["--prompt", " "], 2, "text is empty"),
    "prompt twice": (["--prompt", "a", "--prompt", "a"], 2, "given twice"),
    "no such audio": (["--audio", "no.wav"], 2, "no sound file at no.wav"),
    "prompt seconds alone": (["--prompt-seconds", "1"], 2, "without --audio"),
    "results a file": (["--results", "file.txt"], 1, "file.txt"),
    "unknown option": (["--clip", "3"], 2, "--clip"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_answered_in_one_message(mistake, tmp_path, toy_reference, monkeypatch):
    from metrics.api.score import EmbeddingSet

    monkeypatch.chdir(tmp_path)
    Path("broken.safetensors").write_bytes(b"\x00" * 64)
    Path("file.txt").write_text("x")
    toy = EmbeddingSet.load(toy_reference)
    embedder = {**toy.provenance["embedder"], "name": "other"}
    EmbeddingSet(toy.frames, toy.units, {**toy.provenance, "embedder": embedder}, toy.strata).save("other.safetensors")
    before = contents(tmp_path)
    extra, code, message = MISTAKES[mistake]
    result = CliRunner().invoke(app, arguments(tmp_path / "results", toy_reference, *extra))
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    assert message in " ".join(result.output.replace("│", " ").split())
    assert contents(tmp_path) == before


def test_an_unknown_experiment_is_answered_with_the_nearest():
    result = CliRunner().invoke(app, ["run", "temprature"])
    assert result.exit_code == 2
    assert "unknown experiment 'temprature'. Did you mean 'temperature'?" in result.output
