"""Differences between conditions: in pairs, along an ordered factor, and tested within a declared family.

Conditions share the ids of their songs (a prompt and a seed), and what they share cancels. All numbers here come from
one thing, the paired difference of a metric with its jackknife error. Two sets or scores that were made differently are
not compared: the message says which part differs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.api.catalogue import CATALOGUE, Metric, metric
from metrics.api.errors import UsageError
from metrics.api.score import EmbeddingSet, Score, check_comparable
from metrics.compare.permuted import Relabelled
from metrics.sets.sides import check_sides
from metrics.stats.permutation import PERMUTATIONS, PermutationTest, swap_test
from metrics.stats.resampling import CONFIDENCE, Jackknife, check_paired, estimate, jackknife, p_value
from metrics.stats.resampling import paired_difference as jackknifed_difference

Statistic = Callable[..., "Score | float"]
"""(evaluated, reference) → value, or (evaluated) → value when no reference is given."""

TAKEN_AS_SETS = frozenset({"embedding", "reference", "probabilities"})
"""The needs of metrics whose difference can be had from two sets and a reference."""


def paired_difference(
    metric_or_function: str | Statistic,
    first: EmbeddingSet,
    second: EmbeddingSet,
    reference: EmbeddingSet | None = None,
    **options: Any,
) -> Score:
    """The metric of `second` − that of `first`, with the jackknife error of the difference over their shared songs.

    A metric is one of the catalogue by name, or a function of (evaluated, reference), or of (evaluated) without a
    reference, that gives a number or a `Score`, whose plain value is taken. A function is called again without each
    group of songs of the conditions and of the reference, and its bias of order 1/n corrected: give the plain one.
    `options` are the metric's own. `metrics.stats.resampling.p_value` tests the difference against zero.

    A reference that is given counts for every metric that takes one: cosines are then seen from its centre, with or
    without which `vendi` and the other diversities have other values.

    Raises `UsageError` for an unknown metric, for one that has no such difference or cannot be had from these sets
    alone, and when embedder, preprocessing, number of songs or songs differ.
    """
    check_conditions([first, second], reference)
    known_as = _name_of(metric_or_function)
    if not isinstance(known_as, str):
        name = getattr(known_as, "__name__", "statistic")
        return _of_function(_value(known_as, options), name, first, second, reference)
    row = _comparable(known_as, reference)
    paired, options = row.load_paired(), {**row.options, **options}
    if paired is None:
        known = reference if "reference" in row.needs else None
        difference = _of_function(_value(row.load(), options), row.name, first, second, known, correct=False)
        return replace(difference, unit=row.unit, direction=row.direction, estimand="population at this n")
    return paired(first, second, reference, **options)


def contrast(
    metric_or_function: str | Statistic,
    conditions: Sequence[EmbeddingSet],
    levels: Sequence[float],
    reference: EmbeddingSet | None = None,
    *,
    shape: Literal["linear", "quadratic"] = "linear",
    **options: Any,
) -> Score:
    """How a metric goes with an ordered factor, whose level is given for each condition: the slope of the straight line
    of least squares ("linear"), or the coefficient of the square beside it ("quadratic": positive for a U).

    The error is the jackknife's of the whole contrast: with weights c that sum to 0 its variance is
    −Σ_{k<m} c_k·c_m·Var(F_k − F_m), which the paired differences give. Raises as `paired_difference`, and `UsageError`
    for too few levels (2 for a line, 3 for a square) or levels that are not all different.
    """
    if len(levels) != len(conditions):
        raise UsageError(f"{len(conditions)} conditions came with {len(levels)} levels: one for each was expected.")
    weights = contrast_weights(levels, shape)
    check_conditions(conditions, reference)
    pairs = {
        (k, m): paired_difference(metric_or_function, conditions[k], conditions[m], reference, **options)
        for k, m in combinations(range(len(conditions)), 2)
    }
    from_first = [pairs[0, k] for k in range(1, len(conditions))]
    value, plain = (
        sum(weight * getattr(score, part) for weight, score in zip(weights[1:], from_first, strict=True))
        for part in ("value", "plain")
    )
    variance = -sum(weights[k] * weights[m] * score.stderr**2 for (k, m), score in pairs.items())
    df = min(score.provenance["df"] for score in pairs.values())
    result = estimate(value, [Jackknife(0.0, max(0.0, variance), df)], correct=False)
    one = from_first[0]
    return replace(
        one,
        name=one.name.removesuffix("difference") + f"{shape} contrast",
        value=result.value,
        stderr=result.stderr,
        interval=result.interval,
        n_frames=sum(len(data.frames) for data in conditions),
        unit=f"{one.unit} per {'level' if shape == 'linear' else 'level²'}",
        reliable=all(score.reliable for score in pairs.values()),
        plain=plain,
        provenance=one.provenance | {"df": df, "levels": list(map(float, levels)), "weights": weights.tolist()},
    )


def contrast_weights(levels: ArrayLike, shape: Literal["linear", "quadratic"] = "linear") -> NDArray[np.float64]:
    """Weights (conditions,) that sum to 0 and give, of values at these levels, the coefficient of least squares.

    >>> contrast_weights([0, 1, 2]).tolist(), (contrast_weights([0, 1, 2], "quadratic") @ [0, 1, 4]).round(9).item()
    ([-0.5, 0.0, 0.5], 1.0)
    """
    if shape not in ("linear", "quadratic"):
        raise UsageError(f"a {shape!r} contrast was asked for: linear or quadratic was expected.")
    degree = 1 if shape == "linear" else 2
    x = np.asarray(levels, dtype=np.float64)
    if x.ndim != 1 or len(x) < degree + 1 or len(np.unique(x)) < len(x) or not np.isfinite(x).all():
        raise UsageError(f"levels {x.tolist()} were given: at least {degree + 1} different numbers were expected.")
    # The part of x (or x²) that no lower power explains.
    lower = np.vander(x - x.mean(), degree, increasing=True)
    highest = (x - x.mean()) ** degree
    rest = highest - lower @ np.linalg.lstsq(lower, highest, rcond=None)[0]
    return rest / (rest @ rest)


def paired_permutation_test(
    metric_or_function: str | Statistic,
    first: EmbeddingSet,
    second: EmbeddingSet,
    reference: EmbeddingSet | None = None,
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
    **options: Any,
) -> PermutationTest:
    """Is there a difference between two conditions? By swapping the two for some of the songs (`swap_test`).

    Arguments as for `paired_difference`, the reference too. A metric by name is tested by its plain value, quickly
    where `metrics.compare.permuted` knows how; a function is called twice for every relabelling. Where the metric is
    the mean of one value for each song, `metrics.stats.permutation.sign_flip_test` of those is the same test in no
    time.
    """
    check_conditions([first, second], reference)
    known_as = _name_of(metric_or_function)
    if isinstance(known_as, str):
        conditions = Relabelled(first, second, reference)
        return conditions.test(_comparable(known_as, reference), permutations=permutations, seed=seed, **options)
    value, rest = _value(known_as, options), () if reference is None else (reference,)
    return swap_test(lambda data: value(data, *rest), first, second, permutations=permutations, seed=seed)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for their number by Holm's step-down method (Scand. J. Statist. 6, 1979), in the order given.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda n: p_values[n])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, n in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[n]))
        adjusted[n] = largest
    return adjusted


def family_p_values(differences: Sequence[Score]) -> list[float]:
    """The p-value of each difference of a declared family, adjusted by `holm`: at 5 % the chance that any of them is
    called significant where there is none is 5 %.
    """
    return holm([p_value(score) for score in differences])


def independent_difference(first: Score, second: Score) -> Score:
    """`second` − `first` of two scores whose clips are not paired: errors add as if independent, which overstates the
    error where both were measured against one reference.

    Raises `UsageError` when metric, embedder, preprocessing, reference, estimand or, where the value depends on it, the
    number of clips differ.
    """
    check_scores(first, second)
    value, stderr = second.value - first.value, math.hypot(first.stderr, second.stderr)
    parts = [Jackknife(0.0, score.stderr**2, score.provenance.get("df", math.inf)) for score in (first, second)]
    result = estimate(value, parts, correct=False)
    return replace(
        first,
        name=f"{first.name} difference",
        value=value,
        stderr=stderr,
        interval=result.interval,
        n_units=min(first.n_units, second.n_units),
        n_frames=first.n_frames + second.n_frames,
        reliable=first.reliable and second.reliable,
        note=f"of independent sets, {CONFIDENCE:.0%} interval",
        plain=second.plain - first.plain,
        provenance=first.provenance | {"df": result.df, "paired": False},
    )


def check_scores(first: Score, second: Score) -> None:
    """Raise `UsageError` unless two scores may be compared; the message names the parts that differ."""
    check_comparable(first.provenance, second.provenance)
    parts: dict[str, tuple[Any, Any]] = {
        "metric": (first.name, second.name),
        "estimand": (first.estimand, second.estimand),
    }
    for part in ("reference", "reference_units", "components", "bandwidth", "k", "centre"):
        parts[part] = (first.provenance.get(part), second.provenance.get(part))
    if "this n" in first.estimand:
        one, other = (score.provenance.get("drawn_units") or score.n_units for score in (first, second))
        parts["number of clips"] = (one, other)
    different = [f"{part} is {_short(a)} against {_short(b)}" for part, (a, b) in parts.items() if a != b]
    if different:
        raise UsageError(
            f"these two scores are not compared: {'; '.join(different)}. Measure both in one way, at equal numbers."
        )


def check_conditions(conditions: Sequence[EmbeddingSet], reference: EmbeddingSet | None) -> None:
    """Raise `UsageError` unless all conditions, and the reference, were embedded alike and hold the same songs."""
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


def _name_of(metric_or_function: str | Statistic) -> str | Statistic:
    """The name of a function that is one of the catalogue's, which knows a quicker way to the difference."""
    if isinstance(metric_or_function, str):
        return metric_or_function
    target = f"{metric_or_function.__module__}:{getattr(metric_or_function, '__name__', '')}"
    names = [row.name for row in CATALOGUE.values() if row.target == target and not (row.options or row.leading)]
    return names[0] if names else metric_or_function


