"""How sure a figure is: the delete-group jackknife over songs.

The sampling unit is the song (a clip, a track), never the frame: frames of one song are alike, and resampling them
understates the error (2.8 times where it was measured). Songs are dealt into groups, the statistic is computed again
without each group, and the spread of those values gives the standard error, their mean the bias of order 1/n:

    value = G·F − (G−1)·mean F₍₋g₎        SE² = (G−1)/G · Σ (F₍₋g₎ − mean)²

in the form for groups of unequal size of Busing, Meijer & van der Leeden, "Delete-m jackknife for unequal m",
Statistics and Computing 9 (1999). No bootstrap: songs drawn twice double the bias of a Fréchet distance.

Styles that are fixed by design are strata: every group takes its share of each, so that leaving one out changes no
style's weight. The smallest stratum then limits the number of groups; where they are few, the songs are dealt several
times and the results averaged. (Four tracks of each of five styles against eight others: a distance of 0 came out as
−.3, as −.9 without strata.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.api.errors import DegenerateInput, UsageError
from metrics.api.score import EmbeddingSet, Score

MAX_GROUPS = 20
SMALLEST_STRATUM = 4  # smaller ones are pooled: with fewer groups than this a jackknife says little
FEWEST_UNITS = 3
CONFIDENCE = 0.95

# For each dealing: the group of each song, in the order of the sorted song ids.
Folds = NDArray[np.intp]


@dataclass(frozen=True)
class Jackknife:
    """What leaving groups out says of a statistic: its bias, and its variance with degrees of freedom."""

    bias: float
    variance: float
    df: float


@dataclass(frozen=True)
class Estimate:
    """A value with its standard error, 95 % interval (Student's t) and degrees of freedom."""

    value: float
    stderr: float
    interval: tuple[float, float]
    df: float


def assign_folds(data: EmbeddingSet, seed: int = 0) -> list[Folds]:
    """Deal the songs into at most 20 groups, each with its share of every stratum; several times when groups are few.

    Raises `DegenerateInput` for fewer than 3 songs: nothing is known of their spread once one is left out.
    """
    check_units(data)
    strata = _pooled(data.unit_strata(), data.n_units)
    smallest = int(np.bincount(strata).min())
    groups = min(MAX_GROUPS, smallest)
    # Dealing again only helps where there is another way to deal.
    rounds = 1 if groups == data.n_units else math.ceil(MAX_GROUPS / groups)
    rng = np.random.default_rng(seed)
    all_folds = []
    for _ in range(rounds):
        order = rng.permutation(data.n_units)
        order = order[np.argsort(strata[order], kind="stable")]
        folds = np.empty(data.n_units, dtype=np.intp)
        folds[order] = np.arange(data.n_units) % groups
        all_folds.append(folds)
    return all_folds


def check_units(data: EmbeddingSet) -> None:
    """Raise `DegenerateInput` for fewer songs than an error bar takes."""
    if data.n_units < FEWEST_UNITS:
        raise DegenerateInput(
            f"{data.n_units} clips were given: an error bar takes at least {FEWEST_UNITS}. Sample more clips."
        )


def _pooled(strata: NDArray[np.str_] | None, n_units: int) -> NDArray[np.intp]:
    """The stratum of each song as a number; the two smallest are pooled while one has fewer than four songs."""
    if strata is None:
        return np.zeros(n_units, dtype=np.intp)
    codes = np.unique(strata, return_inverse=True)[1]
    while True:
        names, sizes = np.unique(codes, return_counts=True)
        if len(names) == 1 or sizes.min() >= SMALLEST_STRATUM:
            return np.searchsorted(names, codes)
        first, second = names[np.argsort(sizes, kind="stable")[:2]]
        codes = np.where(codes == first, second, codes)


def delete_groups(
    plain: float, replicates: Sequence[NDArray[np.floating[Any]]], all_folds: Sequence[Folds]
) -> Jackknife:
    """Bias and variance from the values without each group.

    `plain` is the statistic of all songs; `replicates[r][g]` its value without group g of dealing r.
    """
    biases, variances = [], []
    for values, folds in zip(replicates, all_folds, strict=True):
        share = np.bincount(folds) / folds.size
        corrected = len(values) * plain - np.sum((1 - share) * values)
        # With h = 1/share, a pseudo-value is h·F − (h−1)·F₍₋g₎.
        pseudo = plain / share - (1 / share - 1) * values
        biases.append(plain - corrected)
        variances.append(np.mean((pseudo - corrected) ** 2 / (1 / share - 1)))
    units, groups = all_folds[0].size, len(replicates[0])
    df = min(units - units // groups, len(replicates) * (groups - 1))
    return Jackknife(float(np.mean(biases)), float(np.mean(variances)), float(max(1, df)))


def jackknife(statistic: Callable[[EmbeddingSet], float], data: EmbeddingSet) -> Jackknife:
    """The jackknife of any statistic of a set, computed again on the set without each group of songs."""
    all_folds = assign_folds(data)
    inverse = np.unique(data.units, return_inverse=True)[1]
    replicates = [
        np.array([statistic(data.select(folds[inverse] != group)) for group in range(folds.max() + 1)])
        for folds in all_folds
    ]
    return delete_groups(statistic(data), replicates, all_folds)


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


def p_value(score: Score) -> float:
    """Two-sided p of the hypothesis that a score made by a jackknife (such as a paired difference) is zero.

    Student's t with the degrees of freedom that the score carries. A difference of exactly zero spread gives 1 when it
    is zero and 0 otherwise.
    """
    from scipy.special import stdtr

    if score.stderr == 0:
        return 1.0 if score.value == 0 else 0.0
    return float(2 * stdtr(score.provenance["df"], -abs(score.value / score.stderr)))


def paired_difference(
    statistic: Callable[[EmbeddingSet], float], first: EmbeddingSet, second: EmbeddingSet
) -> tuple[float, Jackknife]:
    """`statistic(second) − statistic(first)` and its jackknife, for two conditions whose songs share their ids.

    A song is left out of both at once, so that what the conditions have in common cancels. Raises `UsageError` when
    the ids differ.
    """
    check_paired(first, second)
    all_folds = assign_folds(first)
    replicates = []
    sides = [(data, np.unique(data.units, return_inverse=True)[1]) for data in (first, second)]
    for folds in all_folds:
        left, right = (
            [statistic(data.select(folds[inverse] != group)) for group in range(folds.max() + 1)]
            for data, inverse in sides
        )
        replicates.append(np.subtract(right, left))
    plain = statistic(second) - statistic(first)
    return plain, delete_groups(plain, replicates, all_folds)


def check_paired(first: EmbeddingSet, second: EmbeddingSet) -> None:
    """Raise `UsageError` unless two sets hold the same songs."""
    ids: list[set[Any]] = [set(data.units.tolist()) for data in (first, second)]
    if ids[0] != ids[1]:
        odd = sorted(ids[0] ^ ids[1], key=str)
        raise UsageError(
            f"the two conditions do not hold the same songs: {len(odd)} are in one only, such as {odd[0]!r}. "
            "Pairs share prompt and seed; compare the conditions as independent sets instead."
        )
