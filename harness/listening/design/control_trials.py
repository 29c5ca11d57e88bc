"""The trials of a list besides its test trials: repeats for test–retest, traps and gold trials, and training first."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, product
from random import Random

from harness.core.errors import UsageError
from harness.listening.design.settings import DesignSettings, DesignTrial, Layout, TrialRole


def with_control_trials(
    tests: Sequence[DesignTrial], settings: DesignSettings, listener: int, random: Random
) -> list[DesignTrial]:
    """A listener's whole list.

    A repeat is at least one trial after its original, half a list if possible, and never next to its own condition.
    Traps and gold trials are spread over the list, never first, and not next to each other where there is room. With
    one stimulus at a time all of them are placed between rounds of all conditions, so that a round remains as designed;
    only a repeat without such a place goes elsewhere.

    Args:
        tests: the listener's test trials, in order.
        settings: what the design is made from.
        listener: number of the listener, from 0.
        random: the listener's own random numbers.

    Raises:
        UsageError: when there is no room for all repeats.
    """
    order = [_Placed(trial, _round(place, settings)) for place, trial in enumerate(tests)]
    waiting = list(order)
    for _ in range(settings.repeats):
        waiting.remove(_insert_repeat(order, waiting, settings, random))
    controls = [
        _control(settings, role, n, listener, random)
        for role, count in settings.control_trials.items()
        for n in range(count)
    ]
    random.shuffle(controls)
    _spread(order, controls, random)
    return [*training(settings), *(placed.trial for placed in order)]


def training(settings: DesignSettings) -> list[DesignTrial]:
    """The training trials, the same for all listeners; one after another they present all conditions."""
    names = Random(f"{settings.seed} training").sample(range(settings.conditions), settings.conditions)
    width = settings.width
    return [
        DesignTrial(
            item,
            tuple(names[(item * width + place) % len(names)] for place in range(width)),
            "training",
            item % 2 if settings.probe else None,
        )
        for item in range(settings.training)
    ]


class _Placed:
    """A trial with the round it belongs to; nothing is put between two trials of one round. Compared by identity."""

    def __init__(self, trial: DesignTrial, round_: object) -> None:
        self.trial = trial
        self.round = round_


def _round(place: int, settings: DesignSettings) -> int:
    return place // settings.conditions if settings.layout == "single" else place


def _open(order: Sequence[_Placed]) -> list[int]:
    """The places after the first before which a trial may be inserted without dividing a round."""
    inner = (place for place in range(1, len(order)) if order[place - 1].round != order[place].round)
    return [*inner, len(order)]


APART: dict[Layout, tuple[bool, ...]] = {"single": (True,), "pair": (True, False), "page": (False,)}
"""Whether a repeat may not be next to its own conditions; for pairs, of which there may be only one, if possible. With
one condition alone it always is."""


def _insert_repeat(
    order: list[_Placed], waiting: Sequence[_Placed], settings: DesignSettings, random: Random
) -> _Placed:
    """Insert a repeat of one of the waiting trials, and return that one."""
    half, free = len(order) // 2, set(_open(order))
    places = random.sample(range(2, len(order) + 1), len(order) - 1)
    places.sort(key=lambda place: (place not in free, place < half))
    tried = APART[settings.layout] if settings.conditions > 1 else (False,)
    shuffled, at = random.sample(waiting, len(waiting)), {placed: place for place, placed in enumerate(order)}
    for apart, place in product(tried, places):
        beside = [set(placed.trial.conditions) for placed in order[place - 1 : place + 1]] if apart else []
        fitting = (one for one in shuffled if at[one] < place - 1 and set(one.trial.conditions) not in beside)
        first = next(fitting, None)
        if first is not None:
            chosen = next((one for one in chain([first], fitting) if place - at[one] > half), first)
            order.insert(place, _Placed(_again(chosen.trial), object()))
            return chosen
    raise UsageError(
        f"{settings.repeats} repeats were requested; lists of {settings.trials} trials have no room for them that is "
        "not next to their own condition. Request fewer repeats or more trials."
    )


def _again(trial: DesignTrial) -> DesignTrial:
    """The trial again with its stimuli reversed, so that a remembered position does not help; X stays the same."""
    return DesignTrial(trial.item, trial.conditions[::-1], "repeat", None if trial.probe is None else 1 - trial.probe)


def _control(settings: DesignSettings, role: TrialRole, item: int, listener: int, random: Random) -> DesignTrial:
    order = random.sample(range(settings.width), settings.width)
    return DesignTrial(item, tuple(order), role, (item + listener) % 2 if settings.probe else None)


def _spread(order: list[_Placed], controls: Sequence[DesignTrial], random: Random) -> None:
    """One control trial in each of as many stretches of the list, at a random open place of it."""
    places = _open(order)
    for n in reversed(range(len(controls))):
        first, end = n * len(places) // len(controls), (n + 1) * len(places) // len(controls)
        order.insert(random.choice(places[first : max(end, first + 1)]), _Placed(controls[n], object()))
