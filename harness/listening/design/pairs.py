"""Orders for studies that compare two stimuli: every pair of conditions, each in both orders over the listeners.

The trials of all listeners are taken in order from one common sequence of all pairs of all items. A pair occurs once in
every round of it, alternating between AB and BA; in ABX, X alternates between A and B as well.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import combinations
from math import gcd
from random import Random
from typing import NamedTuple

from harness.listening.design.sequences import cell_order


class PairTrial(NamedTuple):
    """`probe`: X is `conditions[probe]`, None without a probe."""

    item: int
    conditions: tuple[int, int]
    probe: int | None


class PairShape(NamedTuple):
    """`trials`: how many of the items × pairs one listener judges."""

    conditions: int
    items: int
    listeners: int
    trials: int
    probe: bool


def pair_lists(shape: PairShape, random: Random) -> list[list[PairTrial]]:
    """A list for each listener in random order, where possible without a pair or an item twice in a row.

    Args:
        shape: numbers of conditions, items, listeners and trials.
        random: random numbers.
    """
    names = random.sample(range(shape.conditions), shape.conditions)
    prompts = random.sample(range(shape.items), shape.items)
    pairs = list(combinations(range(shape.conditions), 2))
    cells = list(cell_order(shape.items, len(pairs)))
    lists = []
    for listener in range(shape.listeners):
        trials = []
        for place in range(listener * shape.trials, (listener + 1) * shape.trials):
            item, pair = cells[place % len(cells)]
            swap, probe = _turns(place // len(pairs), shape.items)
            first, second = (names[condition] for condition in pairs[pair])
            # In a first round each condition is A about as often as it is B.
            swapped = swap != (pairs[pair][1] - pairs[pair][0]) % 2
            order = (second, first) if swapped else (first, second)
            trials.append(PairTrial(prompts[item], order, probe if shape.probe else None))
        lists.append(_spaced(trials, random))
    return lists


def rounds_to_balance(probe: bool) -> int:
    """After how many rounds both orders of every pair, and with a probe both X in each, are equally frequent."""
    return 4 if probe else 2


def listeners_to_balance(deck: int, trials: int) -> int:
    """How many listeners with so many trials each use up a whole number of sequences of `deck` trials."""
    return deck // gcd(deck, trials)


def _turns(round_: int, items: int) -> tuple[int, int]:
    """Whether a pair is swapped in this round, and which of the two is X.

    The four cases alternate. With an even number of items, an item would have the same cases again when the sequence
    starts over: the cases are then shifted by one each time.
    """
    again = 0 if items % 2 else round_ // items
    return (round_ + again) % 2, (round_ // 2 + again // 2) % 2


def _spaced(trials: list[PairTrial], random: Random) -> list[PairTrial]:
    """In random order; a trial that would be next to its own pair or item is moved to a place where it is not. One
    without such a place is placed after the others, and then only away from its pair."""
    order: list[PairTrial] = []
    waiting = random.sample(trials, len(trials))
    for alike in (_same_pair_or_item, _same_pair_or_item, _same_pair):
        late = []
        for trial in waiting:
            place = _place(order, partial(alike, trial))
            if place is None:
                late.append(trial)
            else:
                order.insert(place, trial)
        waiting = late
    return order + waiting


def _same_pair(one: PairTrial, other: PairTrial) -> bool:
    return one.conditions == other.conditions or one.conditions == other.conditions[::-1]


def _same_pair_or_item(one: PairTrial, other: PairTrial) -> bool:
    return one.item == other.item or _same_pair(one, other)


def _place(order: list[PairTrial], alike: Callable[[PairTrial], bool]) -> int | None:
    """The last place with nothing similar on either side, if there is one."""
    after = False
    for place in range(len(order), -1, -1):
        before = place > 0 and alike(order[place - 1])
        if not (before or after):
            return place
        after = before
    return None
