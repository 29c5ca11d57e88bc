"""Every shipped experiment, a user's own file and a study, from the command line to what is printed and left."""

import json
from pathlib import Path

import pytest
import soundfile
from typer.testing import CliRunner

from harness.cli import app
from harness.models.toy import ToyModel
from harness.planning.registry import EXPERIMENTS, declarations
from harness.prompts.prompt import Prompt

ASKED_OF_LISTENERS = ([], ["music from the prompt", "other music"])
WITH_THE_TOY = {
    "ablation": (["--baseline", "top_k=2", "--ablate", "top_k=off"], ["baseline", "top_k=0"]),
    "conditioning": (["--without", "style"], ["as asked", "no style"]),
    "duration": (["--duration", "1", "--duration", "2"], ["1 s", "2 s"]),
    "emotion": ASKED_OF_LISTENERS,
    "experiment_design": ASKED_OF_LISTENERS,
    "ideation": ASKED_OF_LISTENERS,
    "seeds": (["--replicates", "2"], ["replicate 0", "replicate 1"]),
    "temperature": (["--temperature", "0.6", "--temperature", "2"], ["temperature=0.6", "temperature=2"]),
    "truncation": (["--top-k", "2", "--top-p", "0.5"], ["all codes", "top_k=2", "top_p=0.5"]),
    "prompt_length": (["--prompt-length", "0.5", "--prompt-length", "1"], ["prompt=0.5 s", "prompt=1 s"]),
    "writing": ASKED_OF_LISTENERS,
}
BEYOND_THE_TOY = {"hop", "levels", "upsampling"}
"""These vary what the toy has not; they are run with a tiny Jukebox beside its other tests."""

STUDY = """\
question: Do cold clips gain from truncation?
varies: {grid: {temperature: [0.6, 2], top_k: [0, 3]}}
primary: vendi
contrast: against the first
prompts: [{style: toy-bell}, {style: toy-organ}]
clips: 8
seconds: 1
model: toy
embedder: toy
"""
MINE = '''\
from collections.abc import Sequence
from typing import Annotated
from harness.planning.experiment import Condition, experiment
from harness.models.base import Sampling

@experiment(varies="top_p", primary="vendi")
def mine(top_p: Annotated[Sequence[float], "Mass."] = (0.5, 0.9)) -> list[Condition]:
    """Does the mass matter?"""
    return [Condition(f"p={p:g}", Sampling(top_p=p), p) for p in top_p]
'''
TOY = ["--model", "toy", "--embedder", "toy", "--seconds", "1", "--clips", "8"]


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["run", *arguments])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.output


@pytest.fixture
def toy(toy_reference, tmp_path) -> list[str]:
    return [*TOY, *measured(toy_reference, tmp_path)]


def measured(reference: Path, results: Path) -> list[str]:
    return ["--reference", str(reference), "--results", str(results / "results"), "--no-mlflow", "--quiet"]


def declared(result):
    """The differences that were declared; the others are exploratory."""
    return [one for one in result["differences"] if one["label"] != "exploratory"]


def found(results: Path) -> dict:
    [path] = (results / "results" / "runs").glob("*/result.json")
    return json.loads(path.read_text("utf-8"))


@pytest.fixture(scope="session")
def melodies(tmp_path_factory) -> list[Path]:
    """Two sound files to go on from."""
    model, folder = ToyModel(), tmp_path_factory.mktemp("melodies")
    paths = []
    for n, style in enumerate(("toy-bell", "toy-organ")):
        [clip] = model.sample([model.encode(Prompt(style=style), 4.0)], [n])
        soundfile.write(folder / f"{style}.wav", clip.audio, clip.rate)
        paths.append(folder / f"{style}.wav")
    return paths


def test_every_shipped_experiment_is_run_here_or_with_a_tiny_jukebox():
    shipped = {name for name in EXPERIMENTS.names() if EXPERIMENTS.origin(name).built_in}
    assert shipped == set(WITH_THE_TOY) | BEYOND_THE_TOY


