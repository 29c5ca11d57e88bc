from collections.abc import Mapping
from dataclasses import replace
from math import ceil, pi
from typing import Any

import pytest

from harness.core.errors import UsageError
from harness.listening.design.settings import DesignSettings
from harness.listening.kinds.catalogue import find_kind, kinds
from harness.listening.plan.planning import StudyPlan, plan_study
from harness.listening.plan.power import ChoiceModel, PlannedComparison, RatingModel, listeners_needed
from harness.listening.plan.session import Session, session_minutes, trial_seconds
from harness.listening.plan.target import PowerTarget, expected_answers

LISTS = {"conditions": 3, "items": 20, "listeners": 0}
EASY = PowerTarget(0.9, in_sd=True, clip=0)


def planned(
    kind: str, lists: Mapping[str, Any] | None = None, target: PowerTarget = EASY, session: Session | None = None
) -> StudyPlan:
    """A plan for 3 conditions and 20 items; `lists` are changes of the design."""
    settings = DesignSettings.for_kind(find_kind(kind), **{**LISTS, **(lists or {})})
    return plan_study(find_kind(kind), settings, target, session or Session(), runs=200)


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_can_be_planned(kind: str) -> None:
    target = PowerTarget(0.2, taste=0, clip=0) if find_kind(kind).layout == "pair" else EASY
    plan = planned(kind, target=target)
    assert plan.chosen.listeners == len(plan.design.listeners) == plan.settings.listeners
    assert plan.chosen.power >= 0.8
    assert plan.simulated.high > 0.75
    assert plan.chosen.minutes <= 30
    assert plan.chosen in plan.rows
    assert [row.items for row in plan.rows] == [10, 15, 20, 30, 40]


def test_references_anchors_and_controls_are_counted() -> None:
    assert planned("mushra").settings.conditions == 3 + 1 + 2
    assert planned("ideation", {"conditions": 1}).settings.conditions == 1 + 3
    assert planned("multi").comparisons == planned("mushra").comparisons == 3
    assert planned("affect").comparisons == 3 * 2
    assert planned("multi", target=replace(EASY, comparisons=2)).level == 0.025


def test_assumptions_are_stated_unless_they_are_given() -> None:
    assumed = planned("multi", target=PowerTarget(15)).assumptions
    assert [one.rpartition("(")[2][:6] for one in assumed if "(" in one] == [
        "--sd)", "--tast", "--clip", "--seco", "--list", "--answ",
    ]  # fmt: skip
    given = planned("multi", target=PowerTarget(15, sd=18, taste=5, clip=0), session=Session(8, 1, 3))
    assert given.assumptions == ("listeners, and items, are rated 9 higher or lower throughout",)


def test_a_session_is_what_a_listener_hears_and_answers() -> None:
    multi, abx, affect = find_kind("multi"), find_kind("abx"), find_kind("affect")
    assert trial_seconds(multi, 4, Session(seconds=8)) == 4 * 8 * 2 + 4 * 4
    assert trial_seconds(find_kind("mushra"), 6, Session(8, 3, 0)) == 7 * 8 * 3
    assert trial_seconds(abx, 2, Session()) == 3 * 10 + 4
    assert trial_seconds(affect, 1, Session()) == 10 + 2 * 4
    settings = DesignSettings("page", 4, 10, 6, repeats=1, traps=2, golds=1, training=1)
    assert session_minutes(multi, settings, Session(seconds=8)) == 15 * 80 / 60


def test_what_does_not_fit_into_a_session_rotates() -> None:
    everything = planned("acr", session=Session(minutes=60))
    assert everything.settings.trials == 60
    assert everything.reason.startswith("each listener has every item under every condition")
    once = planned("acr", session=Session(minutes=8))
    assert once.settings.trials == 20
    assert "the conditions rotate over listeners: every item under every condition would take 17 min" in once.reason
    part = planned("acr", session=Session(minutes=3))
    assert part.settings.trials == 9  # a multiple of the conditions
    assert "9 of 20 items" in part.reason
    assert planned("acr", {"per_listener": 12}).reason == "each listener has 12 trials, as requested"


def test_listeners_are_rounded_up_to_what_balances() -> None:
    plan = planned("multi", target=PowerTarget(15, clip=0))
    assert plan.chosen.listeners is not None
    assert plan.design.balance.kept
    share = plan.settings.trials / plan.settings.items
    answers = expected_answers(plan.kind, PowerTarget(15, clip=0))
    needed = listeners_needed(PlannedComparison(answers, plan.level, share), 20, 0.8)
    assert needed is not None
    assert needed <= plan.chosen.listeners
    assert plan.wilcoxon == ceil(needed * pi / 3)


