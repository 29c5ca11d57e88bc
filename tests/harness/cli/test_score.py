"""`harness score`: a table, JSON or CSV of what is there, and an exit code that says whether all of it was read."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from harness.cli import app
from harness.reporting.document import check_document
from harness.running.folder import COLUMNS
from harness.scoring.score import DEFAULTS
from tests.harness.models.jukebox.tiny import tiny_model
from tests.harness.sounds import RATE, make_folder, tone

pytestmark = pytest.mark.whole


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
    return CliRunner().invoke(app, ["score", *map(str, arguments)], env={"COLUMNS": "200"})


def test_a_table_has_every_file_and_level_and_their_means(folder):
    assert "mean ± standard error" not in score(folder, "--likelihood").stdout  # of two files nothing is known
    soundfile.write(folder / "more.wav", 0.1 * np.random.default_rng(3).standard_normal(2000), 1000)
    result = score(folder, "--likelihood")
    assert result.exit_code == 0, result.output
    for said in ("one[0].wav", "two.wav", "bits/token", "bits/s", "all", "mean ± standard error"):
        assert said in result.stdout
    assert "encoding: 3" in result.stderr


def test_labels_change_the_figures_and_json_says_which(folder):
    plain, styled = (
        json.loads(score(folder / "two.wav", "--likelihood", "--json", "-q", *more).stdout)["files"][0]
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
    assert stopped.exit_code == 2
    assert stopped.stdout == ""
    assert "broken.wav cannot be decoded" in stopped.stderr


def test_without_anything_to_measure_it_says_so():
    result = score()
    assert result.exit_code == 2
    assert "--manifest" in result.output


def test_a_table_that_cannot_be_written_is_refused_before_scoring(folder):
    result = score(folder, "--likelihood", "--csv", folder)
    assert result.exit_code == 2
    assert "cannot be written" in result.output


def test_help_has_examples():
    result = score("--help")
    assert result.exit_code == 0
    assert "--likelihood" in result.output


# ── Metrics ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def music(tmp_path, monkeypatch):
    """Twelve files to measure against, and eight to measure: tones in noise."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    make_folder(tmp_path / "real", 12, first=100)
    make_folder(tmp_path / "made", 8, pitch=1.3)
    return tmp_path


def measure(music, *arguments: str | Path):
    return score(music / "made", "--reference", music / "real", "--embedder", "toy", *arguments)


def rows_of(table: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))


def test_a_folder_is_measured_against_a_folder(music):
    result = measure(music)
    assert result.exit_code == 0, result.output
    for said in ("fad16 ↓", "kad ↓", "vendi ↑", "diversity ↑", " ± ", "whole files at 16000 Hz and -23", "8 clips"):
        assert said in result.stdout
    assert "~ KAD: 8 clips, and it takes 16" in result.stdout
    assert "– style sim.: no style is known of any clip" in result.stdout
    assert "embedding (toy): 8" in result.stderr
    assert "embedding" not in measure(music).stderr


def test_json_carries_where_every_score_came_from(music):
    told = json.loads(measure(music, "--json", "-q", "--metric", "kad", "--metric", "loudness").stdout)
    check_document(told)
    [made] = told["conditions"]
    assert (made["name"], list(made["scores"])) == ("made", ["kad", "loudness"])
    kad = made["scores"]["kad"]
    assert kad["n"] == made["n_clips"] == 8
    assert kad["generalises_to"] == "these prompts; music like this reference"
    provenance = kad["provenance"]
    assert provenance["embedder"]["name"] == "toy"
    assert provenance["preprocessing"]["lufs"] == -23.0
    assert provenance["reference_hash"] == told["settings"]["reference_hash"]
    assert len(provenance["reference"]["files_sha256"]) == 64
    assert all(len(file["sha256"]) == 64 and file["frames"] == 3 for file in made["files"])


def test_the_table_of_files_has_the_columns_that_are_documented(music):
    table = music / "files.csv"
    assert measure(music, "--csv", table, "-q", "--metric", "vendi", "--metric", "tempo").exit_code == 0
    rows = rows_of(table)
    assert list(rows[0]) == [*COLUMNS, "tempo"]
    assert all(COLUMNS.values())
    assert [Path(row["file"]).name for row in rows] == [f"{n:02d}.wav" for n in range(8)]
    for row in rows:
        assert float(row["fad"]) >= 0
        assert 0 <= float(row["neighbour_percentile"]) <= 100
        assert row["nearest"].startswith(str(music / "real"))
        assert float(row["true_peak"]) < 6
        assert row["error"] == ""


