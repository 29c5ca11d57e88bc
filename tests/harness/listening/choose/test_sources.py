"""Clips of runs and of folders, by name."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest
import soundfile

from harness.core.errors import UsageError
from harness.listening.choose.sources import read_source
from tests.harness.listening.clips import RATE, make_clips, music


def leave_run(results: Path, name: str, conditions: tuple[str, ...] = ("cold", "hot"), age: int = 0) -> Path:
    """A run's folder as `harness run` leaves it, of three clips under each condition."""
    folder = results / "runs" / name
    folder.mkdir(parents=True)
    experiment = name.rpartition("-")[0]
    result = {
        "id": name.rpartition("-")[2].ljust(64, "0"),
        "experiment": {"name": experiment, "question": "Why?", "conditions": [{"name": one} for one in conditions]},
        "settings": {"model": "toy", "seed": 0, "seconds": 2.2},
        "model": {"name": "toy"},
        "conditions": [{"name": one} for one in conditions],
        "differences": [],
    }
    (folder / "result.json").write_text(json.dumps(result))
    os.utime(folder / "result.json", (age, age))
    with (folder / "clips.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["condition", "prompt", "index", "seed", "seconds", "silent", "fit", "clip", "path"])
        for c, condition in enumerate(conditions):
            for n in range(3):
                path = f"clips/{condition}/calm {condition}-{n % 2:02d}-{n // 2:03d}.flac"
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(folder / path, music(10 * c + n), RATE)
                row = [condition, f"calm {condition}", n // 2, 2**62 + n, 2.2, False, n / 4, f"{c}{n}" * 32, path]
                writer.writerow(row)
    return folder


def test_an_experiment_means_its_newest_run(tmp_path: Path) -> None:
    leave_run(tmp_path, "heat-aaaaaaaaaaaa", age=2000)
    leave_run(tmp_path, "heat-bbbbbbbbbbbb", ("cool", "warm"), age=3000)
    leave_run(tmp_path, "heat-cccccccccccc", age=1000)
    assert read_source("heat", tmp_path).conditions == ("cool", "warm")


@pytest.mark.parametrize("name", ["heat-aaaaaaaaaaaa", "aaaaaaaaaaaa", "aaaa"])
def test_a_run_is_found_by_name_and_by_id(tmp_path: Path, name: str) -> None:
    leave_run(tmp_path, "heat-aaaaaaaaaaaa")
    leave_run(tmp_path, "heat-bbbbbbbbbbbb", ("cool", "warm"), age=9)
    assert read_source(name, tmp_path).origin["run"] == "heat-aaaaaaaaaaaa"


def test_a_run_is_found_by_its_path(tmp_path: Path) -> None:
    folder = leave_run(tmp_path, "heat-aaaaaaaaaaaa")
    assert read_source(str(folder), tmp_path / "elsewhere").origin["experiment"] == "heat"


def test_clips_of_a_run_are_matched_by_its_units_though_the_prompts_were_changed(tmp_path: Path) -> None:
    leave_run(tmp_path, "heat-aaaaaaaaaaaa")
    clips = read_source("heat", tmp_path).clips
    assert [clip.item for clip in clips] == 2 * [("00", 0), ("01", 0), ("00", 1)]
    assert {clip.prompt for clip in clips} == {"calm cold", "calm hot"}
    assert (clips[0].model, clips[0].seed, clips[1].scores) == ("toy", str(2**62), {"fit": 0.25})


def test_where_the_model_varies_each_clip_has_its_own(tmp_path: Path) -> None:
    path = leave_run(tmp_path, "which-aaaaaaaaaaaa", ("a", "b")) / "result.json"
    names = {"a": {"name": "toy"}, "b": {"name": "jukebox:mini"}}
    model = {"name": "toy, jukebox:mini", "conditions": names}
    path.write_text(json.dumps({**json.loads(path.read_text()), "model": model}))
    source = read_source("which", tmp_path)
    assert {(clip.condition, clip.model) for clip in source.clips} == {("a", "toy"), ("b", "jukebox:mini")}
    assert source.terms == {"toy": {}, "jukebox:mini": {}}


def test_an_experiment_goes_before_a_folder_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    leave_run(Path("results"), "heat-aaaaaaaaaaaa")
    make_clips(Path("heat"), prompts=1)
    assert "run" in read_source("heat", Path("results")).origin
    assert "folder" in read_source("./heat", Path("results")).origin


def test_sub_folders_are_conditions_and_numbers_at_the_end_indices(tmp_path: Path) -> None:
    make_clips(tmp_path / "clips", ("a", "b"), prompts=2)
    (tmp_path / "clips/a/deep").mkdir()
    os.rename(tmp_path / "clips/a/melody1-0.wav", tmp_path / "clips/a/deep/slow-melody-12.wav")
    found = read_source(str(tmp_path / "clips"), tmp_path)
    assert found.conditions == ("a", "b")
    assert [clip.item for clip in found.clips if clip.condition == "a"] == [("slow-melody", 12), ("melody0", 0)]


def test_a_folder_without_sub_folders_is_one_condition(tmp_path: Path) -> None:
    folder = make_clips(tmp_path / "clips", ("mine",), prompts=2) / "mine"
    assert read_source(str(folder), tmp_path).conditions == ("mine",)


def test_an_unknown_name_is_answered_with_the_nearest(tmp_path: Path) -> None:
    leave_run(tmp_path, "heat-aaaaaaaaaaaa")
    with pytest.raises(UsageError, match=r"'heat'.*harness run heatt"):
        read_source("heatt", tmp_path)