def test_a_number_of_listeners_that_is_given_stays_and_its_power_is_reported() -> None:
    plan = planned("multi", {"listeners": 7})
    assert plan.chosen.listeners == 7
    assert "7 listeners" in plan.design.balance.sentences()[0]


def test_too_few_items_are_reported_and_more_are_planned_for() -> None:
    plan = planned("multi", {"conditions": 4}, PowerTarget(10))
    assert plan.note is not None
    assert "20 items are too few" in plan.note
    assert plan.chosen.items == plan.settings.items == 44
    assert plan.rows[0].listeners is None
    assert plan.chosen.power >= 0.8


def test_answers_are_as_the_scale_has_them() -> None:
    assert expected_answers(find_kind("acr"), PowerTarget(0.5)) == RatingModel(0.5, 1, 5, 0.8, 0.4, 0.4, 0.4, 0.4)
    assert expected_answers(find_kind("acr"), PowerTarget(0.5, in_sd=True, sd=1)) == RatingModel(
        0.5, 1, 5, 1, 0.5, 0.5, 0.5, 0.5
    )
    assert expected_answers(find_kind("ab"), PowerTarget(0.2, clip=0)) == ChoiceModel(0.2, 0.1, 0)


EASY_ONE = {"effect": 0.9, "in_sd": True, "clip": 0}
BAD: list[tuple[str, dict, dict, dict, str]] = [
    ("multi", {}, {"effect": 0}, {}, "effect"),
    ("multi", {}, {"effect": float("nan")}, {}, "effect"),
    ("multi", {}, {"effect": 10, "power": 1}, {}, "power"),
    ("multi", {}, {"effect": 10, "power": 0.01}, {}, "--power"),
    ("multi", {}, {"effect": 10, "alpha": 0}, {}, "alpha"),
    ("multi", {}, {"effect": 10, "comparisons": 0}, {}, "comparisons"),
    ("multi", {}, {"effect": 10, "sd": -1}, {}, "sd"),
    ("multi", {}, {"effect": 10, "clip": -1}, {}, "clip"),
    ("multi", {}, {"effect": 100}, {}, "0 to 100"),
    ("multi", {}, {"effect": 0.0001, "sd": 50}, {}, "more items do not help"),
    ("ab", {}, {"effect": 0.5}, {}, "less than 0.5"),
    ("ab", {}, {"effect": 0.1, "taste": 0.6, "clip": 0.5}, {}, "less than 1"),
    ("ab", {}, {"effect": 0.1, "sd": 1}, {}, "--sd"),
    ("ab", {}, {"effect": 0.1, "in_sd": True}, {}, "--sd"),
    ("multi", {"conditions": 1}, EASY_ONE, {}, "--conditions"),
    ("acr", {"conditions": 1}, EASY_ONE, {}, "harness stimuli SOURCE --kind acr"),
    ("mushra", {"conditions": 1}, EASY_ONE, {}, "--conditions"),
    ("multi", {"conditions": 13}, EASY_ONE, {}, "BS.1534"),
    ("multi", {"items": 0}, EASY_ONE, {}, "items was 0"),
    ("multi", {"items": 2000}, EASY_ONE, {}, "--prompts"),
    ("multi", {"listeners": 2000}, EASY_ONE, {}, "--listeners"),
    ("multi", {"name": "square"}, EASY_ONE, {}, "unknown design"),
    ("acr", {"block": 2}, EASY_ONE, {}, "block"),
    ("acr", {"per_listener": 100}, EASY_ONE, {}, "100 trials per listener"),
    ("acr", {"repeats": 40}, EASY_ONE, {}, "40 repeats"),
    ("multi", {}, EASY_ONE, {"seconds": 0}, "seconds"),
    ("multi", {}, EASY_ONE, {"listens": -1}, "listens"),
    ("multi", {}, EASY_ONE, {"answer_seconds": -1}, "answer_seconds"),
    ("multi", {}, EASY_ONE, {"minutes": 0}, "minutes"),
    ("multi", {}, EASY_ONE, {"minutes": 1}, "--minutes"),
]


@pytest.mark.parametrize(("kind", "lists", "target", "session", "named"), BAD)
def test_what_cannot_be_planned_is_refused(kind: str, lists: dict, target: dict, session: dict, named: str) -> None:
    with pytest.raises(UsageError) as caught:
        planned(kind, lists, PowerTarget(**target), Session(**session))
    assert named in str(caught.value)


def test_a_design_has_no_control_trials_that_its_kind_does_not_have() -> None:
    for kind in kinds().values():
        settings = DesignSettings.for_kind(kind, **LISTS, golds=3)
        assert settings.control_trials["gold"] == (3 if "gold" in kind.attention else 0)
        assert (settings.control_trials["trap"] > 0) == ("trap" in kind.attention)
        assert (settings.layout, settings.probe) == (kind.layout, kind.probe)
