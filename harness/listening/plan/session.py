"""How long a session is, and how many trials fit into one."""

from __future__ import annotations

from dataclasses import replace
from math import comb
from typing import Annotated

from pydantic import Field

from harness.core.errors import UsageError
from harness.core.option import Option
from harness.core.settings import settings_class
from harness.listening.design.settings import DesignSettings
from harness.listening.kinds.catalogue import StudyKind

SECONDS, TASK_SECONDS, ANSWER_SECONDS, PAGE_LISTENS, MINUTES = 10.0, 180.0, 4.0, 2.0, 30.0
"""Assumptions, which a plan states."""


PANEL = "How long a session is"
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@settings_class
class Session:
    """How long a listener works at a time.

    Attributes:
        seconds: length of a stimulus; None for an assumption.
        listens: how often each stimulus is heard; None for an assumption.
        answer_seconds: time for each rating.
        minutes: upper limit for the session.
    """

    seconds: Annotated[
        Positive | None, Option("Length of a stimulus, in seconds.", panel=PANEL, default="10; ideation: 180")
    ] = None
    listens: Annotated[
        Positive | None, Option("How often each is heard.", panel=PANEL, default="2 on a page, else 1")
    ] = None
    answer_seconds: Annotated[
        float, Field(ge=0, allow_inf_nan=False), Option("Time for each rating, in seconds.", panel=PANEL)
    ] = ANSWER_SECONDS
    minutes: Annotated[Positive, Option("Longest session, in minutes.", panel=PANEL)] = MINUTES


def trial_seconds(kind: StudyKind, width: int, session: Session) -> float:
    """The duration of a trial with `width` conditions, in seconds: stimuli as often as heard, and ratings."""
    stimuli = width + kind.probe + kind.reference
    ratings = len(kind.scales) * (width if kind.layout == "page" else 1)
    return stimuli * stimulus_seconds(kind, session) * listens(kind, session) + ratings * session.answer_seconds


def session_minutes(kind: StudyKind, settings: DesignSettings, session: Session) -> float:
    """The duration of a listener's whole list in minutes: training, tests, repeats and control trials."""
    trials = settings.training + settings.trials + settings.repeats + sum(settings.control_trials.values())
    return trials * trial_seconds(kind, settings.width, session) / 60


def stimulus_seconds(kind: StudyKind, session: Session) -> float:
    """The length of a stimulus, given or assumed."""
    assumed = TASK_SECONDS if kind.open_answer else min(max(SECONDS, kind.seconds[0]), kind.seconds[1])
    return assumed if session.seconds is None else session.seconds


def listens(kind: StudyKind, session: Session) -> float:
    """How often a stimulus is heard, given or assumed."""
    return (PAGE_LISTENS if kind.layout == "page" else 1.0) if session.listens is None else session.listens


def fit_session(kind: StudyKind, settings: DesignSettings, session: Session) -> DesignSettings:
    """With as many trials for each listener as fit into the session: all, or each item once, or fewer.

    Raises `UsageError` when not even one trial fits.

    Args:
        kind: the kind of study.
        settings: what the design is made from.
        session: its upper limit, and how long stimuli and answers take.
    """
    if settings.per_listener is not None:
        return settings
    wishes = [settings.items] if kind.open_answer else [settings.all_trials, settings.items]
    for trials in wishes:
        fitted = replace(settings, per_listener=trials)
        if session_minutes(kind, fitted, session) <= session.minutes:
            return fitted
    least = replace(settings, per_listener=1)
    room = range(1, settings.items)
    fits = [n for n in room if session_minutes(kind, replace(settings, per_listener=n), session) <= session.minutes]
    if not fits:
        raise UsageError(
            f"a list with one trial takes {session_minutes(kind, least, session):.0f} min, {session.minutes:g} min are "
            "allowed. Allow more (--minutes), or take shorter stimuli (--seconds) or fewer on a page (--block)."
        )
    whole = {"single": settings.conditions, "pair": comb(settings.conditions, 2), "page": 1}[settings.layout]
    return replace(settings, per_listener=fits[-1] // whole * whole or fits[-1])
