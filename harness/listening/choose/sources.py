"""The clips of a study: those of a run of an experiment, or of a folder of sound files, as one kind of list.

FOLDER/<condition>/<prompt>[-<index>].wav     any system's clips; without sub-folders the folder is one condition
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.errors import DamagedClip, UsageError
from harness.reporting.run_folder import RunFolder, find_runs, read_run
from harness.scoring.likelihood import sound_files
from harness.store.clips import Store, read_record
from metrics.api.registry import unknown_name

UNIT = re.compile(r"(\d{2,}-\d{3,})$")
INDEX = re.compile(r"(?P<prompt>.+)-(?P<index>\d{1,6})$")


@dataclass(frozen=True)
class SourceClip:
    """A sound file that may become a stimulus.

    Attributes:
        condition: name of its condition.
        item: its prompt's id and its index; clips of equal item under different conditions are compared.
        prompt: label of the prompt.
        path: the sound file.
        model, seed: what it was sampled with, where that is known.
        sha256: of the file as the run recorded it.
        scores: what a run measured of it, by name.
    """

    condition: str
    item: tuple[str, int]
    prompt: str
    path: Path
    model: str = ""
    seed: str = ""
    sha256: str | None = None
    scores: Mapping[str, float] = field(default_factory=dict, hash=False)

    @property
    def group(self) -> str:
        return self.item[0]

    @property
    def index(self) -> int:
        return self.item[1]


@dataclass(frozen=True)
class StudySource:
    """All clips of a source.

    Attributes:
        name: of the experiment or folder.
        clips: all of them.
        origin: for the protocol, where they are from.
        terms: for each model, the licence of its clips and a notice that must accompany them.
    """

    name: str
    clips: tuple[SourceClip, ...]
    origin: Mapping[str, Any]
    terms: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def conditions(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(clip.condition for clip in self.clips))


def read_source(name: str, results: Path) -> StudySource:
    """The clips of an experiment's newest run, of a run by name, id or path, or of a folder of sound files.

    A run or experiment takes precedence over a folder of the same name, which is then ./name.

    Args:
        name: of the experiment, run or folder.
        results: the folder of all results.

    Raises:
        UsageError: for what is none of them, or has no clips.
    """
    path = Path(name).expanduser()
    if (path / "result.json").is_file() and (path / "clips.csv").is_file():
        return _of_run(path)
    runs = {run.name: run for run in find_runs(results)} if len(path.parts) == 1 else {}
    of_experiment = [run for known, run in runs.items() if known.rpartition("-")[0] == name]
    if of_experiment:
        return _of_run(max(of_experiment, key=lambda run: (run / "result.json").stat().st_mtime_ns))
    if name in runs or (not path.exists() and _is_id(name, runs)):
        return _of_run(*find_runs(results, (name,)))
    if path.is_dir():
        return _of_folder(path)
    if path.exists():
        raise UsageError(
            f"{path} is one file: a run, or a folder with a sub-folder of clips for each condition, was expected."
        )
    known = sorted({*runs, *(run.rpartition("-")[0] for run in runs)})
    raise UsageError(
        f"{unknown_name('experiment, run or folder', name, known)} An experiment must have been run into {results}: "
        f"harness run {name}"
    )


def _is_id(name: str, runs: Mapping[str, Path]) -> bool:
    return bool(name) and any(run.rpartition("-")[2].startswith(name) for run in runs)


def _of_run(folder: Path) -> StudySource:
    run = read_run(folder)
    clips = []
    for row in run.rows:
        if not row.get("path"):
            raise UsageError(f"the run {folder} has a clip without a path: run its experiment again.")
        unit = UNIT.search(Path(row["path"]).stem)
        group, index = unit.group().split("-") if unit else (row["prompt"], row["index"])
        scores = {key: float(value) for key, value in row.items() if isinstance(value, float) and key != "seconds"}
        item = group, int(index)
        path, sha256 = folder / row["path"], row.get("audio_sha256")
        model = str(run.model(row["condition"]).get("name", ""))
        clips.append(
            SourceClip(row["condition"], item, row["prompt"], path, model, row.get("seed") or "", sha256, scores)
        )
    if not clips:
        raise UsageError(f"the run {folder} holds no clips: run its experiment again.")
    settings = {key: run.result["settings"].get(key) for key in ("model", "seed", "seconds", "independent_seeds")}
    sampled = {name: run.changes(name) for name in dict.fromkeys(clip.condition for clip in clips)}
    origin = {
        "run": folder.name,
        "experiment": run.experiment["name"],
        "question": run.experiment.get("question", ""),
        "settings": {key: value for key, value in settings.items() if value is not None},
        "model": run.result["model"],
        "sampling": sampled,
    }
    return StudySource(run.experiment["name"], tuple(clips), origin, _terms(run))


def _terms(run: RunFolder) -> dict[str, dict[str, str]]:
    """Licence and notice in the records of the run's clips, by model; empty for clips that are no longer stored."""
    store = Store(run.folder.parent.parent / "store")
    terms: dict[str, dict[str, str]] = {}
    models = {row["condition"]: str(run.model(row["condition"]).get("name", "")) for row in run.rows}
    for row in run.rows:
        if (model := models[row["condition"]]) not in terms:
            with suppress(DamagedClip):
                conditioning = read_record(store.folder(row["clip"]))["conditioning"]
                terms[model] = {key: conditioning[key] for key in ("licence", "notice") if key in conditioning}
    return {model: terms.get(model, {}) for model in models.values() if model}


def _of_folder(folder: Path) -> StudySource:
    files = sound_files([folder])
    loose = [file for file in files if file.parent == folder]
    if loose and len(loose) < len(files):
        raise UsageError(
            f"{folder} holds sound files as well as folders of them, such as {loose[0].name}: a sub-folder for each "
            "condition, or files of one condition only, was expected."
        )
    clips: dict[tuple[str, tuple[str, int]], SourceClip] = {}
    for file in files:
        condition = (folder.resolve().name or "clips") if loose else file.relative_to(folder).parts[0]
        named = INDEX.match(file.stem)
        item = (named["prompt"], int(named["index"])) if named else (file.stem, 0)
        clip = SourceClip(condition, item, item[0], file)
        if (other := clips.setdefault((condition, item), clip)) is not clip:
            raise UsageError(
                f"{other.path} and {file} are the same prompt and index under {condition!r}: give each file another "
                "name, such as calm-0.wav and calm-1.wav."
            )
    return StudySource(folder.resolve().name or "clips", tuple(clips.values()), {"folder": folder.resolve().name})
