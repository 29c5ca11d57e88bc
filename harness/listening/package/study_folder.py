"""Reading a study's folder, for everything after it was made: checking, listening, analysing."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from harness.core.csv_table import read_table
from harness.core.errors import HarnessError
from harness.listening.kinds.catalogue import find_kind
from harness.listening.make.blinding import PRIVATE, KeyRow, read_key
from harness.listening.package.lists import read_list
from harness.listening.study import ListenerList, Presentation, Stimulus, StimulusSet, Trial

Parsed = TypeVar("Parsed")


@dataclass(frozen=True)
class StudyFolder:
    """The contents of a folder that `harness stimuli` made.

    Attributes:
        manifest: the rows of `public/manifest.csv` by blind id.
        lists: of the listeners.
        key: which stimulus is which.
        protocol: `protocol.json`.
        request: `PRIVATE/request.json`.
        problems: what could not be read, and why.
    """

    manifest: dict[str, dict[str, str]]
    lists: tuple[ListenerList, ...]
    key: tuple[KeyRow, ...]
    protocol: dict[str, Any]
    request: dict[str, Any]
    problems: tuple[str, ...] = ()

    @cached_property
    def trials(self) -> dict[str, tuple[str, ...]]:
        """The stimuli of each trial, including its reference."""
        found: dict[str, tuple[str, ...]] = {}
        for id, row in self.manifest.items():
            for trial in row["trial"].split():
                found[trial] = (*found.get(trial, ()), id)
        return found

    def neutral(self) -> StimulusSet:
        """The study with ids and a name that mean nothing, whose exports hold only what those of any such study do.

        Raises `KeyError` where the protocol could not be read.
        """
        new = {old: f"{old[:1]}{n:016d}" for n, old in enumerate(sorted({*self.manifest, *self.trials}))}
        processing, tasks = self.protocol["processing"], self.request.get("tasks") or [{}]
        seconds = processing["excerpt"]["seconds"]
        shown = {one.trial: one.stimuli for made in self.lists for one in (*made.training, *made.trials)}
        trials = {}
        for number, (trial, ids) in enumerate(self.trials.items()):
            own, against = shown.get(trial, ()), [new[id] for id in ids if id not in shown.get(trial, ())]
            stimuli = tuple(sorted(new[id] for id in own if id in new))
            trials[new[trial]] = Trial(new[trial], stimuli, next(iter(against), None), tasks[number % len(tasks)])

        def renamed(part: tuple[Presentation, ...]) -> tuple[Presentation, ...]:
            known = (one for one in part if one.trial in new and {*one.stimuli} <= {*new})
            return tuple(Presentation(new[one.trial], tuple(new[id] for id in one.stimuli)) for one in known)

        return StimulusSet(
            "listening study",
            find_kind(self.protocol["kind"]),
            {new[id]: Stimulus(new[id], seconds, "0" * 64) for id in self.manifest},
            trials,
            tuple(ListenerList(one.listener, renamed(one.training), renamed(one.trials)) for one in self.lists),
            processing["rate_hz"],
            processing["channels"],
            seconds,
        )


def read_study_folder(folder: Path) -> StudyFolder:
    """Read a study's folder; a part that is missing or damaged is empty and listed as a problem."""
    problems: list[str] = []

    def read(name: str, how: Callable[[Path], Parsed], empty: Parsed) -> Parsed:
        try:
            return how(folder / name)
        except (OSError, ValueError, KeyError, TypeError, csv.Error, HarnessError) as error:
            problems.append(f"{name} cannot be read ({error})")
            return empty

    manifest = read("public/manifest.csv", _manifest, {})
    lists = tuple(
        made
        for path in sorted((folder / "public" / "lists").glob("*.json"))
        if (made := read(path.relative_to(folder).as_posix(), read_list, None)) is not None
    )
    if not lists:
        problems.append("public/lists holds no list")
    key = tuple(read(f"{PRIVATE}/key.csv", lambda path: read_key(path.parent.parent), ()))
    protocol = read("protocol.json", _protocol, {})
    request = read(f"{PRIVATE}/request.json", _table, {})
    return StudyFolder(manifest, lists, key, protocol, request, tuple(problems))


def _manifest(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        _, rows = read_table(file)
    return {row["blind_id"]: row | {"seconds": str(float(row["seconds"]))} for row in rows if row["trial"]}


def _protocol(path: Path) -> dict[str, Any]:
    found = _table(path)
    find_kind(found["kind"])
    parts = [found["processing"][name] for name in ("excerpt", "loudness", "true_peak")]
    if not all(
        isinstance(part, dict) for part in (*parts, *(found[name] for name in ("selection", "source", "design")))
    ):
        raise ValueError("a part of it is not a table")
    return found


def _table(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text("utf-8"))
    if not isinstance(found, dict):
        raise ValueError("a table was expected")
    return found