@pytest.mark.parametrize("name", WITH_THE_TOY)
def test_a_shipped_experiment_runs_to_its_differences(name, toy, tmp_path, melodies):
    options, conditions = WITH_THE_TOY[name]
    if name == "prompt_length":
        options = [*options, *(word for path in melodies for word in ("--audio", str(path)))]
    shown = run(name, *options, *toy)
    result = found(tmp_path)
    assert [one["name"] for one in result["conditions"]] == conditions
    assert result["experiment"]["question"]
    assert result["labels"][result["experiment"]["primary"]] == "declared"
    assert set(result["labels"].values()) == {"declared", "exploratory"}
    assert result["differences"]
    assert ", declared, clips paired by " + ("prompt" if name == "seeds" else "seed") in shown
    assert all(condition in shown for condition in conditions)


def test_clips_that_were_asked_for_no_style_are_still_compared_with_it(toy, tmp_path):
    run("conditioning", *toy)
    asked, nothing = found(tmp_path)["conditions"]
    assert asked["scores"]["style_similarity"]["value"] > nothing["scores"]["style_similarity"]["value"]


def test_clips_whose_text_was_taken_away_are_compared_with_what_it_was_understood_as(toy, tmp_path):
    run("conditioning", *toy, "--prompt", "the sea", "--prompt", "a storm")
    asked, nothing = found(tmp_path)["conditions"]
    assert asked["scores"]["style_similarity"]["value"] > nothing["scores"]["style_similarity"]["value"]


def test_each_continuation_is_as_long_as_the_other(toy, tmp_path, melodies):
    run("prompt_length", "--prompt-length", "0.5", "--prompt-length", "2", "--audio", str(melodies[0]), *toy)
    [csv] = (tmp_path / "results" / "runs").glob("*/clips.csv")
    seconds = {line.split(",")[0]: float(line.split(",")[4]) for line in csv.read_text("utf-8").splitlines()[1:]}
    assert seconds == {"prompt=0.5 s": 1.5, "prompt=2 s": 3.0}


def test_independent_seeds_are_none_that_conditions_share(toy, tmp_path):
    shown = run("temperature", *toy, "--independent-seeds")
    [csv] = (tmp_path / "results" / "runs").glob("*/clips.csv")
    seeds = [line.split(",")[3] for line in csv.read_text("utf-8").splitlines()[1:]]
    assert len(set(seeds)) == len(seeds) == 24
    assert "clips paired by prompt" in shown
    assert found(tmp_path)["settings"]["independent_seeds"] is True


def test_a_study_runs_like_an_experiment_and_the_command_line_goes_before_it(tmp_path, toy_reference):
    (tmp_path / "study.yaml").write_text(STUDY)
    shown = run(str(tmp_path / "study.yaml"), *measured(toy_reference, tmp_path), "--clips", "6")
    result = found(tmp_path)
    assert result["experiment"]["name"] == "study"
    assert len(result["experiment"]["source"]) == 64
    assert [one["name"] for one in result["conditions"]][1] == "temperature=0.6, top_k=3"
    assert [len(one["clips"]) for one in result["conditions"]] == [6] * 4
    assert result["settings"]["prompts"] == [{"style": "toy-bell"}, {"style": "toy-organ"}]
    assert len(declared(result)) == 3
    assert "Differences in Vendi, declared" in shown


def test_over_a_family_p_values_are_adjusted_and_alone_they_are_not(tmp_path, toy_reference):
    found_p = {}
    for family in ("all contrasts", "each alone"):
        (tmp_path / "study.yaml").write_text(f"{STUDY}family: {family}\n")
        shown = run(str(tmp_path / "study.yaml"), *measured(toy_reference, tmp_path))
        assert ("adjusted over 3 differences" in shown) == (family == "all contrasts")
    for path in tmp_path.glob("results/runs/*/result.json"):
        result = json.loads(path.read_text("utf-8"))
        found_p[result["experiment"]["family"]] = [(one["p"], one["p_adjusted"]) for one in declared(result)]
    assert all(p == adjusted for p, adjusted in found_p["each alone"])
    assert all(p <= adjusted <= 3 * p + 1e-12 for p, adjusted in found_p["all contrasts"])
    assert [p for p, _ in found_p["all contrasts"]] == [p for p, _ in found_p["each alone"]]