def test_files_that_are_odd_are_told_and_a_broken_one_fails(music):
    (music / "made" / "broken.mp3").write_text("not a sound")
    soundfile.write(music / "made" / "silent.wav", np.zeros(RATE), RATE)
    soundfile.write(music / "made" / "00.flac", tone(3), RATE)
    result = measure(music, "-q", "--csv", music / "files.csv")
    assert result.exit_code == 1
    assert "11 files, of which 1 could not be read" in result.stdout
    assert "silent.wav: it is silent" in result.stdout
    assert "broken.mp3 cannot be decoded" in result.stderr
    assert "1 of 11 files could not be scored." in result.stderr
    rows = {Path(row["file"]).name: row for row in rows_of(music / "files.csv")}
    assert "cannot be decoded" in rows["broken.mp3"]["error"]
    assert (rows["silent.wav"]["own_level"], rows["silent.wav"]["loudness"]) == ("1", "")
    assert rows["silent.wav"]["warnings"] == "it is silent"
    assert rows["00.flac"]["sha256"] != rows["00.wav"]["sha256"]
    stopped = measure(music, "-q", "--on-error", "stop")
    assert (stopped.exit_code, stopped.stdout) == (2, "")
    assert "broken.mp3" in stopped.stderr


def test_where_no_file_can_be_read_the_exit_code_is_1_as_where_some_can(music):
    (music / "broken").mkdir()
    (music / "broken" / "a.wav").write_text("not a sound")
    result = score(music / "broken", "-r", music / "real", "--embedder", "toy", "-q")
    assert result.exit_code == 1
    assert "1 of 1 files could not be scored" in result.stderr


def test_one_clip_has_its_own_values_and_reasons_for_the_rest(music):
    result = score(music / "made" / "00.wav", "-r", music / "real", "--embedder", "toy", "-q", "--json")
    assert result.exit_code == 0, result.output
    [one] = json.loads(result.stdout)["conditions"]
    assert (one["n_clips"], one["scores"], set(one["unmeasured"])) == (1, {}, set(DEFAULTS))
    assert one["files"][0]["neighbour_percentile"] >= 0
    shown = score(music / "made" / "00.wav", "-r", music / "real", "--embedder", "toy", "-q")
    assert "an error bar takes at least 3" in shown.stdout


def test_any_number_of_folders_are_conditions_with_a_column_each(music):
    for name, noise in (("noisy", 0.4), ("loud", 0.1)):
        make_folder(music / name, 8, pitch=1.3, noise=noise)
    folders = [music / name for name in ("made", "noisy", "loud")]
    against = ("--reference", music / "real", "--embedder", "toy", "-q", "--metric", "kad", "--metric", "vendi")
    shown = score(*folders, *against)
    assert shown.exit_code == 0, shown.output
    for said in ("made", "noisy", "loud", "independent sets", "adjusted over 6 differences"):
        assert said in shown.stdout
    told = json.loads(score(*folders, *against, "--json").stdout)
    check_document(told)
    assert [one["name"] for one in told["conditions"]] == ["made", "noisy", "loud"]
    assert [(one["metric"], one["first"], one["second"]) for one in told["differences"][:3]] == [
        ("kad", "made", "noisy"), ("kad", "made", "loud"), ("kad", "noisy", "loud"),
    ]  # fmt: skip
    values = {one["name"]: one["scores"]["kad"]["value"] for one in told["conditions"]}
    for one in told["differences"][:3]:
        assert one["value"] == pytest.approx(values[one["second"]] - values[one["first"]])
        assert not one["paired"]
    paired = json.loads(score(*folders, *against, "--json", "--pair-by", "name").stdout)
    assert all(one["paired"] for one in paired["differences"])


def test_a_table_with_prompts_allows_the_metrics_of_prompts(music):
    make_folder(music / "noisy", 8, pitch=1.3, noise=0.4)
    rows = [f"0{n}.wav,0{n}.wav,prompt {n % 4}" for n in range(8)]
    (music / "pairs.csv").write_text("\n".join(["a,b,prompt", *rows]))
    wanted = ("--metric", "prompt_effect", "--metric", "loudness", "--embedder", "toy", "-q", "--json")
    result = score(music / "made", music / "noisy", *wanted, "--pair-by", music / "pairs.csv")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert [one["metric"] for one in told["differences"]] == ["prompt_effect", "loudness"]
    assert told["undefined"] == {}
    assert told["conditions"][0]["scores"]["prompt_effect"]["provenance"]["prompts"] == 4


