from dataclasses import replace
from math import ceil, pi

import pytest

from harness.core.errors import UsageError
from harness.listening.design.designs import DesignSettings
from harness.listening.kinds.catalogue import find_kind, kinds
from harness.listening.plan.planning import StudyPlan, Wanted, expected_answers, plan_study
from harness.listening.plan.power import Choices, Comparison, Ratings, listeners_needed
from harness.listening.plan.session import Sitting, sitting_minutes, trial_seconds

ASKED = DesignSettings("single", 3, 20, 0)
EASY = Wanted(0.9, in_sd=True, clip=0)


def planned(
    kind: str, asked: DesignSettings = ASKED, wanted: Wanted = EASY, sitting: Sitting | None = None
) -> StudyPlan:
    return plan_study(find_kind(kind), asked, wanted, sitting or Sitting(), runs=200)


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_can_be_planned(kind: str) -> None:
    wanted = Wanted(0.2, taste=0, clip=0) if find_kind(kind).layout == "pair" else EASY
    plan = planned(kind, wanted=wanted)
    assert plan.chosen.listeners == len(plan.design.listeners) == plan.settings.listeners
    assert plan.chosen.power >= 0.8
    assert plan.simulated.high > 0.75
    assert plan.chosen.minutes <= 30
    assert plan.chosen in plan.rows
    assert [row.items for row in plan.rows] == [10, 15, 20, 30, 40]


def test_references_anchors_and_controls_are_counted() -> None:
    assert planned("mushra").settings.conditions == 3 + 1 + 2
    assert planned("ideation", replace(ASKED, conditions=1)).settings.conditions == 1 + 3
    assert planned("multi").comparisons == planned("mushra").comparisons == 3
    assert planned("affect").comparisons == 3 * 2
    assert planned("multi", wanted=replace(EASY, comparisons=2)).level == 0.025


def test_assumptions_are_said_unless_they_are_given() -> None:
    assumed = planned("multi", wanted=Wanted(15)).assumptions
    assert [said.rpartition("(")[2][:6] for said in assumed if "(" in said] == [
        "--sd)", "--tast", "--clip", "--seco", "--list", "--answ",
    ]  # fmt: skip
    given = planned("multi", wanted=Wanted(15, sd=18, taste=5, clip=0), sitting=Sitting(8, 1, 3))
    assert given.assumptions == ("listeners, and items, are rated 9 higher or lower throughout",)


def test_a_sitting_is_what_a_listener_hears_and_answers() -> None:
    multi, abx, affect = find_kind("multi"), find_kind("abx"), find_kind("affect")
    assert trial_seconds(multi, 4, Sitting(seconds=8)) == 4 * 8 * 2 + 4 * 4
    assert trial_seconds(find_kind("mushra"), 6, Sitting(8, 3, 0)) == 7 * 8 * 3
    assert trial_seconds(abx, 2, Sitting()) == 3 * 10 + 4
    assert trial_seconds(affect, 1, Sitting()) == 10 + 2 * 4
    settings = DesignSettings("page", 4, 10, 6, repeats=1, traps=2, golds=1, training=1)
    assert sitting_minutes(multi, settings, Sitting(seconds=8)) == 15 * 80 / 60


def test_what_does_not_go_into_a_sitting_rotates() -> None:
    everything = planned("acr", sitting=Sitting(minutes=60))
    assert everything.settings.trials == 60
    assert everything.reason.startswith("each listener meets every item under every condition")
    once = planned("acr", sitting=Sitting(minutes=8))
    assert once.settings.trials == 20
    assert "the conditions rotate over listeners: every item under every condition would take 17 min" in once.reason
    part = planned("acr", sitting=Sitting(minutes=3))
    assert part.settings.trials == 9  # a multiple of the conditions
    assert "9 of 20 items" in part.reason
    assert planned("acr", replace(ASKED, per_listener=12)).reason == "each listener meets 12 trials, as asked for"


def test_listeners_are_rounded_up_to_what_balances() -> None:
    plan = planned("multi", wanted=Wanted(15, clip=0))
    assert plan.chosen.listeners is not None
    assert plan.design.balance.kept
    share = plan.settings.trials / plan.settings.items
    needed = listeners_needed(Comparison(expected_answers(plan.kind, Wanted(15, clip=0)), plan.level, share), 20, 0.8)
    assert needed is not None
    assert needed <= plan.chosen.listeners
    assert plan.wilcoxon == ceil(needed * pi / 3)


