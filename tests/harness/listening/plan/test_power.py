"""Power by calculation, against scipy and against simulation."""

from dataclasses import replace
from math import sqrt

import pytest
from scipy.stats import binom, binomtest, nct, t

from harness.core.errors import DegenerateInput
from harness.listening.design.designs import DesignSettings, make_design
from harness.listening.plan.power import (
    ChoiceModel,
    PlannedComparison,
    RatingModel,
    binomial_power,
    holm_level,
    items_needed,
    listeners_needed,
    power,
)
from harness.listening.plan.simulation import simulate

WIDE = RatingModel(10, -1e6, 1e6, residual=20, listener=10, item=10, taste=10, clip=10)
"""A scale whose ends are never reached."""
THESE_CLIPS = replace(WIDE, clip=0)
PAGES = DesignSettings("page", 3, 6, 30, traps=0, golds=0)


def agree(comparison: PlannedComparison, settings: DesignSettings, tolerance: float = 0.0) -> None:
    calculated = power(comparison, settings.listeners, settings.items)
    found = simulate(comparison, make_design(settings).listeners, runs=2000)
    assert found.low - tolerance <= calculated <= found.high + tolerance, (calculated, found)


def test_ratings_of_given_clips_are_a_paired_t_test() -> None:
    """By scipy's noncentral t, from the standard deviation of a listener's mean difference."""
    for listeners, items in ((5, 1), (12, 8), (40, 3)):
        sd = sqrt(2 * 10**2 + 2 * 20**2 / items)
        expected = nct.sf(t.isf(0.025, listeners - 1), listeners - 1, 10 / sd * sqrt(listeners))
        assert power(PlannedComparison(THESE_CLIPS, 0.05), listeners, items) == pytest.approx(expected, abs=1e-9)


def test_choices_without_correlation_are_an_exact_binomial_test() -> None:
    for count in range(1, 60):
        seen = [k for k in range(count + 1) if 2 * k > count and binomtest(k, count).pvalue <= 0.05]
        expected = sum(binom.pmf(k, count, 0.7) for k in seen)
        assert binomial_power(0.7, count, 0.05) == pytest.approx(expected, abs=1e-12)
    assert power(PlannedComparison(ChoiceModel(0.2, 0, 0), 0.05, 0.5), 10, 8) == binomial_power(0.7, 40, 0.05)


@pytest.mark.parametrize(
    ("comparison", "settings"),
    [
        (PlannedComparison(THESE_CLIPS, 0.05), PAGES),
        (PlannedComparison(ChoiceModel(0.1, 0, 0), 0.05), DesignSettings("pair", 2, 10, 20)),
    ],
    ids=["paired t", "binomial"],
)
def test_calculation_and_simulation_agree_where_both_are_exact(
    comparison: PlannedComparison, settings: DesignSettings
) -> None:
    agree(comparison, settings)


@pytest.mark.parametrize(
    ("answers", "share", "settings"),
    [
        (WIDE, 1, DesignSettings("page", 3, 20, 30, traps=0, golds=0)),
        (THESE_CLIPS, 1 / 4, DesignSettings("single", 4, 20, 24, per_listener=20)),
        (replace(WIDE, effect=15), 1 / 4, DesignSettings("single", 4, 20, 24, per_listener=20)),
        (replace(WIDE, effect=15), 3 / 7, DesignSettings("page", 7, 21, 20, block=3)),
        (ChoiceModel(0.1, 0.1, 0), 1, DesignSettings("pair", 2, 20, 20)),
        (ChoiceModel(0.2, 0.1, 0.1), 1 / 3, DesignSettings("pair", 3, 20, 20, per_listener=20)),
    ],
    ids=["pages", "rotated, given clips", "rotated", "blocks", "pairs, given clips", "pairs, in part"],
)
def test_they_are_near_each_other_elsewhere(
    answers: RatingModel | ChoiceModel, share: float, settings: DesignSettings
) -> None:
    agree(PlannedComparison(answers, 0.05, share), settings, tolerance=0.03)


