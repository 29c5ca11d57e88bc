"""The kinds of listening study, as `kinds.toml` or a plug-in declares them: what a trial is, what is asked, what it
needs."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal, get_args

from harness.core import registry as groups
from harness.core.errors import UsageError
from metrics.api.registry import Registry

Layout = Literal["single", "pair", "page"]

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
    layout: Layout
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
def _own() -> dict[str, Kind]:
    table = tomllib.loads((files("harness.listening.kinds") / "kinds.toml").read_text("utf-8"))
    return {name: _kind(name, row) for name, row in table.items()}


def _installed(name: str, found: Any) -> Kind:
    """What a plug-in's entry point is, if it is a kind that can be listed under its name."""
    if not isinstance(found, Kind):
        raise UsageError(f"it is of type {type(found).__name__}: a harness.listening.kinds.catalogue.Kind was expected")
    if found.name != name:
        raise UsageError(f"its name is {found.name!r}: {name!r}, as its entry point says, was expected")
    if found.layout not in get_args(Layout):
        raise UsageError(f"its layout is {found.layout!r}: {' or '.join(get_args(Layout))} was expected")
    if lacking := [language for language in LANGUAGES if not isinstance(found.question.get(language), str)]:
        raise UsageError(f"its question is not there in {' and '.join(lacking)}")
    return found


KINDS: Registry[Kind] = Registry(
    kind="kind of listening study", entry_point_group=groups.KINDS, rows=_own, accept=_installed
)


def kinds() -> dict[str, Kind]:
    """All kinds by name, without those of broken plug-ins."""
    return KINDS.things()


def find_kind(name: str) -> Kind:
    """Raises `UsageError` with the nearest name for one that there is not, `BrokenPlugin` for a broken plug-in."""
    return KINDS.get(name)


def _kind(name: str, row: dict) -> Kind:
    scales = tuple(Scale(**scale) for scale in row.pop("scales"))
    tuples = {key: tuple(row.pop(key)) for key in TUPLES if key in row}
    return Kind(name=name, scales=scales, **tuples, **row)
