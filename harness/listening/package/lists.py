"""The lists of a study on disk: `lists/<listener>.json`, one for each listener, with nothing but blind ids in them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.core.errors import UsageError
from harness.core.identity import readable_json
from harness.listening.study import ListenerList, Presentation
from metrics.io.files import write_all


def write_lists(lists: Sequence[ListenerList], folder: Path) -> list[Path]:
    """Write all lists, each file whole or not at all, and return their paths. `OSError` passes through."""
    files = {folder / f"{one.listener}.json": readable_json(asdict(one)) for one in lists}
    write_all(files)
    return list(files)


def read_list(path: Path) -> ListenerList:
    """Read one list. Raises `UsageError` for another file; `OSError` passes through."""
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise UsageError(f"{path} is not JSON ({error}). Make the study again.") from error
    if not isinstance(content, dict) or content.keys() != {"listener", "training", "trials"}:
        raise _wrong(path, "listener, training and trials")
    if content["listener"] != path.stem:
        raise _wrong(path, f"the list of listener {path.stem}")
    return ListenerList(path.stem, *(_presentations(path, content[part]) for part in ("training", "trials")))


def _presentations(path: Path, rows: Any) -> tuple[Presentation, ...]:
    if not isinstance(rows, list):
        raise _wrong(path, "trials in a list")
    for row in rows:
        valid = isinstance(row, dict) and row.keys() == {"trial", "stimuli"} and isinstance(row["stimuli"], list)
        if not (valid and row["stimuli"] and all(isinstance(id, str) for id in (row["trial"], *row["stimuli"]))):
            raise _wrong(path, "the id of its trial and those of its stimuli in each row")
    return tuple(Presentation(row["trial"], tuple(row["stimuli"])) for row in rows)


def _wrong(path: Path, expected: str) -> UsageError:
    return UsageError(f"{path} is not a listener's list: expected {expected}. Make the study again.")
