"""Tests of exchangeability: could the conditions' labels as well have been swapped?

Under the hypothesis that two conditions are exchangeable a label could as well have been the other one, so that the
share of permutations that give a value at least as extreme is the p-value; the observed one counts as one of them. What
is permuted is the unit, never the frame. `metrics.compare.equality` tests two sets that are not paired.

Such a test answers another question than "do both have the same true distance": two conditions of equal distance and
unequal spread are not exchangeable, and a plug-in distance tells them apart. Whether a difference is zero is tested by
its own interval (`metrics.paired_difference`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.api.score import EmbeddingSet, check_comparable
from metrics.errors import DegenerateInput, UsageError
from metrics.stats.folds import check_paired

PERMUTATIONS = 999
ALL_FLIPS = 12  # units up to which all 2^n flips are tried


@dataclass(frozen=True)
class PermutationTest:
    """What was observed, how many permutations there were (this one included), and the share at least as extreme."""

    statistic: float
    p: float
    permutations: int


def sign_flip_test(differences: ArrayLike, *, permutations: int = PERMUTATIONS, seed: int = 0) -> PermutationTest:
    """Are paired differences as likely to be positive as negative? Two-sided, of their mean, by flipping their signs.

    Args:
        differences: One for each unit, (units,).
        permutations: How many random flips; all 2ⁿ for up to 12 units.
        seed: Of the random ones.

    Returns:
        The mean, its p-value, and the number of flips tried.

    Raises:
        UsageError: Another shape.
        DegenerateInput: No units, or values that are not finite.

    >>> sign_flip_test([1.0, 2.0, 3.0]).p  # 2 of 8 flips
    0.25
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1:
        raise UsageError(f"differences have shape {values.shape}: one for each unit was expected.")
    if not len(values) or not np.isfinite(values).all():
        raise DegenerateInput(f"{len(values)} differences were given: at least one, all finite, was expected.")
    return _flip_signs(lambda signs: float(signs @ values) / len(values), len(values), permutations, seed)


def swap_test(
    statistic: Callable[[EmbeddingSet], float],
    first: EmbeddingSet,
    second: EmbeddingSet,
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> PermutationTest:
    """Are two conditions exchangeable in a statistic of whole sets? By swapping the conditions of some of the units.

    Args:
        statistic: Called twice for every permutation: give the plain one, without an error bar.
        first: One condition.
        second: The other, of the same units.
        permutations: How many random swaps; all 2ⁿ for up to 12 units.
        seed: Of the random ones.

    Returns:
        `statistic(second) − statistic(first)`, its p-value, and the number of permutations.

    Raises:
        UsageError: Units or the embeddings' provenance differ.
    """
    check_paired(first, second)
    check_comparable(first.provenance, second.provenance)
    ids = np.unique(first.units)
    both = first.concat(second)
    unit, later = np.searchsorted(ids, both.units), np.arange(len(both.units)) >= len(first.units)

    def difference(signs: NDArray[Any]) -> float:
        in_second = later ^ (signs < 0)[unit]
        return statistic(both.select(in_second)) - statistic(both.select(~in_second))

    return _flip_signs(difference, len(ids), permutations, seed)


def _flip_signs(
    statistic: Callable[[NDArray[Any]], float], units: int, permutations: int, seed: int
) -> PermutationTest:
    """The test of a statistic of the signs (units,), by all of them or random ones."""
    from scipy.stats import permutation_test

    if units == 1:  # of which scipy makes no test: the observed sign and the other
        values = np.array([statistic(np.ones(1)), statistic(-np.ones(1))])
        return PermutationTest(float(values[0]), share_reaching(np.abs(values)), 2)
    exact = units <= ALL_FLIPS
    observed = statistic(np.ones(units))

    def of(signs: NDArray[Any]) -> float:
        return observed if (signs > 0).all() else statistic(signs)

    found = permutation_test(
        (np.ones(units),),
        of,
        permutation_type="samples",
        vectorized=False,
        n_resamples=2**units if exact else permutations,
        rng=np.random.default_rng(seed),
    )
    null = np.asarray(found.null_distribution, dtype=np.float64)
    values = np.append(observed, null)
    # Of all flips the observed one is among the others; of random ones it counts as one more.
    p = share_reaching(np.abs(values))
    if exact:
        p = (p * len(values) - 1) / len(null)
    return PermutationTest(float(values[0]), p, len(null) if exact else len(values))


def share_reaching(values: NDArray[Any]) -> float:
    """The p-value: the share of values (permutations,) that reach the first, the one that was observed.

    What differs by rounding only counts as equal: a permutation that only exchanges equal units gives the same value.
    """
    slack = 1e-12 * max(1.0, float(np.abs(values).max())) if values.any() else 0.0
    return float(np.mean(values >= values[0] - min(slack, 1e-9 * abs(values[0]))))
