"""What a list holds beside its test trials: repeats for test–retest, traps and gold items, and training before all."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, product
from random import Random

from harness.core.errors import UsageError
from harness.listening.design.positions import DesignSettings, Layout, Role, Slot


def with_extras(tests: Sequence[Slot], settings: DesignSettings, listener: int, random: Random) -> list[Slot]:
    """A listener's whole list.

    A repeat comes at least one trial after its original, half a list if possible, and never beside its own condition.
    Traps and gold items are spread over the list, never first, and not side by side where there is room. With one
    stimulus at a time all of them stand between rounds of all conditions, so that a round remains as designed; only a
    repeat without such a place goes elsewhere.
    """
    order = [_Placed(slot, _round(place, settings)) for place, slot in enumerate(tests)]
    waiting = list(order)
    for _ in range(settings.repeats):
        waiting.remove(_insert_repeat(order, waiting, settings, random))
    checks = [
        _check(settings, role, n, listener, random) for role, count in settings.checks.items() for n in range(count)
    ]
    random.shuffle(checks)
    _spread(order, checks, random)
    return [*training(settings), *(placed.slot for placed in order)]


def training(settings: DesignSettings) -> list[Slot]:
    """The same for all listeners; one after another they show all conditions."""
    names = Random(f"{settings.seed} training").sample(range(settings.conditions), settings.conditions)
    width = settings.width
    return [
        Slot(
            item,
            tuple(names[(item * width + place) % len(names)] for place in range(width)),
            "training",
            item % 2 if settings.probe else None,
        )
        for item in range(settings.training)
    ]


class _Placed:
    """A slot with the round it belongs to; nothing is put between two slots of one round. Compared by identity."""

    def __init__(self, slot: Slot, round_: object) -> None:
        self.slot = slot
        self.round = round_


def _round(place: int, settings: DesignSettings) -> int:
    return place // settings.conditions if settings.layout == "single" else place


def _open(order: Sequence[_Placed]) -> list[int]:
    """The places, not the first, before which something may be put without dividing a round."""
    inner = (place for place in range(1, len(order)) if order[place - 1].round != order[place].round)
    return [*inner, len(order)]


APART: dict[Layout, tuple[bool, ...]] = {"single": (True,), "pair": (True, False), "page": (False,)}
"""Whether a repeat keeps away from its own conditions; for pairs, of which there may be one alone, only if possible.
One condition alone has nothing to keep away from."""


def _insert_repeat(
    order: list[_Placed], waiting: Sequence[_Placed], settings: DesignSettings, random: Random
) -> _Placed:
    """Repeat one of those that wait; which one."""
    half, free = len(order) // 2, set(_open(order))
    places = random.sample(range(2, len(order) + 1), len(order) - 1)
    places.sort(key=lambda place: (place not in free, place < half))
    tried = APART[settings.layout] if settings.conditions > 1 else (False,)
    shuffled, at = random.sample(waiting, len(waiting)), {placed: place for place, placed in enumerate(order)}
    for apart, place in product(tried, places):
        beside = [set(placed.slot.conditions) for placed in order[place - 1 : place + 1]] if apart else []
        fitting = (one for one in shuffled if at[one] < place - 1 and set(one.slot.conditions) not in beside)
        first = next(fitting, None)
        if first is not None:
            chosen = next((one for one in chain([first], fitting) if place - at[one] > half), first)
            order.insert(place, _Placed(_again(chosen.slot), object()))
            return chosen
    raise UsageError(
        f"{settings.repeats} repeats were asked for; lists of {settings.trials} trials have no room for them that is "
        "not beside their own condition. Ask for fewer repeats or more trials."
    )


def _again(slot: Slot) -> Slot:
    """The trial a second time, its stimuli in reverse, so that a remembered place does not help; X stays the same."""
    return Slot(slot.item, slot.conditions[::-1], "repeat", None if slot.probe is None else 1 - slot.probe)


def _check(settings: DesignSettings, role: Role, item: int, listener: int, random: Random) -> Slot:
    order = random.sample(range(settings.width), settings.width)
    return Slot(item, tuple(order), role, (item + listener) % 2 if settings.probe else None)


def _spread(order: list[_Placed], checks: Sequence[Slot], random: Random) -> None:
    """One check in each of as many stretches of the list, at a random open place of it."""
    places = _open(order)
    for n in reversed(range(len(checks))):
        first, end = n * len(places) // len(checks), (n + 1) * len(places) // len(checks)
        order.insert(random.choice(places[first : max(end, first + 1)]), _Placed(checks[n], object()))