def test_a_pair_with_a_broken_file_is_left_out_on_both_sides(music):
    make_folder(music / "noisy", 8, pitch=1.3, noise=0.4)
    (music / "noisy" / "03.wav").write_bytes(b"no sound")
    against = ("--reference", music / "real", "--embedder", "toy", "-q", "--metric", "vendi", "--json")
    result = score(music / "made", music / "noisy", *against, "--pair-by", "name", "--csv", music / "files.csv")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    [difference] = told["differences"]
    assert (difference["n"], difference["paired"]) == (7, True)
    assert list(told["failed"]) == [str(music / "noisy" / "03.wav")]
    [broken] = [row for row in rows_of(music / "files.csv") if row["error"]]
    assert broken["file"] == str(music / "noisy" / "03.wav")


def test_a_manifest_says_of_files_what_a_run_knows_of_its_clips(music):
    rows = ["file,condition,prompt,style,index,prompt_seconds"]
    rows += [f"made/0{n}.wav,{'cold' if n < 4 else 'hot'},p{n % 2},s{n % 2},{n // 2 % 2},0.5" for n in range(8)]
    (music / "files.csv").write_text("\n".join(rows))
    against = ("--reference", music / "real", "--embedder", "toy", "-q", "--metric", "vendi", "--metric", "loudness")
    told = json.loads(score("--manifest", music / "files.csv", *against, "--json").stdout)
    assert [(one["name"], one["n_clips"]) for one in told["conditions"]] == [("cold", 4), ("hot", 4)]
    assert [one["paired"] for one in told["differences"]] == [True, True]
    assert {file["seconds"] for one in told["conditions"] for file in one["files"]} == {1.5}
    shown = score("--manifest", music / "files.csv", *against, "--rows", "style")
    assert shown.exit_code == 0, shown.output
    assert "cold, in parts" in shown.stdout
    assert "s1" in shown.stdout


def test_two_embedders_are_two_spaces(music):
    shown = measure(music, "-q", "--json", "--embedder", "musicnn", "--metric", "vendi", "--metric", "loudness")
    told = json.loads(shown.stdout)
    assert list(told["conditions"][0]["scores"]) == ["loudness", "vendi", "vendi@musicnn"]
    assert told["settings"]["further"][0]["reference"] == str(music / "real")


def test_what_was_found_is_logged_as_a_run_would_be(music, monkeypatch):
    from mlflow import MlflowClient

    logged = measure(music, "-q", "--metric", "kad", "--mlflow", "--results", music / "results")
    assert "logged to experiment 'score'" in logged.stdout
    client = MlflowClient(tracking_uri=f"sqlite:///{(music / 'results' / 'mlflow.db').resolve()}")
    experiment = client.get_experiment_by_name("score")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    [child] = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    assert len(runs) == 2
    told = json.loads(measure(music, "-q", "--metric", "kad", "--json").stdout)
    kad = told["conditions"][0]["scores"]["kad"]
    assert child.data.metrics["kad"] == kad["value"]
    assert child.data.metrics["kad.reliable"] == float(kad["reliable"])
    assert child.data.tags["harness.unreliable"] == "kad"
    again = measure(music, "-q", "--metric", "kad", "--mlflow", "--results", music / "results")
    assert "already in experiment 'score'" in again.stdout


def test_mistakes_are_answered_in_one_message(music):
    made, real = music / "made", music / "real"
    for arguments, message in [
        ((made, "--reference", real, "--pair-by", "name"), "two folders"),
        ((made, "--reference", real, "--metric", "vendy"), "Did you mean 'vendi'"),
        ((made, "--reference", "heldot"), "Did you mean 'heldout'"),
        ((made, "--reference", real, "--embedder", "toyy"), "Did you mean 'toy'"),
        ((made, "--reference", real, "--reference", "heldout"), "one was expected"),
        ((made, "--manifest", music / "x.csv"), "leave out the paths"),
        ((made, "--reference", real, "--embedder", "toy", "--rows", "style", "--metric", "loudness"), "have no style"),
        ((music / "absent", "--reference", real), "there is no"),
    ]:
        result = score(*arguments, "-q")
        assert result.exit_code == 2, (arguments, result.output)
        assert message in result.stderr
        assert "Traceback" not in result.output
    together = score(made, real, "--metric", "vendi", "--embedder", "toy", "--together", "-q", "--json")
    assert json.loads(together.stdout)["conditions"][0]["n_clips"] == 20


def test_scores_and_likelihood_in_one_go(music):
    result = measure(music, "--likelihood", "--metric", "loudness", "-q", "--json", "--csv", music / "files.csv")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert len(told["likelihood"]["files"]) == 8
    assert told["likelihood"]["scores"]["bits_per_second"]["n_units"] == 8
    assert all(float(row["nats_per_token"]) > 0 for row in rows_of(music / "files.csv"))


def test_likelihood_is_a_metric_like_others(music):
    told = json.loads(measure(music, "--metric", "bits_per_second", "-q", "--json").stdout)
    assert told["conditions"][0]["scores"]["bits_per_second"]["n"] == 8
