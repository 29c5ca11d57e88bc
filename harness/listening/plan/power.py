"""How many listeners and items an effect takes: the calculation, which `harness.listening.plan.simulation` checks.

A rating is the sum of a condition's effect, a listener's leniency, an item's quality, a listener's taste for a
condition, the quality of the one clip (item × condition) and a residual. Leniency and item cancel in a balanced design.
Taste averages out over listeners only, the clip's quality over items only, the residual over both: neither number
replaces the other (Westfall, Kenny & Judd, J. Exp. Psychol. Gen. 143, 2014).

Two conditions are compared over listeners and over items at once, by min F′ (Clark, J. Verb. Learn. Verb. Behav. 12,
1973). Where the clips do not differ, or are taken as given (`clip` 0), that is the paired t test over listeners. Of
several comparisons each is planned at the level of Holm's first and strictest step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import pi, sqrt
from typing import Any

WILCOXON_EFFICIENCY = 3 / pi
"""Of the signed rank test relative to the t test, for normal differences (Hodges & Lehmann, Ann. Math. Stat. 27,
1956)."""

MOST_LISTENERS = 1000


@dataclass(frozen=True)
class RatingModel:
    """Ratings on a scale from `low` to `high`. `effect`: the difference of two conditions; the others are standard
    deviations, all in units of the scale."""

    effect: float
    low: float
    high: float
    residual: float
    listener: float
    item: float
    taste: float
    clip: float


@dataclass(frozen=True)
class ChoiceModel:
    """Answers that are one of two. `effect`: the share of one answer above one half.

    `taste` and `clip`: the correlation of two answers of one listener, and of two about one item.
    """

    effect: float
    taste: float
    clip: float


@dataclass(frozen=True)
class PlannedComparison:
    """A comparison of two conditions as it is planned.

    Attributes:
        answers: the model of what listeners answer.
        level: two-sided level of the test.
        share: share of the items that a listener judges under a given condition (in a pair study: as a given pair).
    """

    answers: RatingModel | ChoiceModel
    level: float
    share: float = 1.0


def holm_level(alpha: float, comparisons: int) -> float:
    """The level of the smallest of so many p-values, which is enough for any of them."""
    return alpha / comparisons


def power(comparison: PlannedComparison, listeners: int, items: int) -> float:
    """The probability to detect the effect; 0 with fewer than 2 listeners or (where clips differ) 2 items.

    Exact for ratings of given clips in a crossed design, and for choices without correlations (binomial test).

    Args:
        comparison: what is compared, and at which level.
        listeners, items: numbers of listeners and of items.
    """
    answers, count = comparison.answers, listeners * items * comparison.share
    if isinstance(answers, ChoiceModel) and not answers.taste and not answers.clip:
        return binomial_power(0.5 + answers.effect, round(count), comparison.level)
    if listeners < 2 or (answers.clip and items < 2):
        return 0.0
    taste, clip, residual = _variances(answers)
    by_listener = taste / listeners + residual / count
    by_item = clip / items + residual / count if answers.clip else 0.0
    error = by_listener + by_item
    freedom = error**2 / (by_listener**2 / (listeners - 1) + (by_item**2 / (items - 1) if by_item else 0.0))
    # One side at half the level: finding the opposite is not finding the effect (and its far tail is NaN in scipy).
    standardized = answers.effect / sqrt(error)
    return float(_t_power().power(standardized, 1, comparison.level / 2, df=freedom, alternative="larger"))


def binomial_power(share: float, count: int, level: float) -> float:
    """The probability that the exact two-sided binomial test against one half is significant for the more frequent of
    two answers, when its true share is `share` and there are `count` answers."""
    from scipy.stats import binom

    return float(binom.sf(binom.isf(level / 2, count, 0.5), count, share))


def listeners_needed(comparison: PlannedComparison, items: int, target: float) -> int | None:
    """The fewest listeners for the target power; None when 1000 are not enough.

    Args:
        comparison: what is compared, and at which level.
        items: number of items.
        target: the power to reach.
    """
    return _fewest(lambda listeners: power(comparison, listeners, items), target, MOST_LISTENERS)


def items_needed(comparison: PlannedComparison, target: float) -> int | None:
    """The fewest items with which up to 1000 listeners give the target power; None when there is no such number.

    Args:
        comparison: what is compared, and at which level.
        target: the power to reach.
    """
    return _fewest(lambda items: power(comparison, MOST_LISTENERS, items), target, MOST_LISTENERS)


def planned_test(answers: RatingModel | ChoiceModel) -> str:
    """Name of the test that is planned for."""
    if answers.clip:
        return "min F′ over listeners and items"
    if isinstance(answers, RatingModel):
        return "paired t test over listeners"
    return "t test of listeners' shares" if answers.taste else "binomial test of all answers"


def _variances(answers: RatingModel | ChoiceModel) -> tuple[float, float, float]:
    """Of the compared quantity: by listener, by item, and residual."""
    if isinstance(answers, RatingModel):
        return 2 * answers.taste**2, 2 * answers.clip**2, 2 * answers.residual**2
    share = 0.5 + answers.effect
    total = share * (1 - share)
    return total * answers.taste, total * answers.clip, total * (1 - answers.taste - answers.clip)


def _fewest(found: Callable[[int], float], target: float, most: int) -> int | None:
    """The least number up to `most` that reaches the target, by bisection: power grows with the number (that of the
    binomial test not quite monotonically, so that a neighbouring number may be found)."""
    low, high = 0, most
    if found(high) < target:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if found(middle) >= target else (middle, high)
    return high


@lru_cache(1)
def _t_power() -> Any:
    from statsmodels.stats.power import TTestPower

    return TTestPower()
