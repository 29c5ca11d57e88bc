"""Planning a listening study before it is made: how many listeners, which design, how long a session."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, comb, lcm

from harness.core.errors import UsageError
from harness.listening.design.designs import Design, design_name, make_design, promises
from harness.listening.design.settings import DesignSettings
from harness.listening.kinds.catalogue import StudyKind
from harness.listening.plan.power import (
    MOST_LISTENERS,
    WILCOXON_EFFICIENCY,
    ChoiceModel,
    PlannedComparison,
    RatingModel,
    holm_level,
    items_needed,
    listeners_needed,
    planned_test,
    power,
)
from harness.listening.plan.session import (
    ANSWER_SECONDS,
    Session,
    fit_session,
    listens,
    session_minutes,
    stimulus_seconds,
)
from harness.listening.plan.simulation import SimulatedPower, simulate
from harness.listening.plan.target import PowerTarget, expected_answers


@dataclass(frozen=True)
class PlanRow:
    """One way to reach the power.

    Attributes:
        items: number of items.
        trials: test trials for each listener.
        listeners: number of listeners; None when up to 1000 are not enough.
        power: what they give.
        minutes: length of a session.
    """

    items: int
    trials: int
    listeners: int | None
    power: float
    minutes: float


@dataclass(frozen=True)
class StudyPlan:
    """A planned study.

    Attributes:
        kind: the kind of study.
        comparisons, level, test: number of tests, the level of each, and its name.
        rows: alternatives by number of items.
        chosen: the row with the requested number of items, or with more where that cannot be enough (see `note`).
        design, settings: the lists of the chosen row, and what they are made from.
        simulated: the power of these lists by simulation.
        wilcoxon: listeners for the target power with a test by ranks, not rounded up to a balanced number.
        reason: why this number of trials for each listener.
        assumptions: what was assumed, each with the option that sets it.
        note: a warning, or None.
    """

    kind: StudyKind
    comparisons: int
    level: float
    test: str
    rows: tuple[PlanRow, ...]
    chosen: PlanRow
    design: Design
    settings: DesignSettings
    simulated: SimulatedPower
    wilcoxon: int | None
    reason: str
    assumptions: tuple[str, ...]
    note: str | None


def plan_study(
    kind: StudyKind, settings: DesignSettings, target: PowerTarget, session: Session, runs: int = 1000
) -> StudyPlan:
    """Find the number of listeners, and the trials of each, for the target power.

    Args:
        kind: the kind of study.
        settings: from `DesignSettings.for_kind`; `conditions` counts those under test, to which the kind's own are
            added, and `listeners` 0 means that the number is to be found.
        target: what is to be detected.
        session: how long a listener works at a time.
        runs: number of simulated studies.

    Raises:
        UsageError: for what cannot be planned, and where no number of listeners is enough.
    """
    _check(kind, settings)
    tested = settings.conditions + len(kind.controls)
    settings = replace(settings, conditions=settings.conditions + kind.own_conditions)
    design_name(replace(settings, listeners=max(1, settings.listeners), per_listener=None, repeats=0))  # checks
    comparisons = target.comparisons or comb(tested, 2) * len(kind.scales)
    level = holm_level(target.alpha, comparisons)
    answers = expected_answers(kind, target)

    def row(items: int) -> tuple[PlanRow, DesignSettings]:
        fitted = fit_session(kind, replace(settings, items=items), session)
        comparison = PlannedComparison(answers, level, _share(fitted))
        count = fitted.listeners or _balanced_listeners(fitted, comparison, target.power)
        reached = power(comparison, count or MOST_LISTENERS, items)
        minutes = session_minutes(kind, fitted, session)
        return PlanRow(items, fitted.trials, count, reached, minutes), replace(fitted, listeners=count or 0)

    chosen, final = row(settings.items)
    items, note = settings.items, None
    if chosen.listeners is None:
        comparison = PlannedComparison(answers, level, _share(final))
        items, note = _enough_items(settings.items, comparison, target.power)
        chosen, final = row(items)
    if chosen.listeners is None:
        raise UsageError(
            f"no number of listeners up to {MOST_LISTENERS} gives a power of {target.power:g} for this effect. Plan "
            "for a larger effect (--effect), more trials each (--minutes) or fewer comparisons (--comparisons)."
        )
    around = sorted({settings.items, *(max(1, round(items * part)) for part in (0.5, 0.75, 1, 1.5, 2))})
    design = make_design(final)
    simulated = simulate(PlannedComparison(answers, level, _share(final)), design.listeners, runs, final.seed)
    needed = listeners_needed(PlannedComparison(answers, level, _share(final)), final.items, target.power)
    by_ranks = needed if isinstance(answers, RatingModel) and not answers.clip else None
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
        reason=_reason(kind, settings, final, session),
        assumptions=_assumptions(kind, target, session),
        note=note,
    )


def _check(kind: StudyKind, settings: DesignSettings) -> None:
    if settings.conditions + len(kind.controls) < 2:
        raise UsageError(
            f"--conditions was {settings.conditions}: a plan is for a difference, and at least 2 conditions were "
            "expected to compare. One system alone is rated without one: harness stimuli SOURCE --kind acr, or affect."
        )
    for option, number in (("--listeners", settings.listeners), ("--prompts", settings.items)):
        if not number <= MOST_LISTENERS:
            raise UsageError(f"{option} was {number}; expected at most {MOST_LISTENERS}.")


def _share(settings: DesignSettings) -> float:
    """Share of the items that a listener judges under a given condition (as a given pair)."""
    on_page = settings.width / settings.conditions if settings.layout == "page" else 1
    return on_page * settings.trials / settings.all_trials


def _enough_items(items: int, comparison: PlannedComparison, target: float) -> tuple[int, str]:
    """One and a half times the fewest items that any number of listeners needs, and why. Raises `UsageError`."""
    fewest = items_needed(comparison, target)
    at_most = power(comparison, MOST_LISTENERS, items)
    if fewest is None:
        raise UsageError(
            f"with {items} items and {MOST_LISTENERS} listeners the power is {at_most:.2f}, and more items do not "
            "help. Plan for a larger effect (--effect) or fewer comparisons (--comparisons)."
        )
    enough, why = ceil(1.5 * fewest), ", since clips of one condition differ" if comparison.answers.clip else ""
    return enough, (
        f"{items} items are too few for this effect{why}: with {MOST_LISTENERS} listeners the power would be "
        f"{at_most:.2f}. At least {fewest} are needed; planned here: {enough}"
    )


def _balanced_listeners(settings: DesignSettings, comparison: PlannedComparison, target: float) -> int | None:
    """The fewest listeners for the power, rounded up to a balanced design if that is at most half as many more."""
    needed = listeners_needed(comparison, settings.items, target)
    if needed is None:
        return None
    numbers = [number for number in promises(settings, design_name(replace(settings, listeners=1))).values() if number]
    balanced = -(-needed // lcm(*numbers)) * lcm(*numbers)
    return balanced if balanced <= max(1.5 * needed, settings.conditions) else needed


def _reason(kind: StudyKind, requested: DesignSettings, final: DesignSettings, session: Session) -> str:
    """Why this design, in a sentence."""
    what = {
        "single": "every item under every condition",
        "pair": "every pair of every item",
        "page": "a page for every item",
    }[final.layout]
    if requested.per_listener is not None:
        return f"each listener has {final.trials} trials, as requested"
    minutes = f"{session_minutes(kind, final, session):.0f} min"
    if final.trials == final.all_trials:
        return f"each listener has {what}: {minutes} are within {session.minutes:g} min"
    once = "each item once" if final.trials == final.items else f"{final.trials} of {final.items} items"
    rotated = {
        "single": ", the conditions rotate over listeners",
        "pair": ", the pairs rotate over listeners",
        "page": "",
    }
    if kind.open_answer:
        return f"each listener does {once.replace('item', 'task')} ({minutes}){rotated[final.layout]}"
    everything = session_minutes(kind, replace(final, per_listener=None), session)
    return (
        f"each listener has {once} ({minutes}){rotated[final.layout]}: {what} would take {everything:.0f} min, more "
        f"than {session.minutes:g}"
    )


def _assumptions(kind: StudyKind, target: PowerTarget, session: Session) -> tuple[str, ...]:
    """What was assumed, each with the option that sets it."""
    answers = expected_answers(kind, target)
    assumed = []
    if target.taste is None and isinstance(answers, ChoiceModel):
        assumed.append(f"answers of one listener correlate by {answers.taste:g} (--taste)")
    if target.clip is None and isinstance(answers, ChoiceModel):
        assumed.append(f"answers about one item correlate by {answers.clip:g} (--clip; 0: these clips alone)")
    if isinstance(answers, RatingModel):
        if target.sd is None:
            assumed.append(f"a listener's ratings have a standard deviation of {answers.residual:g} (--sd)")
        if target.taste is None:
            assumed.append(f"listeners' tastes for a condition differ by {answers.taste:g} (--taste)")
        if target.clip is None:
            assumed.append(f"clips of a condition differ by {answers.clip:g} (--clip; 0: these clips alone)")
        assumed.append(f"listeners, and items, are rated {answers.listener:g} higher or lower throughout")
    if session.seconds is None:
        assumed.append(f"stimuli last {stimulus_seconds(kind, session):g} s (--seconds)")
    if session.listens is None:
        assumed.append(f"each is heard {listens(kind, session):g} × (--listens)")
    if session.answer_seconds == ANSWER_SECONDS:
        assumed.append(f"an answer takes {ANSWER_SECONDS:g} s (--answer-seconds)")
    return tuple(assumed)
