"""A run's folder read back: what was found, and the table of clips, as `harness.reporting.projection` wrote them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import StoreError, UsageError
from harness.models.base import Sampling
from harness.store.listing import read_rows
from metrics.api.registry import unknown_name

TEXT = (
    "condition",
    "prompt",
    "text",
    "style",
    "understood_style",
    "understood_by",
    "seed",
    "clip",
    "audio_sha256",
    "path",
)
"""Columns of the table of clips that are text even where they look like a number."""


@dataclass(frozen=True)
class RunFolder:
    """`result` is the content of result.json, `rows` that of clips.csv with its numbers, `failures` that of
    failures.json: the clips that are missing. `looks` are what the machine did, and when."""

    folder: Path
    result: dict[str, Any]
    rows: list[dict[str, Any]]
    failures: list[dict[str, Any]]
    looks: list[tuple[int, dict[str, float]]]

    @property
    def id(self) -> str:
        """The digest of what was asked."""
        return self.result["id"]

    @property
    def experiment(self) -> dict[str, Any]:
        """The experiment as it was declared."""
        return self.result["experiment"]

    def model(self, condition: str) -> dict[str, Any]:
        """The fingerprint of the model that sampled a condition; where it is none, that of the run."""
        return self.result["model"].get("conditions", {}).get(condition, self.result["model"])

    def changes(self, condition: str) -> dict[str, Any]:
        """What a condition sets: its sampling without what is left to the model, the fields of the prompts that it
        replaces, as `prompt.style`, and the clips' length, random numbers and model where they are its own."""
        always, left = ("temperature", "top_k", "top_p"), vars(Sampling())
        for declared in self.experiment["conditions"]:
            if declared["name"] == condition:
                sampling = declared.get("sampling", {})
                set_ = {key: value for key, value in sampling.items() if key in always or value != left.get(key)}
                set_ |= {f"prompt.{key}": value for key, value in declared.get("prompt", {}).items()}
                own, more = declared.get("seconds"), declared.get("more_seconds", 0.0)
                if own is not None or more:
                    set_["seconds"] = (self.result["settings"].get("seconds", 0.0) if own is None else own) + more
                if "conditions" in self.result["model"]:
                    set_["model"] = self.model(condition).get("name")
                return set_ | ({"replicate": declared["replicate"]} if declared.get("replicate") else {})
        return {}

    def table(self, condition: str) -> dict[str, list[Any]]:
        """The clips of a condition by column; columns that say nothing about any of them are left out."""
        rows = [row for row in self.rows if row["condition"] == condition]
        columns = {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
        return {name: cells for name, cells in columns.items() if any(cell is not None for cell in cells)}


def read_run(folder: Path) -> RunFolder:
    """Raises `StoreError` for a folder that is damaged; running the experiment again writes it anew."""
    path = folder / "result.json"
    try:
        result = json.loads(path.read_text("utf-8"))
        shape = {
            "id": str,
            "experiment": dict,
            "settings": dict,
            "model": dict,
            "conditions": list,
            "differences": list,
        }
        if wrong := [name for name, kind in shape.items() if not isinstance(result[name], kind)]:
            raise TypeError(f"its {wrong[0]} is {result[wrong[0]]!r:.40}")
        if not re.fullmatch("[0-9a-f]{64}", result["id"]):
            raise ValueError(f"its id is {result['id']!r:.40}")
        for condition in (*result["conditions"], *result["experiment"]["conditions"], result["experiment"]):
            str(condition["name"])
        result = _renewed(result)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(path, error) from error
    failures = _read_list(folder / "failures.json", lambda failure: failure["condition"] + failure["error"])
    looks = _read_list(folder / "system.json", lambda look: (int(look[0]), *map(float, look[1].values())))
    return RunFolder(folder, result, [_typed(row) for row in read_rows(folder)], failures, looks)


def _renewed(result: dict[str, Any]) -> dict[str, Any]:
    """The result of an earlier version under today's names; differences then had one p, adjusted by Holm's method."""
    conditions = [
        condition | {"scores": {name: _score(score) for name, score in condition.get("scores", {}).items()}}
        for condition in result["conditions"]
    ]
    return result | {"conditions": conditions, "differences": [_difference(one) for one in result["differences"]]}


def _difference(one: dict[str, Any]) -> dict[str, Any]:
    if "score" not in one:
        return one
    same = {name: one[name] for name in ("metric", "first", "second", "significant")}
    return _score(one["score"]) | same | {"p": None, "p_adjusted": one["p"], "family_interval": None}


def _score(score: dict[str, Any]) -> dict[str, Any]:
    """In schema 1 units were called songs, and what makes a score unreliable stood in its note."""
    if "n" in score:
        return score
    units = score["n_songs"] if "n_songs" in score else score["n_units"]
    return score | {"n": units, "why": "" if score["reliable"] else score["note"]}


def _read_list(path: Path, check: Callable[[Any], object]) -> list[Any]:
    """A list in JSON, each entry passed by `check`; empty where there is no file."""
    try:
        entries = json.loads(path.read_text("utf-8"))
        for entry in entries:
            check(entry)
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(path, error) from error
    return entries


def _damaged(path: Path, error: Exception) -> StoreError:
    said = f"no {error}" if isinstance(error, KeyError) else error
    return StoreError(
        f"the run {path} cannot be read ({said}). Run its experiment again, which writes it anew, or remove "
        f"{path.parent}."
    )


def find_runs(results: Path, names: tuple[str, ...] = ()) -> list[Path]:
    """The folders of the runs of these names, ids or paths; without names all, in the order of their names.

    Raises `UsageError` for a name that means no run, or several.
    """
    runs = {path.parent.name: path.parent for path in sorted(results.glob("runs/*/result.json"))}
    if not names:
        return list(runs.values())
    chosen = []
    for name in names:
        last = Path(name).name
        found = [run for run in runs if run == last] or [run for run in runs if run.rpartition("-")[2].startswith(last)]
        if not found:
            raise UsageError(unknown_name("run", name, list(runs)))
        if len(found) > 1:
            raise UsageError(f"{name!r} may be {' or '.join(found)}: give the whole name.")
        chosen.append(runs[found[0]])
    return chosen


def _typed(row: Mapping[str, str]) -> dict[str, Any]:
    return {name: text if name in TEXT else _value(text) for name, text in row.items()}


def _value(text: str) -> Any:
    """A cell as it was before it was written: nothing, a truth value, a number, or else text."""
    if text in ("", "True", "False"):
        return {"": None, "True": True, "False": False}[text]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text