@pytest.mark.parametrize(
    ("answers", "settings"),
    [
        (replace(WIDE, effect=0), DesignSettings("page", 3, 20, 20, traps=0, golds=0)),
        (replace(THESE_CLIPS, effect=0), PAGES),
        (ChoiceModel(0, 0.1, 0.1), DesignSettings("pair", 2, 20, 20)),
        (ChoiceModel(0, 0, 0), DesignSettings("pair", 2, 10, 10)),
    ],
    ids=["min F", "paired t", "shares", "binomial"],
)
def test_without_an_effect_one_direction_is_seen_in_at_most_half_the_level(
    answers: RatingModel | ChoiceModel, settings: DesignSettings
) -> None:
    assert simulate(PlannedComparison(answers, 0.05), make_design(settings).listeners, runs=2000).low <= 0.025


def test_the_ends_of_a_scale_cost_power() -> None:
    lists = make_design(PAGES).listeners
    wide = simulate(PlannedComparison(THESE_CLIPS, 0.05), lists)
    assert simulate(PlannedComparison(replace(THESE_CLIPS, low=0, high=25), 0.05), lists).high < wide.low


def test_the_same_seed_simulates_the_same() -> None:
    lists = make_design(PAGES).listeners
    assert simulate(PlannedComparison(WIDE, 0.05), lists, 200, 1) == simulate(
        PlannedComparison(WIDE, 0.05), lists, 200, 1
    )


def test_answers_that_are_all_alike_are_seen() -> None:
    lists = make_design(DesignSettings("pair", 2, 5, 4)).listeners
    certain = PlannedComparison(ChoiceModel(0.4999999, 0.1, 0.1), 0.05)
    assert simulate(certain, lists, 50).power == 1


def test_listeners_needed_is_the_least_number_and_items_cannot_be_replaced() -> None:
    comparison = PlannedComparison(WIDE, 0.05)
    needed = listeners_needed(comparison, 30, 0.8)
    assert needed is not None
    assert power(comparison, needed, 30) >= 0.8 > power(comparison, needed - 1, 30)
    assert listeners_needed(comparison, 10, 0.8) is None
    fewest = items_needed(comparison, 0.8)
    assert fewest is not None
    assert power(comparison, 1000, fewest) >= 0.8 > power(comparison, 1000, fewest - 1)
    assert items_needed(PlannedComparison(replace(WIDE, effect=0.1), 0.05), 0.8) is None


def test_power_grows_with_all_that_should_make_it_grow() -> None:
    base = power(PlannedComparison(WIDE, 0.05), 20, 20)
    assert power(PlannedComparison(WIDE, 0.05), 30, 20) > base
    assert power(PlannedComparison(WIDE, 0.05), 20, 30) > base
    assert power(PlannedComparison(replace(WIDE, effect=12), 0.05), 20, 20) > base
    assert power(PlannedComparison(WIDE, holm_level(0.05, 6)), 20, 20) < base
    assert power(PlannedComparison(WIDE, 0.05, 0.25), 20, 20) < base
    assert power(PlannedComparison(replace(WIDE, effect=100), 0.05), 1000, 1000) == pytest.approx(1)


def test_one_listener_or_one_item_shows_nothing() -> None:
    assert power(PlannedComparison(WIDE, 0.05), 1, 20) == 0
    assert power(PlannedComparison(WIDE, 0.05), 20, 1) == 0
    for settings in (replace(PAGES, listeners=1), replace(PAGES, items=1)):
        with pytest.raises(DegenerateInput, match=r"1 (listener|item) "):
            simulate(PlannedComparison(WIDE, 0.05), make_design(settings).listeners)
    with pytest.raises(DegenerateInput):
        simulate(PlannedComparison(ChoiceModel(0.1, 0, 0), 0.05), [[]])
