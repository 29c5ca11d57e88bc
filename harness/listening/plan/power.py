"""How many listeners and items it takes to see an effect: the calculation, which `harness.listening.plan.simulation`
checks.

A rating is the sum of a condition's effect, a listener's leniency, an item's quality, a listener's taste for a
condition, the quality of the one clip (item × condition) and what is left. Leniency and item cancel in a balanced
design. Taste averages out over listeners only, the clip's quality over items only, the rest over both: neither number
replaces the other (Westfall, Kenny & Judd, J. Exp. Psychol. Gen. 143, 2014).

Two conditions are compared over listeners and over items at once, by min F′ (Clark, J. Verb. Learn. Verb. Behav. 12,
1973). Where the clips do not differ, or are taken as given (`clip` 0), that is the paired t test over listeners. Of
several comparisons each is planned at the level of Holm's first and hardest step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import pi, sqrt
from typing import Any

from harness.core.errors import UsageError

WILCOXON_EFFICIENCY = 3 / pi
"""Of the signed rank test beside the t test, for normal differences (Hodges & Lehmann, Ann. Math. Stat. 27, 1956)."""

MOST_LISTENERS = 1000


@dataclass(frozen=True)
class Ratings:
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
class Choices:
    """Answers that are one of two. `effect`: the share of one answer above one half.

    `taste` and `clip`: the correlation of two answers of one listener, and of two about one item.
    """

    effect: float
    taste: float
    clip: float


@dataclass(frozen=True)
class Comparison:
    """What is to be seen, at which two-sided level, and how often a listener meets what is compared: `share` of the
    items (each under both conditions when 1; a pair study: as this pair)."""

    answers: Ratings | Choices
    level: float
    share: float = 1.0


def holm_level(alpha: float, comparisons: int) -> float:
    """The level of the smallest of so many p-values: who plans for it plans for any of them."""
    return alpha / comparisons


def power(comparison: Comparison, listeners: int, items: int) -> float:
    """The chance to see the effect, at least 2 listeners and (where clips differ) 2 items; 0 for fewer.

    Exact for ratings with clips as given in a crossed design, and for choices without correlations (binomial test).
    """
    answers, count = comparison.answers, listeners * items * comparison.share
    if isinstance(answers, Choices) and not answers.taste and not answers.clip:
        return binomial_power(0.5 + answers.effect, round(count), comparison.level)
    if listeners < 2 or (answers.clip and items < 2):
        return 0.0
    taste, clip, residual = _variances(answers)
    by_listener = taste / listeners + residual / count
    by_item = clip / items + residual / count if answers.clip else 0.0
    error = by_listener + by_item
    freedom = error**2 / (by_listener**2 / (listeners - 1) + (by_item**2 / (items - 1) if by_item else 0.0))
    # One side at half the level: seeing the opposite of the effect is not seeing it (and its far tail is NaN in scipy).
    standardized = answers.effect / sqrt(error)
    return float(_t_power().power(standardized, 1, comparison.level / 2, df=freedom, alternative="larger"))


def binomial_power(share: float, count: int, level: float) -> float:
    """The chance that the exact two-sided binomial test against one half finds the more frequent answer so, when its
    share is `share`: at least `n` of `count`, where half the level is left beyond."""
    from scipy.stats import binom

    return float(binom.sf(binom.isf(level / 2, count, 0.5), count, share))


def listeners_needed(comparison: Comparison, items: int, wanted: float) -> int | None:
    """The fewest listeners for the power wanted; None when 1000 are not enough."""
    return _fewest(lambda listeners: power(comparison, listeners, items), wanted, MOST_LISTENERS)


def items_needed(comparison: Comparison, wanted: float) -> int | None:
    """The fewest items with which some number of listeners up to 1000 gives the power wanted; None without one."""
    return _fewest(lambda items: power(comparison, MOST_LISTENERS, items), wanted, MOST_LISTENERS)


def planned_test(answers: Ratings | Choices) -> str:
    """The test that is planned for."""
    if answers.clip:
        return "min F′ over listeners and items"
    if isinstance(answers, Ratings):
        return "paired t test over listeners"
    return "t test of listeners' shares" if answers.taste else "binomial test of all answers"


def check_wanted(effect: float, alpha: float, wanted: float) -> None:
    """Raises `UsageError` for an effect, level or power that cannot be planned for."""
    if not effect > 0:
        raise UsageError(f"--effect was {effect:g}; expected the smallest difference worth seeing, more than 0.")
    if not 0 < alpha < 0.5:
        raise UsageError(f"--alpha was {alpha:g}; expected a level between 0 and 0.5, as a rule 0.05.")
    if not alpha < wanted < 1:
        raise UsageError(f"--power was {wanted:g}; expected a share between --alpha ({alpha:g}) and 1, as a rule 0.8.")


def _variances(answers: Ratings | Choices) -> tuple[float, float, float]:
    """Of the compared quantity, by listener, by item and the rest."""
    if isinstance(answers, Ratings):
        return 2 * answers.taste**2, 2 * answers.clip**2, 2 * answers.residual**2
    share = 0.5 + answers.effect
    total = share * (1 - share)
    return total * answers.taste, total * answers.clip, total * (1 - answers.taste - answers.clip)


def _fewest(found: Callable[[int], float], wanted: float, most: int) -> int | None:
    """The least number up to `most` that gives what is wanted, by halving: a power grows with the number (that of the
    binomial test in small teeth, of which any may be the one that is found)."""
    low, high = 0, most
    if found(high) < wanted:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if found(middle) >= wanted else (middle, high)
    return high


@lru_cache(1)
def _t_power() -> Any:
    from statsmodels.stats.power import TTestPower

    return TTestPower()
