"""Which units a jackknife leaves out together: folds that derive from the units' ids.

The sampling unit is a clip, a prompt or a track, never the frame: frames of one clip are alike, and resampling them
understates the error (2.8 times where it was measured).

Styles that are fixed by design are strata: every fold takes its share of each, so that leaving one out changes no
style's weight. The smallest stratum then limits the number of folds; where they are few, units are assigned several
times and the results averaged. (Four tracks of each of five styles against eight others: a distance of 0 was estimated
as −.3, without strata as −.9.)

Within a stratum units are ordered by a hash of their id and the round, and take the folds in turn. The same ids and
strata therefore give the same folds, in any order and in any process, and scores measured apart can be paired.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.api.score import EmbeddingSet
from metrics.errors import DegenerateInput, UsageError

MAX_FOLDS = 20
LEAST_VALUES = 40
"""Folds of all rounds together, where strata leave few folds. Of 24 clips in five styles the standard error of fad16
depends on the assignment by 14 % of itself with 20, by 8 % with 40 and by 4 % with 80, at twice the time."""
SMALLEST_STRATUM = 4  # smaller ones are pooled: with fewer folds than this a jackknife says little
FEWEST_UNITS = 3

# For each round of assignment: the fold of each unit, in the order of the sorted unit ids.
Folds = NDArray[np.intp]


def assign_folds(data: EmbeddingSet) -> list[Folds]:
    """The folds of a set's units: at most 20, each with its share of every stratum; several rounds when they are few.

    Args:
        data: The set; its strata, where it has them, are those of the folds.

    Returns:
        For each round the fold of every unit (n_units,), in the order of the sorted ids.

    Raises:
        DegenerateInput: Fewer than 3 units: nothing is known of their spread once one is left out.

    >>> data = EmbeddingSet([[0.0], [1.0], [2.0]], ["a", "b", "c"])
    >>> [sorted(folds.tolist()) for folds in assign_folds(data)]
    [[0, 1, 2]]
    """
    return folds_of(np.unique(data.units), data.unit_strata())


def folds_of(ids: ArrayLike, strata: ArrayLike | None = None) -> list[Folds]:
    """The same for sorted ids (n,) with the stratum of each (n,), or without strata."""
    units = np.asarray(ids).tolist()
    if len(units) < FEWEST_UNITS:
        raise DegenerateInput(
            f"{len(units)} clips were given: an error bar takes at least {FEWEST_UNITS}. Sample more clips."
        )
    codes = _pooled(strata, len(units))
    folds = min(MAX_FOLDS, int(np.bincount(codes).min()))
    # Another round only helps where there is another way to assign, and folds are few.
    rounds = 1 if folds in (len(units), MAX_FOLDS) else math.ceil(LEAST_VALUES / folds)
    assigned = []
    for number in range(rounds):
        order = np.lexsort((_hashes(units, number), codes))
        one = np.empty(len(units), dtype=np.intp)
        one[order] = np.arange(len(units)) % folds
        assigned.append(one)
    return assigned


def _hashes(units: Sequence[Any], number: int) -> NDArray[np.uint64]:
    """A number for each id and round, the same everywhere; 7 and "7" are different ids."""
    texts = (f"{number} {type(unit).__name__} {unit}".encode("utf-8", "surrogatepass") for unit in units)
    digests = b"".join(hashlib.sha256(text).digest()[:8] for text in texts)
    return np.frombuffer(digests, dtype=">u8").astype(np.uint64)


def check_units(data: EmbeddingSet) -> None:
    """Raise `DegenerateInput` for fewer units than an error bar takes."""
    if data.n_units < FEWEST_UNITS:
        raise DegenerateInput(
            f"{data.n_units} clips were given: an error bar takes at least {FEWEST_UNITS}. Sample more clips."
        )


def check_paired(first: EmbeddingSet, second: EmbeddingSet) -> None:
    """Raise `UsageError` unless two sets hold the same units."""
    ids: list[set[Any]] = [set(data.units.tolist()) for data in (first, second)]
    if ids[0] != ids[1]:
        odd = sorted(ids[0] ^ ids[1], key=str)
        raise UsageError(
            f"the two conditions do not hold the same units: {len(odd)} are in one only, such as {odd[0]!r}. "
            "Pairs share prompt and seed; compare the conditions as independent sets instead."
        )


def without_each_fold(data: EmbeddingSet, all_folds: Sequence[Folds]) -> list[list[NDArray[np.bool_]]]:
    """For each round and fold the mask of frames (N,) of the other folds' units."""
    unit = np.unique(data.units, return_inverse=True)[1]
    return [[folds[unit] != fold for fold in range(int(folds.max()) + 1)] for folds in all_folds]


def _pooled(strata: ArrayLike | None, n_units: int) -> NDArray[np.intp]:
    """The stratum of each unit as a number; the two smallest are pooled while one has fewer than four units."""
    if strata is None:
        return np.zeros(n_units, dtype=np.intp)
    codes = np.unique(np.asarray(strata), return_inverse=True)[1]
    while True:
        names, sizes = np.unique(codes, return_counts=True)
        if len(names) == 1 or sizes.min() >= SMALLEST_STRATUM:
            return np.searchsorted(names, codes)
        first, second = names[np.argsort(sizes, kind="stable")[:2]]
        codes = np.where(codes == first, second, codes)
