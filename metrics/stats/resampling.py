"""How sure a score is: the delete-group jackknife over units.

The statistic is computed again without each fold of units (`metrics.stats.folds`); the spread of those values gives
the standard error, their mean the bias of order 1/n:

    value = G·F − (G−1)·mean F₍₋g₎        SE² = (G−1)/G · Σ (F₍₋g₎ − mean)²

in the form for folds of unequal size of Busing, Meijer & van der Leeden, "Delete-m jackknife for unequal m",
Statistics and Computing 9 (1999). No bootstrap: units drawn twice double the bias of a Fréchet distance.

Values, differences and contrasts all follow from `Replicates` by `estimate_of`; `combine` makes those of a difference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.api.replicates import FoldValues, Replicates, Role, Unit
from metrics.api.score import EmbeddingSet
from metrics.errors import UsageError
from metrics.stats.folds import Folds, assign_folds, without_each_fold

CONFIDENCE = 0.95
SIGNIFICANCE = 0.05

Interval = tuple[float, float]
Values = Sequence[NDArray[np.floating[Any]]]


@dataclass(frozen=True)
class Jackknife:
    """What leaving folds out says of a statistic: its bias, and its variance with degrees of freedom."""

    bias: float
    variance: float
    df: float


@dataclass(frozen=True)
class Estimate:
    """A value with its standard error, 95 % interval (Student's t) and degrees of freedom."""

    value: float
    stderr: float
    interval: Interval
    df: float


def fold_values(role: Role, data: EmbeddingSet, all_folds: Sequence[Folds], values: Values) -> FoldValues:
    """The values without each fold of a set's units, (folds,) for each round, with the ids that they are of."""
    return FoldValues(
        role=role,
        units=tuple(np.unique(data.units).tolist()),
        folds=tuple(tuple(folds.tolist()) for folds in all_folds),
        values=tuple(tuple(np.asarray(row, dtype=np.float64).tolist()) for row in values),
    )


def leave_out(statistic: Callable[[EmbeddingSet], float], data: EmbeddingSet, role: Role = "evaluated") -> FoldValues:
    """Any statistic of a set, computed again without each fold of its units. Raises as `assign_folds`."""
    all_folds = assign_folds(data)
    masks = without_each_fold(data, all_folds)
    return fold_values(role, data, all_folds, [np.array([statistic(data.select(m)) for m in row]) for row in masks])


def delete_groups(plain: float, values: Values, all_folds: Sequence[Folds]) -> Jackknife:
    """Bias and variance from the values without each fold.

    Args:
        plain: The statistic of all units.
        values: Its value without each fold, (folds,) for each round.
        all_folds: For each round the fold of every unit (n,); −1 for units that do not count.

    Returns:
        The jackknife, averaged over rounds.
    """
    biases, variances = [], []
    for row, folds in zip(values, all_folds, strict=True):
        pseudo, shares, corrected = _pseudo_values(plain, row, folds)
        biases.append(plain - corrected)
        variances.append(np.mean((pseudo - corrected) ** 2 / (1 / shares - 1)))
    counted = all_folds[0][all_folds[0] >= 0]
    units, folds_used = counted.size, np.unique(counted).size
    df = min(units - units // folds_used, len(values) * (folds_used - 1))
    return Jackknife(float(np.mean(biases)), float(np.mean(variances)), float(max(1, df)))


def _pseudo_values(plain: float, values: Any, folds: Folds) -> tuple[NDArray[Any], NDArray[Any], float]:
    """Pseudo-values of the folds that have units, those folds' shares of all units, and the corrected value.

    With h = 1/share, a pseudo-value is h·F − (h−1)·F₍₋g₎.
    """
    values = np.asarray(values, dtype=np.float64)
    counted = folds[folds >= 0]
    shares = np.bincount(counted, minlength=len(values)) / counted.size
    values, shares = values[shares > 0], shares[shares > 0]
    corrected = len(values) * plain - np.sum((1 - shares) * values)
    return plain / shares - (1 / shares - 1) * values, shares, corrected


def deviations(replicates: Replicates) -> list[tuple[tuple[Any, ...], NDArray[np.float64]]]:
    """How far each fold moves the estimate: by the key of each part an array (rounds, folds), folds without units 0.

    Their squares sum to the variance. The sum of products with another score's, over the parts that both have, is the
    covariance of the two.
    """
    found = []
    for part in replicates.parts:
        table = np.zeros((len(part.values), len(part.values[0])))
        for number, (row, folds) in enumerate(zip(part.values, _counted(part), strict=True)):
            pseudo, shares, corrected = _pseudo_values(replicates.plain, row, folds)
            used = np.unique(folds[folds >= 0])
            table[number, used] = (pseudo - corrected) / np.sqrt((1 / shares - 1) * len(shares) * len(part.values))
        found.append((part.key, table))
    return found


def jackknife(statistic: Callable[[EmbeddingSet], float], data: EmbeddingSet) -> Jackknife:
    """The jackknife of any statistic of a set, computed again on the set without each fold of units."""
    return _of_part(statistic(data), leave_out(statistic, data))


def estimate(plain: float, parts: Sequence[Jackknife], *, correct: bool = True) -> Estimate:
    """Put together what independent samples (the evaluated set, the reference) say of one statistic.

    Biases and variances add; degrees of freedom by Welch and Satterthwaite. With `correct=False` the plain value stays,
    for statistics whose dependence on n is part of their meaning.
    """
    from scipy.special import stdtrit

    value = plain - sum(part.bias for part in parts) if correct else plain
    variance = sum(part.variance for part in parts)
    spread = sum(part.variance**2 / part.df for part in parts)
    df = variance**2 / spread if spread > 0 else min(part.df for part in parts)
    stderr = math.sqrt(variance)
    half = float(stdtrit(df, (1 + CONFIDENCE) / 2)) * stderr
    return Estimate(float(value), stderr, (float(value - half), float(value + half)), float(df))


def estimate_of(replicates: Replicates) -> Estimate:
    """The estimate that replicates give: of a score, a difference or a contrast alike."""
    parts = [_of_part(replicates.plain, part) for part in replicates.parts]
    if len(replicates.seeds) > 1:
        spread = float(np.var(replicates.seeds, ddof=1))
        parts.append(Jackknife(0.0, spread / len(replicates.seeds), len(replicates.seeds) - 1.0))
    return estimate(replicates.plain, parts, correct=replicates.corrected)


def combine(weights: Sequence[float], replicates: Sequence[Replicates]) -> Replicates:
    """The replicates of a weighted sum of scores, such as a difference (weights −1 and 1).

    Folds are left out of all scores at once where they are of the same units; samples that only some of the scores have
    stay parts of their own, and what they say is independent.

    Args:
        weights: One for each score.
        replicates: The scores'.

    Returns:
        Those of the sum.

    Raises:
        UsageError: One is corrected for bias and another is not, or they have different numbers of seeds.
    """
    if len({(one.corrected, len(one.seeds)) for one in replicates}) > 1:
        raise UsageError("these scores are not compared: their correction for bias or number of seeds differs.")
    pairs = list(zip(weights, replicates, strict=True))
    parts = []
    for key in dict.fromkeys(part.key for one in replicates for part in one.parts):
        owned = [next((part for part in one.parts if part.key == key), None) for one in replicates]
        have = [part for part in owned if part is not None]
        rows = [
            _weighted(
                [
                    (weight, one.plain if part is None else part.values[number])
                    for (weight, one), part in zip(pairs, owned, strict=True)
                ]
            )
            for number in range(len(have[0].values))
        ]
        lacking = set.intersection(*(set(part.without_value) for part in have))
        parts.append(
            FoldValues(
                role=have[0].role,
                units=have[0].units,
                folds=have[0].folds,
                values=tuple(tuple(np.broadcast_to(row, len(have[0].values[0])).tolist()) for row in rows),
                without_value=tuple(unit for unit in have[0].units if unit in lacking),
                sample=have[0].sample,
            )
        )
    seeds = _weighted([(weight, one.seeds) for weight, one in pairs])
    plain = float(_weighted([(weight, one.plain) for weight, one in pairs]))
    return Replicates(plain, tuple(parts), replicates[0].corrected, tuple(np.atleast_1d(seeds).tolist()))


def p_of(estimate: Estimate) -> float:
    """Two-sided p of Student's t of the hypothesis that the truth is zero; below .05 exactly when 0 is outside the
    interval. Without any spread it is 1 at zero and 0 elsewhere.
    """
    from scipy.special import stdtr

    if estimate.stderr == 0:
        return 1.0 if estimate.value == 0 else 0.0
    p = float(2 * stdtr(estimate.df, -abs(estimate.value / estimate.stderr)))
    return agreeing(p, estimate.interval)


def agreeing(p: float, interval: Interval) -> float:
    """p, moved across .05 by its last digit where rounding leaves it on the other side than the interval says."""
    outside = interval[0] > 0 or interval[1] < 0
    if outside == (p < SIGNIFICANCE):
        return p
    return math.nextafter(SIGNIFICANCE, 0.0) if outside else SIGNIFICANCE


def p_value(score: Any) -> float:
    """Two-sided p of the hypothesis that a score with a symmetric interval is zero, by Student's t.

    A `Difference` carries its own. Raises `UsageError` for a score without degrees of freedom, or one whose interval is
    not symmetric: no distance is tested by its own interval (`metrics.equality_test` does).
    """
    if getattr(score, "p", None) is not None:
        return score.p
    df = score.provenance.get("df")
    if df is None or score.provenance.get("growing_error"):
        raise UsageError(f"{score.name} cannot be tested against zero by its own interval: compare two conditions.")
    from scipy.special import stdtrit

    half = float(stdtrit(df, (1 + CONFIDENCE) / 2)) * score.stderr
    return p_of(Estimate(score.value, score.stderr, (score.value - half, score.value + half), df))


def _of_part(plain: float, part: FoldValues) -> Jackknife:
    return delete_groups(plain, [np.asarray(row) for row in part.values], _counted(part))


def _counted(part: FoldValues) -> list[Folds]:
    """For each round the fold of every unit, −1 for those without a value."""
    folds = [np.asarray(row, dtype=np.intp) for row in part.folds]
    if not part.without_value:
        return folds
    lacking: set[Unit] = set(part.without_value)
    counts = np.array([unit not in lacking for unit in part.units])
    return [np.where(counts, row, -1) for row in folds]


def _weighted(terms: Sequence[tuple[float, Any]]) -> NDArray[np.float64]:
    total = terms[0][0] * np.asarray(terms[0][1], dtype=np.float64)
    for weight, values in terms[1:]:
        total = total + weight * np.asarray(values, dtype=np.float64)
    return total
