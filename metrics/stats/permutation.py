"""Tests by permutation of two conditions being alike; `metrics.compare.equality` tests two sets that are not paired.

Under the hypothesis a label could as well have been another, so that the share of permutations that give a value at
least as extreme is the p-value; the one that was observed counts as one of them. What is permuted is the song, never
the frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.api.errors import DegenerateInput, UsageError
from metrics.api.score import EmbeddingSet, check_comparable
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
    """Is the mean of paired differences (units,) zero? Two-sided, by flipping their signs.

    All 2ⁿ flips for up to 12 units, else `permutations` random ones. Raises `UsageError` for another shape and
    `DegenerateInput` for no units or values that are not finite.

    >>> sign_flip_test([1.0, 2.0, 3.0]).p  # 2 of 8 flips
    0.25
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1:
        raise UsageError(f"differences have shape {values.shape}: one for each unit was expected.")
    if not len(values) or not np.isfinite(values).all():
        raise DegenerateInput(f"{len(values)} differences were given: at least one, all finite, was expected.")
    means = _flips(len(values), permutations, seed) @ values / len(values)
    return PermutationTest(float(means[0]), share_reaching(np.abs(means)), len(means))


def swap_test(
    statistic: Callable[[EmbeddingSet], float],
    first: EmbeddingSet,
    second: EmbeddingSet,
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> PermutationTest:
    """The same for a statistic of whole sets: `statistic(second) − statistic(first)` against its values when the two
    conditions of a song are swapped for some of the songs.

    `statistic` is called twice for every permutation: give the plain one, without an error bar. Raises `UsageError`
    when the songs or the embeddings' provenance differ.
    """
    check_paired(first, second)
    check_comparable(first.provenance, second.provenance)
    ids = np.unique(first.units)
    both = first.concat(second)
    song, later = np.searchsorted(ids, both.units), np.arange(len(both.units)) >= len(first.units)
    differences = []
    for signs in _flips(len(ids), permutations, seed):
        in_second = later ^ (signs < 0)[song]
        differences.append(statistic(both.select(in_second)) - statistic(both.select(~in_second)))
    return PermutationTest(float(differences[0]), share_reaching(np.abs(differences)), len(differences))


def _flips(units: int, permutations: int, seed: int) -> NDArray[Any]:
    """Signs (permutations, units), the first row all +1."""
    if units <= ALL_FLIPS:
        return 1.0 - 2.0 * ((np.arange(2**units)[:, None] >> np.arange(units)) & 1)
    signs = np.random.default_rng(seed).integers(0, 2, (permutations + 1, units)) * 2.0 - 1.0
    signs[0] = 1
    return signs


def share_reaching(values: NDArray[Any]) -> float:
    """The p-value: the share of values (permutations,) that reach the first, the one that was observed.

    What differs by rounding only counts as equal: a permutation that only exchanges equal songs gives the same value.
    """
    slack = 1e-12 * max(1.0, float(np.abs(values).max())) if values.any() else 0.0
    return float(np.mean(values >= values[0] - min(slack, 1e-9 * abs(values[0]))))