def _comparable(name: str, reference: EmbeddingSet | None) -> Metric:
    """The row of a metric whose difference can be had from two sets. Raises `UsageError` for another."""
    row = metric(name)
    if "reference" in row.needs and reference is None:
        raise UsageError(f"{row.name} measures against real music: give a reference.")
    if row.compare_by:
        raise UsageError(f"{row.name} is not compared in pairs: compare conditions by {row.compare_by!r}.")
    if not row.paired and row.needs - TAKEN_AS_SETS:
        raise UsageError(
            f"{row.name} takes {', '.join(sorted(row.needs - TAKEN_AS_SETS))} besides: measure each song under "
            "both conditions and compare with metrics.sets.similarity.paired_similarity."
        )
    return row


def _of_function(
    value: Callable[..., float],
    name: str,
    first: EmbeddingSet,
    second: EmbeddingSet,
    reference: EmbeddingSet | None,
    *,
    correct: bool = True,
) -> Score:
    """The difference of any statistic, computed again without each group of songs."""
    rest = () if reference is None else (reference,)
    plain, part = jackknifed_difference(lambda data: value(data, *rest), first, second)
    parts, provenance = [part], {**first.provenance, "paired": True}
    if reference is not None:
        parts.append(jackknife(lambda some: value(second, some) - value(first, some), reference))
        provenance |= {"reference": reference.provenance, "reference_units": reference.n_units}
    result = estimate(plain, parts, correct=correct)
    return Score(
        name=f"{name} difference",
        value=result.value,
        stderr=result.stderr,
        interval=result.interval,
        n_units=first.n_units,
        n_frames=len(first.frames) + len(second.frames),
        unit="",
        direction="none",
        estimand="population",
        reliable=True,
        note="corrected for bias by leaving out groups of songs" if correct else "compare at equal numbers of clips",
        plain=plain,
        provenance=provenance | {"df": result.df},
    )


def _value(function: Statistic, options: dict[str, Any]) -> Callable[..., float]:
    def value(*sets: EmbeddingSet) -> float:
        found = function(*sets, **options)
        return found.plain if isinstance(found, Score) else float(found)

    return value


def _short(value: Any) -> str:
    said = repr(value)
    return said if len(said) <= 60 else said[:57] + "…"
