"""Properties of the lists, counted here anew: no test trusts `harness.listening.design.balance`."""

from collections import Counter
from dataclasses import replace
from itertools import combinations, pairwise, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.errors import UsageError
from harness.listening.design.designs import Design, DesignSettings, DesignTrial, make_design


@st.composite
def studies(draw: st.DrawFn, layout: str | None = None) -> DesignSettings:
    """2–12 conditions, 1–30 items, 1–60 listeners, in lists of at most 60 trials to be quick."""
    kind = layout or draw(st.sampled_from(["single", "pair", "page"]))
    conditions = draw(st.integers(2, 12))
    study = DesignSettings(
        kind,  # type: ignore[arg-type]
        conditions,
        items=draw(st.integers(1, 30)),
        listeners=draw(st.integers(1, 60)),
        seed=draw(st.integers(0, 1000)),
        probe=kind == "pair" and draw(st.booleans()),
        traps=draw(st.sampled_from([None, 0, 2])),
    )
    if kind == "page" and conditions > 2 and draw(st.booleans()):
        study = replace(study, block=draw(st.integers(2, conditions - 1)))
    elif kind != "pair":
        study = replace(study, name=draw(st.sampled_from(["williams", "random"])))
    most = min(study.all_trials, 60)
    return replace(study, per_listener=draw(st.integers(1, most)), repeats=draw(st.integers(0, 3)) % (most // 2 + 1))


def fitting(study: DesignSettings) -> DesignSettings:
    """With no more repeats than its lists have room for."""
    return replace(study, repeats=min(study.repeats, study.trials // 2))


def trials_of(design: Design) -> list[list[DesignTrial]]:
    return [[trial for trial in one if trial.role == "test"] for one in design.listeners]


def spread(counts: Counter, among: list) -> int:
    return max(counts[key] for key in among) - min(counts[key] for key in among)


@settings(max_examples=40)
@given(studies())
def test_every_list_has_the_requested_trials_and_no_clip_twice(study: DesignSettings) -> None:
    study = fitting(study)
    design = make_design(study)
    assert len(design.listeners) == study.listeners
    for one in design.listeners:
        roles = Counter(trial.role for trial in one)
        expected = {"test": study.trials, "repeat": study.repeats, "training": study.training} | study.control_trials
        assert {role: count for role, count in expected.items() if count} == roles
        assert all(trial.role == "training" for trial in one[: study.training])
        assert all(len(set(trial.conditions)) == len(trial.conditions) == study.width for trial in one)
        assert all((trial.probe is not None) == study.probe for trial in one)
        met = Counter((trial.item, frozenset(trial.conditions)) for trial in one if trial.role == "test")
        assert max(met.values()) == 1
        assert all(0 <= trial.item < study.items for trial in one if trial.role == "test")
        if study.trials <= study.items:
            assert len({item for item, _ in met}) == study.trials


@settings(max_examples=25)
@given(studies())
def test_what_is_promised_for_a_number_of_listeners_is_kept(study: DesignSettings) -> None:
    """Every claim holds for multiples of its number, and the sentence that another number would balance is true."""
    for criterion in make_design(fitting(study)).balance.criteria:
        if criterion.every is not None and criterion.every <= 60:
            suited = make_design(fitting(replace(study, listeners=criterion.every))).balance
            assert next(one for one in suited.criteria if one.what == criterion.what).kept


@settings(max_examples=40)
@given(studies())
def test_the_balance_is_what_the_lists_hold(study: DesignSettings) -> None:
    """Position, pair and item counts of the report equal a count by another way."""
    design = make_design(fitting(study))
    balance, size = design.balance, study.conditions
    rows = [[c for trial in one for c in trial.conditions] for one in trials_of(design)]
    if study.layout != "single":
        rows = [list(trial.conditions) for one in trials_of(design) for trial in one]
    for condition, counts in enumerate(balance.positions):
        assert list(counts) == [sum(row[at] == condition for row in rows) for at in range(len(rows[0]))]
    for a, b in combinations(range(size), 2):
        assert balance.together[a][b] == balance.together[b][a] == sum(a in row and b in row for row in rows)
    items = Counter((c, trial.item) for one in trials_of(design) for trial in one for c in trial.conditions)
    assert balance.items == tuple(tuple(items[c, item] for item in range(study.items)) for c in range(size))
    uneven = [criterion for criterion in balance.criteria if criterion.spread]
    assert len(balance.sentences()) == len(uneven) + (balance.in_a_row > 0)
    assert balance.kept == all(criterion.every is None for criterion in uneven)


@settings(max_examples=30)
@given(st.integers(2, 12), st.integers(1, 4), st.integers(1, 3), st.integers(0, 99))
def test_a_square_balances_positions_and_ordered_neighbours(size: int, items: int, groups: int, seed: int) -> None:
    """All items under all conditions, one at a time, for as many listeners as there are rows."""
    rows = size if size % 2 == 0 else 2 * size
    study = DesignSettings("single", size, items, rows * groups, seed, traps=0, golds=0)
    lists = [[trial.conditions[0] for trial in one] for one in trials_of(make_design(study))]
    for at in range(size * items):
        assert set(Counter(row[at] for row in lists).values()) == {groups * rows // size}
    within = Counter(pair for row in lists for at in range(0, len(row), size) for pair in pairwise(row[at : at + size]))
    assert spread(within, list(permutations(range(size), 2))) == 0
    assert all(before != after for row in lists for before, after in pairwise(row))


@settings(max_examples=30)
@given(st.integers(2, 12), st.integers(1, 30), st.integers(1, 60), st.integers(0, 99))
def test_each_item_under_one_condition_rotates_over_listeners(size: int, items: int, listeners: int, seed: int) -> None:
    lists = trials_of(make_design(DesignSettings("single", size, items, listeners, seed, per_listener=items)))
    counts = Counter((trial.item, trial.conditions[0]) for one in lists for trial in one)
    for item in range(items):
        # A group of as many listeners as there are conditions is complete; those left over add one at most.
        assert spread(counts, [(item, c) for c in range(size)]) == (1 if listeners % size else 0)


@settings(max_examples=30)
@given(studies("single"))
def test_no_condition_comes_twice_in_a_row_repeats_included(study: DesignSettings) -> None:
    design = make_design(fitting(study))
    for one in design.listeners:
        heard = [trial.conditions if trial.role in ("test", "repeat") else trial.role for trial in one]
        assert all(before != after for before, after in pairwise(heard) if isinstance(after, tuple))
    assert design.balance.in_a_row == 0


@settings(max_examples=30)
@given(studies("page"))
def test_pages_are_dealt_as_evenly_as_their_number_allows(study: DesignSettings) -> None:
    study = replace(fitting(study), name="auto")
    pages = [trial for one in trials_of(make_design(study)) for trial in one]
    for at in range(study.width):
        counts = Counter(page.conditions[at] for page in pages)
        assert spread(counts, list(range(study.conditions))) <= 1


@settings(max_examples=30)
@given(studies("pair"))
def test_pairs_come_in_both_orders_and_with_both_probes(study: DesignSettings) -> None:
    trials = [trial for one in trials_of(make_design(fitting(study))) for trial in one]
    counts = Counter(trial.conditions for trial in trials)
    pairs = list(combinations(range(study.conditions), 2))
    for a, b in pairs:
        assert abs(counts[a, b] - counts[b, a]) <= 1
    assert spread(Counter(frozenset(trial.conditions) for trial in trials), list(map(frozenset, pairs))) <= 1
    if study.probe:
        heard = Counter((frozenset(trial.conditions), trial.conditions[trial.probe or 0]) for trial in trials)
        assert all(abs(heard[frozenset((a, b)), a] - heard[frozenset((a, b)), b]) <= 2 for a, b in pairs)


@settings(max_examples=30)
@given(studies("pair").filter(lambda study: study.conditions > 2))
def test_no_pair_comes_twice_in_a_row(study: DesignSettings) -> None:
    for one in make_design(fitting(study)).listeners:
        met = [set(trial.conditions) for trial in one if trial.role == "test"]
        assert all(before != after for before, after in pairwise(met))


def test_over_four_listeners_an_abx_trial_is_met_in_all_four_ways() -> None:
    for items in (1, 2, 3, 4, 5, 6, 8):
        lists = trials_of(make_design(DesignSettings("pair", 4, items, 4, probe=True)))
        ways = Counter((trial.item, trial.conditions, trial.probe) for one in lists for trial in one)
        assert len(ways) == 4 * 6 * items
        assert set(ways.values()) == {1}


@settings(max_examples=40)
@given(studies())
def test_repeats_come_later_and_never_beside_their_original(study: DesignSettings) -> None:
    for one in make_design(fitting(study)).listeners:
        trials = [trial for trial in one if trial.role in ("test", "repeat")]
        for at, trial in enumerate(trials):
            if trial.role == "repeat":
                original = next(
                    n for n, other in enumerate(trials) if _same_trial(trial, other) and other.role == "test"
                )
                assert original < at - 1
                again, first = trials[at], trials[original]
                if study.probe:
                    assert again.conditions[again.probe or 0] == first.conditions[first.probe or 0]


def _same_trial(one: DesignTrial, other: DesignTrial) -> bool:
    return one.item == other.item and set(one.conditions) == set(other.conditions)


def test_traps_and_gold_items_are_one_in_ten_each_and_spread() -> None:
    for listener in make_design(DesignSettings("page", 4, 40, 6)).listeners:
        places = [at for at, trial in enumerate(listener) if trial.role in ("trap", "gold")]
        assert len(places) == 8
        assert all(after - before > 1 for before, after in pairwise(places))
        assert places[0] > 1
        assert max(after - before for before, after in pairwise(places)) <= 12


def test_checks_and_repeats_stand_between_rounds() -> None:
    for listener in make_design(DesignSettings("single", 4, 10, 8, repeats=4)).listeners:
        since = 0
        for trial in listener[1:]:
            if trial.role == "test":
                since += 1
            else:
                assert since % 4 == 0


def test_training_is_the_same_for_all_and_shows_all_conditions() -> None:
    for layout, training in (("single", 5), ("pair", 3), ("page", 1)):
        lists = make_design(DesignSettings(layout, 5, 6, 4, training=training)).listeners  # type: ignore[arg-type]
        assert len({one[:training] for one in lists}) == 1
        assert {c for trial in lists[0][:training] for c in trial.conditions} == set(range(5))


@given(studies())
@settings(max_examples=15)
def test_the_same_settings_make_the_same_lists(study: DesignSettings) -> None:
    assert make_design(fitting(study)) == make_design(fitting(study))


def test_another_seed_makes_other_lists() -> None:
    one, other = (make_design(DesignSettings("single", 4, 6, 8, seed=seed)).listeners for seed in (0, 1))
    assert one != other


def test_the_balance_says_what_is_uneven_and_what_would_fit() -> None:
    balance = make_design(DesignSettings("single", 4, 3, 7)).balance
    assert balance.sentences() == [
        "position counts differ by 1 with 7 listeners; 4 or 8 would balance",
        "neighbour counts differ by 3 with 7 listeners; 4 or 8 would balance",
    ]
    assert not balance.kept
    assert balance.promised == ("positions", "neighbours", "items")
    one = make_design(DesignSettings("page", 4, 3, 1)).balance
    assert one.sentences()[0] == "position counts differ by 1 with 1 listener; 4 would balance"
    unpromised = make_design(DesignSettings("single", 4, 3, 7, name="random")).balance
    assert unpromised.sentences()[0].endswith("(this design promises nothing about them)")


@settings(max_examples=40)
@given(st.integers(1, 30), st.integers(1, 60), st.integers(0, 99), st.data())
def test_one_condition_alone_is_rated_in_an_order_of_each_listeners_own(
    items: int, listeners: int, seed: int, data: st.DataObject
) -> None:
    trials = data.draw(st.integers(1, items))
    study = DesignSettings("single", 1, items, listeners, seed, per_listener=trials, repeats=int(trials > 4))
    design = make_design(study)
    heard = [[trial.item for trial in one] for one in trials_of(design)]
    assert all(len(set(one)) == trials for one in heard)
    if items > 15 and listeners > 1 and trials == items:
        assert heard[0] != heard[1]
    counts = Counter(item for one in heard for item in one)
    uneven = spread(counts, list(range(items)))
    assert uneven <= 1
    assert design.name == "random order"
    assert [sentence.split(" with")[0] for sentence in design.balance.sentences()] == (
        ["item counts differ by 1"] if uneven else []
    )
    assert design.balance.promised == ("items",)


BASE = DesignSettings("single", 4, 6, 8)
BAD = [
    (replace(BASE, conditions=0), "conditions was 0"),
    (replace(BASE, layout="pair", conditions=1), "conditions was 1"),
    (replace(BASE, layout="page", conditions=1), "conditions was 1"),
    (replace(BASE, conditions=1, name="williams"), "expected random"),
    (replace(BASE, items=0), "items was 0"),
    (replace(BASE, listeners=0), "listeners was 0"),
    (replace(BASE, repeats=-1), "repeats was -1"),
    (replace(BASE, golds=-2), "golds was -2"),
    (replace(BASE, traps=-2), "traps was -2"),
    (replace(BASE, training=-1), "training was -1"),
    (replace(BASE, probe=True), "probe"),
    (replace(BASE, per_listener=25), "1 to 24"),
    (replace(BASE, per_listener=0), "0 trials per listener"),
    (replace(BASE, block=3), "a block of 3"),
    (replace(BASE, layout="page", block=5), "expected 2 to 4"),
    (replace(BASE, layout="page", block=1), "1 conditions on a page"),
    (replace(BASE, layout="page", conditions=13), "block=7"),
    (replace(BASE, repeats=13), "13 repeats"),
    (replace(BASE, name="wiliams"), "Did you mean 'williams'"),
    (replace(BASE, name="pairs"), "expected williams or random"),
    (replace(BASE, layout="page", name="blocks"), "--block"),
    (replace(BASE, layout="page", block=3, name="williams"), "expected blocks"),
]


@pytest.mark.parametrize(("study", "named"), BAD)
def test_settings_that_no_design_fits_are_refused(study: DesignSettings, named: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_design(study)
    assert named in str(caught.value)