def test_a_number_of_listeners_that_is_given_is_kept_and_its_power_told() -> None:
    plan = planned("multi", replace(ASKED, listeners=7))
    assert plan.chosen.listeners == 7
    assert "7 listeners" in plan.design.balance.sentences()[0]


def test_too_few_items_are_said_and_more_are_planned_for() -> None:
    plan = planned("multi", replace(ASKED, conditions=4), Wanted(10))
    assert plan.note is not None
    assert "20 items are too few" in plan.note
    assert plan.chosen.items == plan.settings.items == 44
    assert plan.rows[0].listeners is None
    assert plan.chosen.power >= 0.8


def test_answers_are_as_the_scale_has_them() -> None:
    assert expected_answers(find_kind("acr"), Wanted(0.5)) == Ratings(0.5, 1, 5, 0.8, 0.4, 0.4, 0.4, 0.4)
    assert expected_answers(find_kind("acr"), Wanted(0.5, in_sd=True, sd=1)) == Ratings(
        0.5, 1, 5, 1, 0.5, 0.5, 0.5, 0.5
    )
    assert expected_answers(find_kind("ab"), Wanted(0.2, clip=0)) == Choices(0.2, 0.1, 0)


BAD = [
    ("multi", ASKED, Wanted(0), Sitting(), "--effect was 0"),
    ("multi", ASKED, Wanted(float("nan")), Sitting(), "--effect was nan"),
    ("multi", ASKED, Wanted(10, power=1), Sitting(), "--power was 1"),
    ("multi", ASKED, Wanted(10, power=0.01), Sitting(), "--power was 0.01"),
    ("multi", ASKED, Wanted(10, alpha=0), Sitting(), "--alpha was 0"),
    ("multi", ASKED, Wanted(10, comparisons=0), Sitting(), "--comparisons was 0"),
    ("multi", ASKED, Wanted(10, sd=-1), Sitting(), "--sd was -1"),
    ("multi", ASKED, Wanted(10, clip=-1), Sitting(), "--clip was -1"),
    ("multi", ASKED, Wanted(100), Sitting(), "goes from 0 to 100"),
    ("multi", ASKED, Wanted(0.0001, sd=50), Sitting(), "more items do not help"),
    ("ab", ASKED, Wanted(0.5), Sitting(), "less than 0.5"),
    ("ab", ASKED, Wanted(0.1, taste=0.6, clip=0.5), Sitting(), "add to less than 1"),
    ("ab", ASKED, Wanted(0.1, sd=1), Sitting(), "without --sd"),
    ("ab", ASKED, Wanted(0.1, in_sd=True), Sitting(), "without --sd"),
    ("multi", replace(ASKED, conditions=1), EASY, Sitting(), "--conditions was 1"),
    ("acr", replace(ASKED, conditions=1), EASY, Sitting(), "One system alone is rated without one"),
    ("mushra", replace(ASKED, conditions=1), EASY, Sitting(), "--conditions was 1"),
    ("multi", replace(ASKED, conditions=13), EASY, Sitting(), "BS.1534 allows 12"),
    ("multi", replace(ASKED, items=0), EASY, Sitting(), "items was 0"),
    ("multi", replace(ASKED, items=2000), EASY, Sitting(), "--prompts was 2000"),
    ("multi", replace(ASKED, listeners=2000), EASY, Sitting(), "--listeners was 2000"),
    ("multi", replace(ASKED, name="square"), EASY, Sitting(), "unknown design"),
    ("acr", replace(ASKED, block=2), EASY, Sitting(), "only a page"),
    ("acr", replace(ASKED, per_listener=100), EASY, Sitting(), "100 trials per listener"),
    ("acr", replace(ASKED, repeats=40), EASY, Sitting(), "40 repeats"),
    ("multi", ASKED, EASY, Sitting(seconds=0), "--seconds was 0"),
    ("multi", ASKED, EASY, Sitting(listens=-1), "--listens was -1"),
    ("multi", ASKED, EASY, Sitting(answer_seconds=-1), "--answer-seconds was -1"),
    ("multi", ASKED, EASY, Sitting(minutes=0), "--minutes was 0"),
    ("multi", ASKED, EASY, Sitting(minutes=1), "a list with one trial takes"),
]


@pytest.mark.parametrize(("kind", "asked", "wanted", "sitting", "message"), BAD, ids=[row[-1] for row in BAD])
def test_what_cannot_be_planned_is_refused(
    kind: str, asked: DesignSettings, wanted: Wanted, sitting: Sitting, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        planned(kind, asked, wanted, sitting)
    assert message in str(caught.value)
