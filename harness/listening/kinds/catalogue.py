"""The kinds of listening study, as `kinds.toml` declares them: what a trial is, what is asked, what it needs."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import Literal

from harness.core.errors import UsageError

LANGUAGES = ("en", "zh")
TUPLES = ("seconds", "anchors", "controls", "attention", "analysis", "limits")


@dataclass(frozen=True)
class Scale:
    """A rating from `low` to `high`, with words (by language) for equal `bands` or for its two `ends`.

    A range as long as its bands is a choice among them; any other is a slider or a row of points.
    """

    name: str
    low: int
    high: int
    bands: dict[str, list[str]] | None = None
    ends: dict[str, list[str]] | None = None


@dataclass(frozen=True)
class Kind:
    """`reference` asks for a true reference (as open and hidden one), low-passed at `anchors` (Hz) as well. `probe`
    adds a copy of one of the two. `controls` are conditions that no prompt makes; `open_answer` asks for ideas in
    writing, in training for the task `practice`. `attention` names the items that can tell whether a listener attends:
    "trap", "gold". `question` is by language, `seconds` the shortest and the longest stimulus that makes sense.
    `analysis` and `limits` are sentences for the protocol: how answers are analysed, and what they cannot show."""

    name: str
    title: str
    standard: str
    layout: Literal["single", "pair", "page"]
    question: dict[str, str]
    scales: tuple[Scale, ...]
    seconds: tuple[float, float]
    reference: bool = False
    anchors: tuple[int, ...] = ()
    probe: bool = False
    controls: tuple[str, ...] = ()
    open_answer: bool = False
    practice: dict[str, str] = field(default_factory=dict)
    attention: tuple[str, ...] = ()
    analysis: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()


@lru_cache(1)
def kinds() -> dict[str, Kind]:
    """All kinds by name."""
    table = tomllib.loads((files("harness.listening.kinds") / "kinds.toml").read_text("utf-8"))
    return {name: _kind(name, row) for name, row in table.items()}


def find_kind(name: str) -> Kind:
    """Raises `UsageError` with the nearest name for one that there is not."""
    from metrics.api.registry import unknown_name

    if name not in kinds():
        raise UsageError(unknown_name("kind of listening study", name, list(kinds())))
    return kinds()[name]


def _kind(name: str, row: dict) -> Kind:
    scales = tuple(Scale(**scale) for scale in row.pop("scales"))
    tuples = {key: tuple(row.pop(key)) for key in TUPLES if key in row}
    return Kind(name=name, scales=scales, **tuples, **row)
