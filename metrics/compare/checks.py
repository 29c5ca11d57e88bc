"""Whether two scores, or several conditions, may be compared: what was made differently is refused, naming the part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from metrics.api.catalogue import Metric, metric
from metrics.api.score import EmbeddingSet, Score, check_comparable
from metrics.errors import UsageError
from metrics.sets.sides import check_sides
from metrics.stats.folds import check_paired

TAKEN_AS_SETS = frozenset({"embedding", "reference", "known", "probabilities", "labels", "prompt"})
"""The needs of metrics whose difference can be measured from two sets and a reference."""

COMPARED = ("reference", "reference_units", "known", "components", "bandwidth", "k", "centre", "sampling_unit")
"""Parts of two scores' provenance, besides embedder and preprocessing, that must agree."""


def check_scores(first: Score, second: Score) -> None:
    """Raise `UsageError` unless two scores may be compared; the message names the parts that differ."""
    check_comparable(first.provenance, second.provenance)
    parts: dict[str, tuple[Any, Any]] = {
        "metric": (first.name, second.name),
        "unit": (first.unit, second.unit),
        "estimand": (first.estimand, second.estimand),
    }
    for part in COMPARED:
        parts[part] = (first.provenance.get(part), second.provenance.get(part))
    if "this n" in first.estimand:
        parts["number of clips"] = (drawn_units(first), drawn_units(second))
    different = [f"{part} is {_short(a)} against {_short(b)}" for part, (a, b) in parts.items() if a != b]
    if different:
        raise UsageError(
            f"these two scores are not compared: {'; '.join(different)}. Measure both in one way, at equal numbers."
        )


def check_conditions(conditions: Sequence[EmbeddingSet], reference: EmbeddingSet | None) -> None:
    """Raise `UsageError` unless all conditions, and the reference, were embedded alike and hold the same units in the
    same strata.
    """
    first = conditions[0]
    if reference is not None:
        check_sides(reference, *conditions)
    for other in conditions[1:]:
        check_sides(first, other)
        if first.n_units != other.n_units:
            raise UsageError(
                f"the conditions are not compared: the number of clips is {first.n_units} against {other.n_units}. "
                "Take those that both hold, or compare the scores of sets drawn to equal numbers."
            )
        check_paired(first, other)
        strata = [None if data.strata is None else np.asarray(data.unit_strata()).tolist() for data in (first, other)]
        if strata[0] != strata[1]:
            raise UsageError(
                "the conditions are not compared in pairs: the strata of their units differ. Give both the same style "
                "or prompt for each unit, or neither."
            )


def comparable_row(name: str, reference: EmbeddingSet | None) -> Metric:
    """The row of a metric whose difference can be measured from two sets. Raises `UsageError` for another."""
    row = metric(name)
    if row.needs & {"reference", "known"} and reference is None:
        raise UsageError(f"{row.name} measures against real music: give a reference.")
    if row.compare_by:
        raise UsageError(f"{row.name} is not compared in pairs: compare conditions by {row.compare_by!r}.")
    if row.needs - TAKEN_AS_SETS:
        raise UsageError(
            f"{row.name} takes {', '.join(sorted(row.needs - TAKEN_AS_SETS))} besides: measure both conditions and "
            "compare the two scores with metrics.difference_of."
        )
    return row


def drawn_units(score: Score) -> int:
    """The number of units that a value is of: those drawn, where only some were."""
    return score.provenance.get("drawn_units") or score.n_units


def _short(value: Any) -> str:
    said = repr(value)
    return said if len(said) <= 60 else said[:57] + "…"