def test_a_users_own_file_runs_with_its_options(toy, tmp_path):
    path = tmp_path / "my_experiment.py"
    path.write_text(MINE)
    run(str(path), "--top-p", "0.3", "--top-p", "0.8", *toy)
    assert [one["name"] for one in found(tmp_path)["conditions"]] == ["p=0.3", "p=0.8"]
    assert "--top-p" in run(str(path), "--help")


def test_a_dry_run_prints_the_plan_and_leaves_nothing(toy, tmp_path):
    shown = run("truncation", *toy, "--dry-run")
    for said in ("32 to sample", "tokens", "all codes", "top_p=0.9", "toy-bell, toy-drone", "all else is exploratory"):
        assert said in shown
    assert not (tmp_path / "results").exists()
    run("truncation", *toy)
    assert "32 stored, 0 to sample" in run("truncation", *toy, "--dry-run")


def test_the_best_is_confirmed_on_fresh_seeds(toy, tmp_path):
    varied = ["--temperature", "0.6", "--temperature", "1", "--temperature", "2.5"]
    shown = run("temperature", *varied, *toy, "--confirm", "best")
    results = [json.loads(path.read_text("utf-8")) for path in tmp_path.glob("results/runs/*/result.json")]
    [result] = [result for result in results if result["experiment"]["stage"] == "confirmatory"]
    assert len(results) == 2
    assert "temperature (confirmatory, on fresh seeds)" in shown
    assert "16 sampled now" in shown
    assert result["labels"]["fad16"] == "confirmatory"
    assert result["labels"]["vendi"] == "exploratory"
    assert len(result["conditions"]) == 2
    assert len(declared(result)) == 1
    names = [word for one in result["conditions"] for word in ("--confirm", one["name"])]
    assert "none sampled" in run("temperature", *varied, *toy, *names)


