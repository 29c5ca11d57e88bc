"""Fewer units, drawn without replacement: for metrics whose value depends on how many there are.

With replacement, as a bootstrap draws, a unit would be its own copy: less varied than any real set, and its own nearest
neighbour.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from metrics.api.score import EmbeddingSet
from metrics.errors import UsageError

DRAWS = 20


def draw_units(data: EmbeddingSet, units: int, seed: int = 0) -> EmbeddingSet:
    """`units` of a set's units with all their frames; the set itself where it has no more.

    Strata keep their shares, to the unit. Raises `UsageError` for fewer than one unit.
    """
    if units < 1:
        raise UsageError(f"{units} units were to be drawn: at least one was expected.")
    if units >= data.n_units:
        return data
    ids, strata = np.unique(data.units), data.unit_strata()
    order = np.random.default_rng(seed).permutation(len(ids))
    if strata is not None:
        # Each unit's place among those of its stratum, as a share of it: the first `units` of all take of every stratum
        # what is due to it.
        codes = np.unique(strata[order], return_inverse=True)[1]
        sizes = np.bincount(codes)
        place = np.empty(len(ids))
        for code in range(len(sizes)):
            place[codes == code] = (np.arange(sizes[code]) + 0.5) / sizes[code]
        order = order[np.argsort(place, kind="stable")]
    return data.select(np.isin(data.units, ids[order[:units]]))


def rarefied(statistic: Callable[[EmbeddingSet], float], data: EmbeddingSet, units: int, draws: int = DRAWS) -> float:
    """The mean of a statistic over draws of so many units: its value at that number.

    One draw where the set has no more units than that. The draws are always the same.
    """
    if units >= data.n_units:
        return statistic(data)
    return float(np.mean([statistic(draw_units(data, units, seed)) for seed in range(draws)]))
