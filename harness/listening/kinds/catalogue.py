"""The kinds of listening study, declared in `kinds.toml` or by a plug-in: the trials, the question and scales, and what
is needed."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal, get_args

from harness.core import registry as groups
from harness.core.errors import UsageError
from metrics.api.registry import Registry

LANGUAGES = ("en", "zh")
Layout = Literal["single", "pair", "page"]
"""A trial has one stimulus, two, or several side by side."""

TUPLES = ("seconds", "anchors", "controls", "attention", "analysis", "limits")


@dataclass(frozen=True)
class Scale:
    """A rating from `low` to `high`, with labels (by language) for equal `bands` or for its two `ends`.

    A range with as many points as bands is a choice among them; any other is a slider or a row of points.
    """

    name: str
    low: int
    high: int
    bands: dict[str, list[str]] | None = None
    ends: dict[str, list[str]] | None = None


@dataclass(frozen=True)
class StudyKind:
    """A kind of listening study.

    Attributes:
        name, title, standard: its name for commands, for people, and the recommendation it follows.
        layout: number of stimuli in a trial.
        question: what listeners are asked, by language.
        scales: what they answer on.
        seconds: the shortest and the longest stimulus that makes sense.
        reference: needs a true reference, which is presented openly and as a hidden condition.
        anchors: cut-offs in Hz at which the reference is low-passed for further conditions.
        probe: a trial has a copy of one of its two stimuli, X.
        controls: conditions that are not generated from a prompt.
        open_answer: listeners write ideas; `practice` is their task in training, by language.
        attention: the control trials that show whether a listener attends: "trap", "gold".
        analysis, limits: sentences for the protocol: how answers are analysed, and what they cannot show.
    """

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

    @property
    def own_conditions(self) -> int:
        """How many conditions it has besides those under test: controls, the hidden reference and its anchors."""
        return len(self.controls) + (1 + len(self.anchors) if self.reference else 0)


@lru_cache(1)
def _own() -> dict[str, StudyKind]:
    table = tomllib.loads((files("harness.listening.kinds") / "kinds.toml").read_text("utf-8"))
    return {name: _kind(name, row) for name, row in table.items()}


def _installed(name: str, found: Any) -> StudyKind:
    """What a plug-in's entry point is, if it is a kind that can be listed under its name."""
    if not isinstance(found, StudyKind):
        raise UsageError(f"it is of type {type(found).__name__}: {__name__}.{StudyKind.__name__} was expected")
    if found.name != name:
        raise UsageError(f"its name is {found.name!r}: {name!r}, as its entry point says, was expected")
    if found.layout not in get_args(Layout):
        raise UsageError(f"its layout is {found.layout!r}: {' or '.join(get_args(Layout))} was expected")
    if lacking := [language for language in LANGUAGES if not isinstance(found.question.get(language), str)]:
        raise UsageError(f"its question is not there in {' and '.join(lacking)}")
    return found


KINDS: Registry[StudyKind] = Registry(
    kind="kind of listening study", entry_point_group=groups.KINDS, rows=_own, accept=_installed
)


def kinds() -> dict[str, StudyKind]:
    """All kinds by name, without those of broken plug-ins."""
    return KINDS.things()


def find_kind(name: str) -> StudyKind:
    """The kind of a name. Raises `UsageError` with the nearest name for an unknown one, `BrokenPlugin` for a plug-in
    that does not load."""
    return KINDS.get(name)


def _kind(name: str, row: dict) -> StudyKind:
    scales = tuple(Scale(**scale) for scale in row.pop("scales"))
    tuples = {key: tuple(row.pop(key)) for key in TUPLES if key in row}
    return StudyKind(name=name, scales=scales, **tuples, **row)
