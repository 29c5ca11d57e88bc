"""Power by simulation: a study repeated with simulated listeners, with its actual lists and bounded scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi, sin, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import DegenerateInput
from harness.listening.design.settings import DesignTrial
from harness.listening.plan.power import ChoiceModel, PlannedComparison, RatingModel

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Floats = NDArray[np.float64]

CELLS_AT_ONCE = 2_000_000
"""Ratings held in memory."""


@dataclass(frozen=True)
class SimulatedPower:
    """The share of `runs` in which the effect was detected, with its 95 % interval (Clopper & Pearson)."""

    power: float
    low: float
    high: float
    runs: int


def simulate(
    comparison: PlannedComparison, lists: Sequence[Sequence[DesignTrial]], runs: int = 1000, seed: int = 0
) -> SimulatedPower:
    """Simulate studies in which condition 1 is better than all others by the effect; repeats are left out.

    They are analysed as in `harness.listening.plan.power`, after the means of items and of listeners are subtracted.

    Args:
        comparison: the model of answers, and the level of the test.
        lists: the trials of each listener.
        runs: number of simulated studies.
        seed: all random numbers are drawn by it.

    Raises:
        DegenerateInput: where fewer than two listeners, or items, have both conditions.
    """
    from scipy.stats import binomtest

    answers, level = comparison.answers, comparison.level
    study = _SimulatedChoices(lists, answers) if isinstance(answers, ChoiceModel) else _SimulatedRatings(lists, answers)
    rng, detected, left = np.random.default_rng(seed), 0, runs
    while left:
        now = min(left, max(1, CELLS_AT_ONCE // study.cells))
        detected += int(np.sum(study.detect(now, level, rng)))
        left -= now
    interval = binomtest(detected, runs).proportion_ci(0.95)
    return SimulatedPower(detected / runs, float(interval.low), float(interval.high), runs)


class _SimulatedRatings:
    def __init__(self, lists: Sequence[Sequence[DesignTrial]], answers: RatingModel) -> None:
        heard = [(n, trial.item, c) for n, one in enumerate(lists) for trial in _tests(one) for c in trial.conditions]
        self.answers, self.cells = answers, len(heard)
        self.listener, self.item, self.condition = np.array(heard).T
        self.by_listener, self.by_item = _means(self.listener), _means(self.item)
        self.over_listeners = _differences(self.listener, self.condition)
        self.over_items = _differences(self.item, self.condition)
        _enough(self.over_listeners, self.over_items if answers.clip else None)

    def detect(self, runs: int, level: float, rng: np.random.Generator) -> NDArray[np.bool_]:
        a, conditions = self.answers, self.condition.max() + 1

        def drawn(sd: float, *places: NDArray[np.int64]) -> Floats:
            """One value for each place, (runs, cells)."""
            flat = places[0] if len(places) == 1 else places[0] * conditions + places[1]
            return sd * rng.standard_normal((runs, flat.max() + 1))[:, flat]

        ratings = (a.low + a.high - a.effect) / 2 + a.effect * (self.condition == 1)
        ratings = ratings + drawn(a.listener, self.listener) + drawn(a.item, self.item)
        ratings += drawn(a.taste, self.listener, self.condition) + drawn(a.clip, self.item, self.condition)
        ratings = np.clip(ratings + a.residual * rng.standard_normal(ratings.shape), a.low, a.high)
        within_items = ratings - (ratings @ self.by_item)[:, self.item]
        by_listener = within_items @ self.over_listeners
        by_item = (ratings - (ratings @ self.by_listener)[:, self.listener]) @ self.over_items if a.clip else None
        return _t_test(by_listener, by_item, level)


class _SimulatedChoices:
    """The trials of the pair 0 and 1: whether 1 is chosen (or X recognized)."""

    def __init__(self, lists: Sequence[Sequence[DesignTrial]], answers: ChoiceModel) -> None:
        met = [
            (n, trial.item) for n, one in enumerate(lists) for trial in _tests(one) if set(trial.conditions) == {0, 1}
        ]
        if not met:
            raise DegenerateInput("no listener has the pair that is compared; give each of them more trials.")
        self.answers, self.cells = answers, len(met)
        self.listener, self.item = np.array(met).T
        self.by_listener, self.by_item = _means(self.listener), _means(self.item)
        if answers.taste or answers.clip:
            _enough(self.by_listener, self.by_item if answers.clip else None)

    def detect(self, runs: int, level: float, rng: np.random.Generator) -> NDArray[np.bool_]:
        from scipy.stats import binom, norm

        # Correlations of answers at one half, converted to those of the latent normal variables.
        taste, clip = (sin(share * pi / 2) for share in (self.answers.taste, self.answers.clip))
        behind = norm.ppf(0.5 + self.answers.effect) + sqrt(1 - taste - clip) * rng.standard_normal((runs, self.cells))
        behind += sqrt(taste) * rng.standard_normal((runs, self.listener.max() + 1))[:, self.listener]
        behind += sqrt(clip) * rng.standard_normal((runs, self.item.max() + 1))[:, self.item]
        chosen = behind > 0
        if not (taste or clip):
            return chosen.sum(1) > binom.isf(level / 2, self.cells, 0.5)
        beyond = chosen - 0.5
        return _t_test(beyond @ self.by_listener, beyond @ self.by_item if clip else None, level)


def _t_test(by_listener: Floats, by_item: Floats | None, level: float) -> NDArray[np.bool_]:
    """For each run (row) whether min F′, or without items the paired t test, is significant in the right direction."""
    from scipy.stats import t

    parts = [
        (part.var(1, ddof=1) / part.shape[1], part.shape[1] - 1) for part in (by_listener, by_item) if part is not None
    ]
    error = np.sum([variance for variance, _ in parts], axis=0)
    # Identical answers have no error: any difference is significant.
    tiny = np.finfo(np.float64).tiny
    freedom = error**2 / np.maximum(tiny, np.sum([variance**2 / df for variance, df in parts], axis=0))
    critical = t.isf(level / 2, np.maximum(1, freedom))
    return by_listener.mean(1) > critical * np.sqrt(error)


def _tests(trials: Sequence[DesignTrial]) -> list[DesignTrial]:
    return [trial for trial in trials if trial.role == "test"]


def _means(groups: NDArray[np.int64]) -> csr_array:
    """(cells, groups): values times it are the means of the groups. An item in no trial is a column of zeros."""
    from scipy.sparse import csr_array

    weights = 1 / np.bincount(groups)[groups]
    return csr_array((weights, (np.arange(len(groups)), groups)))


def _differences(groups: NDArray[np.int64], condition: NDArray[np.int64]) -> csr_array:
    """(cells, groups with both conditions): the mean under condition 1 less the mean under condition 0."""
    from scipy.sparse import csr_array

    sizes = [np.bincount(groups[condition == c], minlength=groups.max() + 1) for c in (0, 1)]
    both = np.flatnonzero((sizes[0] > 0) & (sizes[1] > 0))
    cells = np.flatnonzero((condition < 2) & np.isin(groups, both))
    signs = np.where(condition[cells] == 1, 1.0, -1.0)
    weights: Any = signs / np.where(condition[cells] == 1, sizes[1][groups[cells]], sizes[0][groups[cells]])
    return csr_array((weights, (cells, np.searchsorted(both, groups[cells]))), shape=(len(groups), len(both)))


def _enough(over_listeners: csr_array, over_items: csr_array | None) -> None:
    for what, matrix in (("listener", over_listeners), ("item", over_items)):
        count = 2 if matrix is None else int(matrix.sum(0).size)
        if count < 2:
            raise DegenerateInput(f"{count} {what} has both conditions that are compared; at least 2 are needed.")
