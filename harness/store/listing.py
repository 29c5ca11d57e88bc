"""What is in a store, and why: the clips, with the conditions and prompts of the runs that refer to them.

A clip's record knows neither experiments nor conditions, for it may serve many. Those are read from the tables of the
runs: of the clips that a run has (`<results>/runs/*/clips.csv`), and as long as it is under way, or was interrupted, of
those that it needs (`<results>/planned/*.csv`). Nothing here is hashed or decoded: `harness.store.upkeep` does that.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.csv_table import read_table
from harness.core.errors import DamagedClip, StoreError
from harness.core.identity import canonical_json
from harness.store.clips import Store, read_record

COLUMNS = ("clip", "condition", "prompt", "index")
NO_RUN = "(no run)"
TABLE, PLANNED = "clips.csv", "planned"


@dataclass(frozen=True)
class Reference:
    """Why a clip is there: run, condition, prompt, and its index among the clips of that prompt."""

    run: str
    condition: str
    prompt: str
    index: int


def plan_file(run: Path) -> Path:
    """Where the run of this folder says which clips it needs: beside the runs, for those are finished."""
    return run.parents[1] / PLANNED / f"{run.name}.csv"


def begun_runs(results: Path) -> list[str]:
    """The runs that are under way or were interrupted, by name."""
    return sorted(path.stem for path in results.glob(f"{PLANNED}/[!.]*.csv"))


def read_rows(run: Path) -> list[dict[str, str]]:
    """A run's table of clips as text. Raises `StoreError` for one that is damaged: who needs it must not guess."""
    return _read(run / TABLE, run)


def _read(path: Path, run: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            columns, rows = read_table(file)
        if missing := [name for name in COLUMNS if rows and name not in columns]:
            raise ValueError(f"it has no column {missing[0]}")
        for row in rows:
            int(row["index"])
            if None in row or None in row.values():
                raise ValueError("a row has another number of cells than the header")
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise StoreError(
            f"the table of clips {path} cannot be read ({error}). Run its experiment again, which writes it anew, or "
            f"remove {run}."
        ) from error
    return rows


def references(results: Path) -> dict[str, list[Reference]]:
    """By clip, every condition that refers to it, those of the newest run last. Raises `StoreError`."""
    found: dict[str, dict[Reference, None]] = defaultdict(dict)
    tables = [*results.glob(f"runs/*/{TABLE}"), *results.glob(f"{PLANNED}/[!.]*.csv")]
    for path in sorted(tables, key=lambda path: (path.stat().st_mtime, path)):
        run, name = (path, path.stem) if path.parent.name == PLANNED else (path.parent, path.parent.name)
        for row in _read(path, run):
            one = Reference(name, row["condition"], row["prompt"], int(row["index"]))
            found[row["clip"]][one] = None
    return {clip_id: list(ones) for clip_id, ones in found.items()}


def listing(results: Path) -> list[dict[str, Any]]:
    """A row for each clip, by id, JSON-able: `condition`, `prompt` and `index` as the newest run has them, `references`
    as all have. Where no run refers to a clip its condition is None, and its prompt is what the record holds.

    A clip whose record cannot be read has the `problem` in place of a hash.
    """
    store, known = Store(results / "store"), references(results)
    return [_row(store, clip_id, known.get(clip_id, [])) for clip_id in store.ids()]


def _row(store: Store, clip_id: str, known: list[Reference]) -> dict[str, Any]:
    folder = store.folder(clip_id)
    row: dict[str, Any] = {
        "identity": clip_id,
        "path": str(folder / "audio.flac"),
        "sha256": None,
        "condition": known[-1].condition if known else None,
        "prompt": known[-1].prompt if known else None,
        "index": known[-1].index if known else None,
        "references": [vars(reference) for reference in known],
        "bytes": folder_bytes(folder),
    }
    try:
        record = read_record(folder)
    except DamagedClip as error:
        return row | {"problem": str(error)}
    identity = record["identity"]
    if not known:
        row |= {"prompt": _said(identity.get("prompt")), "index": identity.get("index")}
    row |= {"sha256": record["files"]["audio.flac"]["sha256"], "seed": identity.get("seed")}
    model = identity.get("model")
    row["model"] = model.get("name") if isinstance(model, Mapping) else None
    row["seconds"] = record["audio"].get("seconds")
    return row


def usage(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Clips, seconds and bytes by model and condition, from rows of `listing`. A clip counts once, in its condition of
    the newest run, so that the sums are those of the disk."""
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        key = str(row.get("model") or "(unreadable)"), row["condition"] or NO_RUN
        model, condition = key
        group = groups.setdefault(key, {"model": model, "condition": condition, "clips": 0, "seconds": 0.0, "bytes": 0})
        group["clips"] += 1
        group["seconds"] += row.get("seconds") or 0.0
        group["bytes"] += row["bytes"]
    return [groups[key] for key in sorted(groups)]


def folder_bytes(folder: Path) -> int:
    """The sizes of the files below `folder`, links not followed; 0 when it is not there."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _said(prompt: Any) -> str | None:
    """The content of a prompt in one line: its words alone where it has nothing else."""
    if isinstance(prompt, Mapping) and len(prompt) == 1:
        [value] = prompt.values()
        if isinstance(value, str):
            return value
    return None if prompt is None else canonical_json(prompt)
