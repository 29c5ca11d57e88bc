"""The score of one condition with its replicates: of a metric by name, or of any function of a set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from metrics.api.catalogue import CATALOGUE
from metrics.api.replicates import Replicates
from metrics.api.score import EmbeddingSet, Score
from metrics.compare.checks import comparable_row
from metrics.stats.resampling import estimate_of, leave_out

Statistic = Callable[..., "Score | float"]
"""(evaluated, reference) → value, or (evaluated) → value when no reference is given."""


def name_of(metric_or_function: str | Statistic) -> str | Statistic:
    """The name of a function that is one of the catalogue's, which has replicates of its own."""
    if isinstance(metric_or_function, str):
        return metric_or_function
    target = f"{metric_or_function.__module__}:{getattr(metric_or_function, '__name__', '')}"
    names = [row.name for row in CATALOGUE.values() if row.target == target and not (row.options or row.leading)]
    return names[0] if names else metric_or_function


def plain_value(function: Statistic, options: Mapping[str, Any]) -> Callable[..., float]:
    """A function of sets that returns the plain value, whatever the given one returns."""

    def value(*sets: EmbeddingSet) -> float:
        found = function(*sets, **options)
        return found.plain if isinstance(found, Score) else float(found)

    return value


def score_with_replicates(
    metric_or_function: str | Statistic, data: EmbeddingSet, reference: EmbeddingSet | None, options: Mapping[str, Any]
) -> Score:
    """The score of one condition, with replicates."""
    known_as = name_of(metric_or_function)
    if not isinstance(known_as, str):
        name = getattr(known_as, "__name__", "statistic")
        return _of_function(plain_value(known_as, options), name, data, reference, corrected=True)
    row = comparable_row(known_as, reference)
    function, taken = row.load(), {**row.arguments(reference), **options}
    found = function(data, **taken)
    if isinstance(found, Score) and found.replicates is not None:
        return found
    # A plug-in's, without replicates: they are made by calling it again.
    given = {name: value for name, value in taken.items() if value is not reference or reference is None}
    against = reference if "reference" in row.needs else None
    score = _of_function(plain_value(function, given), row.name, data, against, corrected=False)
    return replace(score, unit=row.unit, direction=row.direction, estimand="population at this n")


def _of_function(
    value: Callable[..., float], name: str, data: EmbeddingSet, reference: EmbeddingSet | None, *, corrected: bool
) -> Score:
    """Any statistic, computed again without each fold of units of either side."""
    rest = () if reference is None else (reference,)
    parts = [leave_out(lambda some: value(some, *rest), data)]
    provenance = dict(data.provenance)
    if reference is not None:
        parts.append(leave_out(lambda some: value(data, some), reference, "reference"))
        provenance |= {"reference": reference.provenance, "reference_units": reference.n_units}
    replicates = Replicates(value(data, *rest), tuple(parts), corrected)
    result = estimate_of(replicates)
    return Score(
        name=name,
        value=result.value,
        stderr=result.stderr,
        interval=result.interval,
        n_units=data.n_units,
        n_frames=len(data.frames),
        unit="",
        direction="none",
        estimand="population",
        reliable=True,
        note="corrected for bias by leaving out folds of units" if corrected else "compare at equal numbers of clips",
        plain=replicates.plain,
        provenance=provenance | {"df": result.df},
        replicates=replicates,
    )
