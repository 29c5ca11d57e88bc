"""A listening study planned before anything is made: how many listeners, which design, how long a sitting."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, comb, lcm

from harness.core.errors import UsageError
from harness.listening.design.designs import Design, DesignSettings, design_name, make_design, promises
from harness.listening.kinds.catalogue import Kind
from harness.listening.plan.power import (
    MOST_LISTENERS,
    WILCOXON_EFFICIENCY,
    Choices,
    Comparison,
    Ratings,
    check_wanted,
    holm_level,
    items_needed,
    listeners_needed,
    planned_test,
    power,
)
from harness.listening.plan.session import (
    ANSWER_SECONDS,
    Sitting,
    in_one_sitting,
    listens,
    sitting_minutes,
    stimulus_seconds,
)
from harness.listening.plan.simulation import Simulated, simulate

# Assumptions, each said in the plan and each with an option. None is a finding: put in what a pilot gave.
SD_OF_RANGE, PART_OF_SD, CORRELATION = 0.2, 0.5, 0.1


@dataclass(frozen=True)
class Wanted:
    """What is to be seen: an `effect` in units of the scale (of `sd` with `in_sd`; ab, abx: the share above one half),
    at the two-sided level `alpha` over `comparisons`. `sd`, `taste` and `clip`: see `harness.listening.plan.power`;
    None: assumed."""

    effect: float
    in_sd: bool = False
    power: float = 0.8
    alpha: float = 0.05
    comparisons: int | None = None
    sd: float | None = None
    taste: float | None = None
    clip: float | None = None


@dataclass(frozen=True)
class Row:
    """One way to reach the power: so many items, and listeners with so many trials each. `listeners` None: there is no
    number up to 1000 that would do."""

    items: int
    trials: int
    listeners: int | None
    power: float
    minutes: float


@dataclass(frozen=True)
class StudyPlan:
    """`rows` by number of items. `design` and `settings` are for the `chosen` one: with the items asked for, or where
    those cannot be enough, with more (`note` says so). `wilcoxon`: listeners for the
    power wanted with a test by ranks, before they are rounded up to a balanced number."""

    kind: Kind
    comparisons: int
    level: float
    test: str
    rows: tuple[Row, ...]
    chosen: Row
    design: Design
    settings: DesignSettings
    simulated: Simulated
    wilcoxon: int | None
    reason: str
    assumptions: tuple[str, ...]
    note: str | None


def plan_study(kind: Kind, settings: DesignSettings, wanted: Wanted, sitting: Sitting, runs: int = 1000) -> StudyPlan:
    """`settings.conditions` are those under test; references, anchors and controls of the kind come to them. With
    `settings.listeners` 0 the number is found.

    Raises `UsageError` for what cannot be planned, and where no number of listeners would do.
    """
    _check(kind, settings, wanted, sitting)
    added = len(kind.controls) + (1 + len(kind.anchors) if kind.reference else 0)
    tested = settings.conditions + len(kind.controls)
    settings = replace(settings, layout=kind.layout, probe=kind.probe, conditions=settings.conditions + added)
    if "trap" not in kind.attention:
        settings = replace(settings, traps=0)
    if "gold" not in kind.attention:
        settings = replace(settings, golds=0)
    design_name(replace(settings, listeners=max(1, settings.listeners), per_listener=None, repeats=0))  # checks
    comparisons = wanted.comparisons or comb(tested, 2) * len(kind.scales)
    level = holm_level(wanted.alpha, comparisons)
    answers = expected_answers(kind, wanted)

    def row(items: int) -> tuple[Row, DesignSettings]:
        fitted = in_one_sitting(kind, replace(settings, items=items), sitting)
        comparison = Comparison(answers, level, _share(fitted))
        count = fitted.listeners or _balanced_listeners(fitted, comparison, wanted.power)
        reached = power(comparison, count or MOST_LISTENERS, items)
        minutes = sitting_minutes(kind, fitted, sitting)
        return Row(items, fitted.trials, count, reached, minutes), replace(fitted, listeners=count or 0)

    chosen, final = row(settings.items)
    items, note = settings.items, None
    if chosen.listeners is None:
        comparison = Comparison(answers, level, _share(final))
        items, note = _enough_items(settings.items, comparison, wanted.power)
        chosen, final = row(items)
    if chosen.listeners is None:
        raise UsageError(
            f"no number of listeners up to {MOST_LISTENERS} gives a power of {wanted.power:g} for this effect. Plan "
            "for a larger effect (--effect), more trials each (--minutes) or fewer comparisons (--comparisons)."
        )
    around = sorted({settings.items, *(max(1, round(items * part)) for part in (0.5, 0.75, 1, 1.5, 2))})
    design = make_design(final)
    simulated = simulate(Comparison(answers, level, _share(final)), design.listeners, runs, final.seed)
    needed = listeners_needed(Comparison(answers, level, _share(final)), final.items, wanted.power)
    by_ranks = needed if isinstance(answers, Ratings) and not answers.clip else None
    return StudyPlan(
        kind=kind,
        comparisons=comparisons,
        level=level,
        test=planned_test(answers),
        rows=tuple(row(number)[0] for number in around),
        chosen=chosen,
        design=design,
        settings=final,
        simulated=simulated,
        wilcoxon=by_ranks and ceil(by_ranks / WILCOXON_EFFICIENCY),
        reason=_reason(kind, settings, final, sitting),
        assumptions=_assumptions(kind, wanted, sitting),
        note=note,
    )


def _check(kind: Kind, settings: DesignSettings, wanted: Wanted, sitting: Sitting) -> None:
    check_wanted(wanted.effect, wanted.alpha, wanted.power)
    if settings.conditions + len(kind.controls) < 2:
        raise UsageError(
            f"--conditions was {settings.conditions}: a plan is for a difference, and at least 2 conditions were "
            "expected to compare. One system alone is rated without one: harness stimuli SOURCE --kind acr, or affect."
        )
    if wanted.comparisons is not None and wanted.comparisons < 1:
        raise UsageError(f"--comparisons was {wanted.comparisons}; expected 1 or more.")
    for option, number in (("--listeners", settings.listeners), ("--prompts", settings.items)):
        if not number <= MOST_LISTENERS:
            raise UsageError(f"{option} was {number}; expected at most {MOST_LISTENERS}.")
    for option, value in (
        ("--seconds", sitting.seconds), ("--listens", sitting.listens), ("--minutes", sitting.minutes)
    ):  # fmt: skip
        if value is not None and not value > 0:
            raise UsageError(f"{option} was {value:g}; expected a number above 0.")
    if not sitting.answer_seconds >= 0:
        raise UsageError(f"--answer-seconds was {sitting.answer_seconds:g}; expected 0 or more.")


def expected_answers(kind: Kind, wanted: Wanted) -> Ratings | Choices:
    """What listeners are expected to answer. Raises `UsageError` for what the kind's scale cannot show."""
    for option, value in (("--sd", wanted.sd), ("--taste", wanted.taste), ("--clip", wanted.clip)):
        if value is not None and not (value > 0 if option == "--sd" else value >= 0):
            raise UsageError(f"{option} was {value:g}; expected a number above 0.")
    if kind.layout == "pair":
        taste, clip = (CORRELATION if part is None else part for part in (wanted.taste, wanted.clip))
        if wanted.sd is not None or wanted.in_sd:
            raise UsageError(
                f"an answer of {kind.name} is one of two: --effect is the share above one half, without --sd."
            )
        if wanted.effect >= 0.5 or taste + clip >= 1:
            raise UsageError(
                f"--effect was {wanted.effect:g}, --taste {taste:g}, --clip {clip:g}; for {kind.name} expected a share "
                "above one half of less than 0.5 (0.1: 60 % of the answers) and correlations that add to less than 1."
            )
        return Choices(wanted.effect, taste, clip)
    scale = kind.scales[0]
    sd = (scale.high - scale.low) * SD_OF_RANGE if wanted.sd is None else wanted.sd
    effect = wanted.effect * sd if wanted.in_sd else wanted.effect
    if effect >= scale.high - scale.low:
        raise UsageError(
            f"--effect was {effect:g}; the scale of {kind.name} goes from {scale.low} to {scale.high}. Expected less, "
            "or a number of standard deviations, such as 0.5d."
        )
    part = PART_OF_SD * sd
    taste, clip = (part if given is None else given for given in (wanted.taste, wanted.clip))
    return Ratings(effect, scale.low, scale.high, residual=sd, listener=part, item=part, taste=taste, clip=clip)


