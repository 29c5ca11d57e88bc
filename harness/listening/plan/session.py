"""How long a listener works, and how many trials go into one sitting."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import comb

from harness.core.errors import UsageError
from harness.listening.design.positions import DesignSettings
from harness.listening.kinds.catalogue import Kind

SECONDS, TASK_SECONDS, ANSWER_SECONDS, PAGE_LISTENS, MINUTES = 10.0, 180.0, 4.0, 2.0, 30.0
"""Assumptions; a plan says them."""


@dataclass(frozen=True)
class Sitting:
    """How long a listener works. None: assumed."""

    seconds: float | None = None
    listens: float | None = None
    answer_seconds: float = ANSWER_SECONDS
    minutes: float = MINUTES


def trial_seconds(kind: Kind, width: int, sitting: Sitting) -> float:
    """How long a trial with so many conditions takes: its stimuli, heard so often, and an answer for each rating."""
    stimuli = width + kind.probe + kind.reference
    ratings = len(kind.scales) * (width if kind.layout == "page" else 1)
    return stimuli * stimulus_seconds(kind, sitting) * listens(kind, sitting) + ratings * sitting.answer_seconds


def sitting_minutes(kind: Kind, settings: DesignSettings, sitting: Sitting) -> float:
    """A listener's whole list: training, tests, repeats, traps and gold items."""
    trials = settings.training + settings.trials + settings.repeats + sum(settings.checks.values())
    return trials * trial_seconds(kind, settings.width, sitting) / 60


def stimulus_seconds(kind: Kind, sitting: Sitting) -> float:
    """How long a stimulus is, given or assumed."""
    assumed = TASK_SECONDS if kind.open_answer else min(max(SECONDS, kind.seconds[0]), kind.seconds[1])
    return assumed if sitting.seconds is None else sitting.seconds


def listens(kind: Kind, sitting: Sitting) -> float:
    """How often a stimulus is heard, given or assumed."""
    return (PAGE_LISTENS if kind.layout == "page" else 1.0) if sitting.listens is None else sitting.listens


def in_one_sitting(kind: Kind, settings: DesignSettings, sitting: Sitting) -> DesignSettings:
    """With as many trials for each listener as fit: all, or each item once, or what the minutes allow.

    Raises `UsageError` when not even one trial does.
    """
    if settings.per_listener is not None:
        return settings
    wishes = [settings.items] if kind.open_answer else [settings.all_trials, settings.items]
    for trials in wishes:
        fitted = replace(settings, per_listener=trials)
        if sitting_minutes(kind, fitted, sitting) <= sitting.minutes:
            return fitted
    least = replace(settings, per_listener=1)
    room = range(1, settings.items)
    fits = [n for n in room if sitting_minutes(kind, replace(settings, per_listener=n), sitting) <= sitting.minutes]
    if not fits:
        raise UsageError(
            f"a list with one trial takes {sitting_minutes(kind, least, sitting):.0f} min, {sitting.minutes:g} min are "
            "allowed. Allow more (--minutes), or take shorter stimuli (--seconds) or fewer on a page (--block)."
        )
    whole = {"single": settings.conditions, "pair": comb(settings.conditions, 2), "page": 1}[settings.layout]
    return replace(settings, per_listener=fits[-1] // whole * whole or fits[-1])
