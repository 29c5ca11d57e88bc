"""Every metric there is, as data: what it says, what it takes, and where it lives.

The rows are in metrics/api/catalogue.toml. Each names its function, which is imported when it is asked for. Other
distributions add rows through the entry-point group `music_harness.metrics`, whose names point to a `Metric`; the
registry `METRICS` has both.
"""

from __future__ import annotations

import inspect
import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, get_args

from metrics.api import registry as groups
from metrics.api.plugins import PluginFailure, resolve, run_foreign
from metrics.api.registry import Registry
from metrics.api.score import Direction
from metrics.errors import UsageError

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


@dataclass(frozen=True)
class Metric:
    """One metric.

    `title` says in a line what it measures; `direction` which way is better. `minimum` is the smallest number of
    evaluated `units` for which there is a value with an error bar. `needs` says what it takes, in words of `NEEDS`.

    `target` is "module:function": first `leading`, then what is needed, then `options` by name. It `gives` a `Score`,
    or else a bare number, or one for each unit. `compare_by` names the metric to compare conditions by in place of one
    that has no difference. `group` is the heading that it is listed under.
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
        function = _load(self.name, self.target)
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

    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON takes it."""
        lists = {"needs": sorted(self.needs), "leading": list(self.leading)}
        return {**vars(self), **lists, "options": dict(self.options)}


def available() -> list[str]:
    """The name of every metric: those here in their order, then those of plug-ins, without the broken ones."""
    return list(METRICS.things())


def metric(name: str) -> Metric:
    """The row of that name.

    Raises:
        UsageError: for an unknown name, with the nearest known one.
        BrokenPlugin: for a plug-in that does not load, or is no `Metric`.
    """
    return METRICS.get(name)


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


def _load(name: str, target: str) -> Callable[..., Any]:
    if name in CATALOGUE:
        return resolve(target)
    try:
        return run_foreign(lambda: resolve(target))
    except PluginFailure as failure:
        raise METRICS.failed(name, str(failure)) or UsageError(
            f"the metric {name!r} has no {target}: {failure}."
        ) from failure


def _row(name: str, found: Any) -> Metric:
    """What a plug-in's entry point is, if it is a row that can be listed under its name."""
    if not isinstance(found, Metric):
        raise UsageError(f"it is of type {type(found).__name__}: a metrics.api.catalogue.Metric was expected")
    if found.name != name:
        raise UsageError(f"its name is {found.name!r}: {name!r}, as its entry point says, was expected")
    if odd := [key for key in ("title", "unit", "citation", "group") if not isinstance(getattr(found, key), str)]:
        raise UsageError(f"its {odd[0]} is {getattr(found, odd[0])!r:.60}: text was expected")
    json.dumps(found.as_dict())
    return found


CATALOGUE: Mapping[str, Metric] = MappingProxyType(_read(Path(__file__).parent / "catalogue.toml"))
"""The metrics here, by name. What each of them is, is data: metrics/api/catalogue.toml."""

METRICS: Registry[Metric] = Registry(
    kind="metric", entry_point_group=groups.METRICS, rows=lambda: CATALOGUE, accept=_row
)
"""The rows here and those of plug-ins."""