MISTAKES = {
    "no such file": (["none.yaml"], "there is no experiment none.yaml"),
    "no such Python file": (["none.py"], "there is no experiment none.py"),
    "a folder": (["folder.py"], "there is no experiment folder.py"),
    "a broken study": (["broken.yaml"], "broken.yaml, line 2, varies: "),
    "a broken file": (["broken.py"], "broken.py, line 1: invalid syntax"),
    "an option that every run has": (["clash.py"], "which every run has as an option"),
    "an option of a type that none can have": (["odd.py"], "cannot be given options"),
    "an option that the file has not": (["mine.py", "--top-k", "3"], "--top-k"),
    "a value that is refused": (["mine.py", "--top-p", "2"], "mine.py, line 9: top_p is 2.0"),
    "a word for a number": (["mine.py", "--top-p", "many"], "--top-p"),
    "an experiment that the file has not": (["mine.py:yours"], "unknown experiment in mine.py 'yours'"),
    "a study's clips of none": (["study.yaml", "--clips", "0"], "clips is 0"),
    "an unknown experiment": (["truncations"], "Did you mean 'truncation'?"),
    "one to confirm": (["mine.py", "--confirm", "p=0.5"], "1 conditions were named to confirm"),
    "three to confirm": (["mine.py", *(["--confirm", "p=0.5"] * 3)], "3 conditions were named to confirm"),
    "one twice to confirm": (["mine.py", *(["--confirm", "p=0.5"] * 2)], "named twice"),
    "unknown to confirm": (["mine.py", "--confirm", "p=0.5", "--confirm", "p=1"], "unknown condition of mine 'p=1'"),
    "best of a plan": (["mine.py", "--dry-run", "--confirm", "best"], "1 conditions were named to confirm"),
    "no sound to continue": (["prompt_length"], "name a sound file with --audio"),
    "a prompt of no length": (["prompt_length", "--prompt-length", "0"], "length was 0 s"),
    "an unknown part": (["conditioning", "--without", "melody"], "--without is 'melody'; expected 'style' or"),
    "a part that no prompt has": (["conditioning", "--without", "lyrics"], "ask for the same clip"),
    "one replicate": (["seeds", "--replicates", "1"], "number of replicates was 1"),
    "no length": (["duration", "--duration", "0"], "seconds is 0.0"),
    "too long": (["duration", "--duration", "1e9"], "at most 600 s"),
    "the same length twice": (["duration", "--duration", "1", "--duration", "1"], "same name twice"),
    "hops that the model has not": (["hop"], "the toy model has no hop_fraction"),
    "a hop of nothing": (["hop", "--hop-fraction", "0"], "hop_fraction is 0.0"),
    "a level below": (["levels", "--stop-level", "-1"], "stop_level is -1"),
    "one slice": (["upsampling", "--slices", "1"], "upsampling is 'parallel:1:0.25'"),
    "too much overlap": (["upsampling", "--overlap", "2"], "upsampling is 'parallel:2:2'"),
    "fewer than no codes": (["truncation", "--top-k", "-1"], "top_k is -1"),
    "more than all the mass": (["truncation", "--top-p", "1.5"], "top_p is 1.5"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_answered_in_one_message(mistake, toy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("folder.py").mkdir()
    Path("study.yaml").write_text(STUDY)
    Path("broken.yaml").write_text("question: what?\nvaries: 3\n")
    Path("broken.py").write_text("def f(:\n")
    Path("mine.py").write_text(MINE)
    Path("clash.py").write_text(MINE.replace("top_p: ", "clips: ").replace("in top_p", "in clips"))
    Path("odd.py").write_text(MINE.replace("Sequence[float]", "Sequence[Sequence[float]]"))
    arguments, message = MISTAKES[mistake]
    shown = run(arguments[0], *toy, *arguments[1:], code=2)
    assert message in " ".join(shown.replace("│", " ").split())
    assert not list(tmp_path.glob("results/runs/*"))


def test_experiments_are_listed_with_their_questions():
    result = CliRunner().invoke(app, ["experiments"])
    assert result.exit_code == 0
    for name, declaration in declarations().items():
        assert name in result.output
        assert declaration.headline in result.output
        assert declaration.headline.endswith("?")


MINI = ["--embedder", "musicnn", "--reference", "heldout", "--style", "metal", "--style", "ambient", "--clips", "4"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("truncation", ["--top-k", "64", "--top-p", "0"]),
        ("temperature", ["--temperature", "0.7", "--temperature", "0.99"]),
    ],
)
def test_the_embedded_model_runs_an_experiment(name, options, tmp_path):
    common = ["--results", str(tmp_path / "results"), "--no-mlflow", "--quiet", "--seconds", "3.5"]
    shown = run(name, *options, *MINI, *common)
    assert "8 sampled now" in shown
    assert len(declared(found(tmp_path))) == 1
    assert "8 stored, 0 to sample" in run(name, *options, *MINI, *common, "--dry-run")


@pytest.mark.slow
def test_the_embedded_model_continues_prompts_of_two_lengths(tmp_path, melodies):
    common = ["--results", str(tmp_path / "results"), "--no-mlflow", "--quiet", "--seconds", "3.5", "--clips", "4"]
    sounds = [word for path in melodies for word in ("--audio", str(path))]
    lengths = ["--prompt-length", "1", "--prompt-length", "2"]
    run("prompt_length", *lengths, *sounds, *common)
    result = found(tmp_path)
    assert [one["name"] for one in result["conditions"]] == ["prompt=1 s", "prompt=2 s"]
    assert all("prompt_similarity" in one["scores"] for one in result["conditions"])
    assert len(declared(result)) == 1
