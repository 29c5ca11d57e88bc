"""The lists of a study on disk: `lists/<listener>.json`, one for each, with nothing in them but blind ids."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.core.errors import UsageError
from harness.core.identity import readable_json
from harness.listening.package.stimulus_set import ListenerList, Presentation
from metrics.io.files import write_all


def listener_names(count: int) -> list[str]:
    """
    >>> listener_names(2), listener_names(100)[-1]
    (['L01', 'L02'], 'L100')
    """
    width = max(2, len(str(count)))
    return [f"L{number:0{width}d}" for number in range(1, count + 1)]


def write_lists(lists: Sequence[ListenerList], folder: Path) -> list[Path]:
    """Write all lists, each file whole or not at all; the files. `OSError` passes through."""
    files = {folder / f"{one.listener}.json": readable_json(asdict(one)) for one in lists}
    write_all(files)
    return list(files)


def read_list(path: Path) -> ListenerList:
    """One list. Raises `UsageError` for a file that is none; `OSError` passes through."""
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise UsageError(f"{path} is no JSON ({error}). Make the study again.") from error
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
