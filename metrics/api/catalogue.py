"""Every metric there is, as data: what it says, what it takes, and where it lives.

The rows are in metrics/data/catalogue.toml. Each names its function, which is imported when it is asked for. Other
distributions add rows through the entry-point group `music_harness.metrics`, whose names point to a `Metric`; a row
here wins over a plug-in of the same name.
"""

from __future__ import annotations

import importlib
import inspect
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, get_args

from metrics.api.errors import UsageError
from metrics.api.registry import unknown_name
from metrics.api.score import Direction

if TYPE_CHECKING:
    from metrics.api.score import EmbeddingSet

NEEDS: Mapping[str, str] = MappingProxyType(
    {
        "embedding": "embedded clips",
        "reference": "embedded real music",
        "known": "embedded music that was trained on or given as prompts",
        "probabilities": "class probabilities of each clip",
        "prompt": "which prompt each clip answers to",
        "labels": "the label, of several, that each clip was asked for",
        "predictions": "the label that a classifier hears in each clip",
        "text": "the words that each clip was asked for, embedded",
        "audio": "the clips' waveforms",
        "prompt audio": "the sound that each clip continues",
        "known audio": "the waveforms of known music",
        "likelihood": "how likely a model finds each clip",
    }
)
"""What a metric can need, and what that is."""

Result = Literal["score", "number", "number for each song"]

ENTRY_POINTS = "music_harness.metrics"


@dataclass(frozen=True)
class Metric:
    """One metric.

    `title` says in a line what it measures; `direction` which way is better. `minimum` is the smallest number of
    evaluated `units` for which there is a value with an error bar. `needs` says what it takes, in words of `NEEDS`.

    `target` is "module:function": first `leading`, then what is needed, then `options` by name. It `gives` a `Score`,
    or else a bare number, or one for each song. `paired` is the function of (first, second, reference) → `Score` of the
    difference, empty where groups of songs are left out of `target` itself; `compare_by` names the metric to compare
    conditions by in place of one that has no such difference. `group` is the heading that it is listed under.
    """

    name: str
    title: str
    unit: str
    direction: Direction
    minimum: int
    units: str
    needs: frozenset[str]
    citation: str
    target: str
    paired: str = ""
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    leading: tuple[str, ...] = ()
    gives: Result = "score"
    compare_by: str = ""
    group: str = "plug-ins"

    def __post_init__(self) -> None:
        unknown = self.needs - NEEDS.keys()
        told = self.direction in get_args(Direction) and self.gives in get_args(Result)
        if unknown or not told or self.minimum < 1 or ":" not in self.target:
            raise UsageError(
                f"the metric {self.name!r} is not declared well: needs {sorted(self.needs)}, direction "
                f"{self.direction!r}, gives {self.gives!r}, minimum {self.minimum}, target {self.target!r}."
            )

    def load(self) -> Callable[..., Any]:
        """The function behind `target`, imported now, with `leading` in its place."""
        function = _load(self.target)
        return partial(function, *self.leading) if self.leading else function

    def arguments(
        self, reference: EmbeddingSet | None = None, prompts: Mapping[Any, Any] | None = None
    ) -> dict[str, Any]:
        """What the function takes by name besides the evaluated clips.

        A reference, where there is one, goes to every metric that takes one: those that measure against it, and those
        that see cosines from its centre. `prompts` are given where they are needed.
        """
        taken = inspect.signature(self.load()).parameters
        given = dict(self.options)
        if reference is not None:
            given |= {name: reference for name in ("reference", "known") if name in taken}
        if prompts is not None and "prompt" in self.needs:
            given["prompts"] = prompts
        return given

    def load_paired(self) -> Callable[..., Any] | None:
        """The function behind `paired`, or None."""
        return _load(self.paired) if self.paired else None

    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON takes it."""
        lists = {"needs": sorted(self.needs), "leading": list(self.leading)}
        return {**vars(self), **lists, "options": dict(self.options)}


def available() -> list[str]:
    """The name of every metric: those here in their order, then those of plug-ins."""
    return [*CATALOGUE, *sorted(name for name in _plugins() if name not in CATALOGUE)]


def metric(name: str) -> Metric:
    """The row of that name. Raises `UsageError` for an unknown one, with the nearest known."""
    if name in CATALOGUE:
        return CATALOGUE[name]
    plugin = _plugins().get(name)
    if plugin is None:
        raise UsageError(unknown_name("metric", name, available()))
    row = plugin.load()
    if not isinstance(row, Metric):
        raise UsageError(
            f"the plug-in {name!r} is a {type(row).__name__}: a metrics.api.catalogue.Metric was expected."
        )
    return row


def _plugins() -> dict[str, Any]:
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def _read(path: Path) -> dict[str, Metric]:
    rows: dict[str, Metric] = {}
    for group, tables in tomllib.loads(path.read_text(encoding="utf-8")).items():
        for name, table in tables.items():
            told: dict[str, Any] = {"minimum": 3, "units": "clips", **table}
            told["needs"] = frozenset(told["needs"])
            told["leading"] = tuple(told.get("leading", ()))
            told["options"] = MappingProxyType(told.get("options", {}))
            rows[name] = Metric(name=name, group=group, **told)
    return rows


def _load(target: str) -> Callable[..., Any]:
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


CATALOGUE: Mapping[str, Metric] = MappingProxyType(_read(Path(__file__).parent / "catalogue.toml"))
"""The metrics here, by name. What each of them is, is data: metrics/data/catalogue.toml."""