def _share(settings: DesignSettings) -> float:
    """Of the items that a listener meets under a given condition (as a given pair)."""
    on_page = settings.width / settings.conditions if settings.layout == "page" else 1
    return on_page * settings.trials / settings.all_trials


def _enough_items(items: int, comparison: Comparison, wanted: float) -> tuple[int, str]:
    """Half as many items again as the fewest that do with any number of listeners, and why. Raises `UsageError`."""
    fewest = items_needed(comparison, wanted)
    at_most = power(comparison, MOST_LISTENERS, items)
    if fewest is None:
        raise UsageError(
            f"with {items} items and {MOST_LISTENERS} listeners the power is {at_most:.2f}, and more items do not "
            "help. Plan for a larger effect (--effect) or fewer comparisons (--comparisons)."
        )
    enough, why = ceil(1.5 * fewest), ", since clips of one condition differ" if comparison.answers.clip else ""
    return enough, (
        f"{items} items are too few for this effect{why}: with {MOST_LISTENERS} listeners the power would be "
        f"{at_most:.2f}. It takes {fewest} or more; planned here: {enough}"
    )


def _balanced_listeners(settings: DesignSettings, comparison: Comparison, wanted: float) -> int | None:
    """The fewest listeners for the power; rounded up to what balances the design if that is no more than half again."""
    needed = listeners_needed(comparison, settings.items, wanted)
    if needed is None:
        return None
    numbers = [number for number in promises(settings, design_name(replace(settings, listeners=1))).values() if number]
    balanced = -(-needed // lcm(*numbers)) * lcm(*numbers)
    return balanced if balanced <= max(1.5 * needed, settings.conditions) else needed


def _reason(kind: Kind, asked: DesignSettings, final: DesignSettings, sitting: Sitting) -> str:
    """Why this design, in a sentence."""
    what = {
        "single": "every item under every condition",
        "pair": "every pair of every item",
        "page": "a page for every item",
    }[final.layout]
    if asked.per_listener is not None:
        return f"each listener meets {final.trials} trials, as asked for"
    minutes = f"{sitting_minutes(kind, final, sitting):.0f} min"
    if final.trials == final.all_trials:
        return f"each listener meets {what}: {minutes} are within {sitting.minutes:g} min"
    once = "each item once" if final.trials == final.items else f"{final.trials} of {final.items} items"
    rotated = {
        "single": ", the conditions rotate over listeners",
        "pair": ", the pairs rotate over listeners",
        "page": "",
    }
    if kind.open_answer:
        return f"each listener does {once.replace('item', 'task')} ({minutes}){rotated[final.layout]}"
    everything = sitting_minutes(kind, replace(final, per_listener=None), sitting)
    return (
        f"each listener meets {once} ({minutes}){rotated[final.layout]}: {what} would take {everything:.0f} min, more "
        f"than {sitting.minutes:g}"
    )


def _assumptions(kind: Kind, wanted: Wanted, sitting: Sitting) -> tuple[str, ...]:
    """What was taken for granted, with the option that says otherwise."""
    answers = expected_answers(kind, wanted)
    said = []
    if wanted.taste is None and isinstance(answers, Choices):
        said.append(f"answers of one listener correlate by {answers.taste:g} (--taste)")
    if wanted.clip is None and isinstance(answers, Choices):
        said.append(f"answers about one item correlate by {answers.clip:g} (--clip; 0: these clips alone)")
    if isinstance(answers, Ratings):
        if wanted.sd is None:
            said.append(f"a listener's ratings have a standard deviation of {answers.residual:g} (--sd)")
        if wanted.taste is None:
            said.append(f"listeners' tastes for a condition differ by {answers.taste:g} (--taste)")
        if wanted.clip is None:
            said.append(f"clips of a condition differ by {answers.clip:g} (--clip; 0: these clips alone)")
        said.append(f"listeners, and items, are rated {answers.listener:g} higher or lower throughout")
    if sitting.seconds is None:
        said.append(f"stimuli last {stimulus_seconds(kind, sitting):g} s (--seconds)")
    if sitting.listens is None:
        said.append(f"each is heard {listens(kind, sitting):g} × (--listens)")
    if sitting.answer_seconds == ANSWER_SECONDS:
        said.append(f"an answer takes {ANSWER_SECONDS:g} s (--answer-seconds)")
    return tuple(said)
