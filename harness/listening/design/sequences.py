"""Orders for studies with one stimulus at a time: which item a listener hears under which condition, and when.

A list of `trials` is cut into rounds in which each condition occurs once. Listeners form groups of as many as there
are conditions: a group shares one pattern, and each of its listeners has every condition shifted by one. So a whole
group hears every item equally often under every condition, and every condition equally often in every position.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice, pairwise
from math import lcm
from random import Random
from typing import NamedTuple

from harness.listening.design.williams import williams_row


class Cell(NamedTuple):
    """One clip."""

    item: int
    condition: int


class SequenceShape(NamedTuple):
    """`trials`: how many of the items × conditions cells one listener hears."""

    conditions: int
    items: int
    listeners: int
    trials: int


def williams_sequences(shape: SequenceShape, random: Random) -> list[list[Cell]]:
    """A list for each listener: each round in the order of a row of a Williams square.

    Within rounds every ordered pair of conditions is equally often adjacent: over a group of listeners when the number
    of conditions or of rounds is even (every other round of an odd number of conditions is mirrored), over two groups
    otherwise. From one round to the next the steps between conditions are distributed evenly, without a repetition.

    Args:
        shape: numbers of conditions, items, listeners and trials.
        random: random numbers.

    Returns:
        The cells of each listener, in order.
    """
    lists = []
    steps = _dealt(range(1, shape.conditions), random)
    pattern: list[list[int]] = []
    for listener, rounds in enumerate(_rounds_of_listeners(shape, random)):
        if listener % shape.conditions == 0:
            pattern = _pattern(shape, rounds, listener // shape.conditions, steps, random)
        moved = [[(condition + listener) % shape.conditions for condition in row] for row in pattern]
        lists.append(_ordered(rounds, moved, random))
    return _renamed(lists, shape.conditions, random)


def random_sequences(shape: SequenceShape, random: Random) -> list[list[Cell]]:
    """A random list for each listener in which no condition occurs twice in a row, where there are several; the clips
    are those of `williams_sequences`.

    Args:
        shape: numbers of conditions, items, listeners and trials.
        random: random numbers.

    Returns:
        The cells of each listener, in order.
    """
    lists = [
        _without_repetition([cell for cells in rounds for cell in cells], random)
        for rounds in _rounds_of_listeners(shape, random)
    ]
    return _renamed(lists, shape.conditions, random)


def share_of_items(items: int, wanted: int, turn: int, random: Random) -> list[int]:
    """`wanted` of the items in random order, so that over the turns all are chosen equally often."""
    chosen = [(turn * wanted + n) % items for n in range(wanted)]
    random.shuffle(chosen)
    return chosen


def cell_order(items: int, kinds: int) -> Iterator[tuple[int, int]]:
    """All (item, kind) once, each item once in `items` in a row and each kind once in every `kinds` of them.

    >>> list(cell_order(2, 2)), list(cell_order(3, 2))
    ([(0, 0), (1, 1), (0, 1), (1, 0)], [(0, 0), (1, 1), (2, 0), (0, 1), (1, 0), (2, 1)])
    """
    # The two counters meet again after their least common multiple; one of them then moves on by one.
    period = lcm(items, kinds)
    return ((n % items, (n + n // period) % kinds) for n in range(items * kinds))


def _rounds_of_listeners(shape: SequenceShape, random: Random) -> Iterator[list[list[Cell]]]:
    """For each listener the cells, cut into rounds of different conditions; the last round may be short."""
    conditions, items, listeners, trials = shape
    heard = min(items, trials)
    chosen: list[int] = []
    for listener in range(listeners):
        if listener % conditions == 0:
            chosen = share_of_items(items, heard, listener // conditions, random)
        order = islice(cell_order(heard, conditions), trials)
        cells = [Cell(chosen[item], (kind + listener) % conditions) for item, kind in order]
        yield [cells[start : start + conditions] for start in range(0, trials, conditions)]


def _pattern(
    shape: SequenceShape, rounds: list[list[Cell]], group: int, steps: Iterator[int], random: Random
) -> list[list[int]]:
    """The order of conditions in each round of a group's first listener, whose conditions are not shifted."""
    size = shape.conditions
    wanted = [next(steps) for _ in rounds[1:]]
    last_steps = [*wanted[-1:], *(step for step in range(1, size) if step not in wanted[-1:])]
    starts = random.sample(range(size), size)
    tried = [(start, [*wanted[:-1], step]) for step in last_steps for start in starts]
    for start, taken in tried:
        pattern: list[list[int]] = []
        for turn, cells in enumerate(rounds):
            row = williams_row(size)
            if size % 2 and (group + turn) % 2:
                row.reverse()
            shift = start if turn == 0 else pattern[-1][-1] + taken[turn - 1] - row[0]
            there = {cell.condition for cell in cells}
            pattern.append([c for c in ((condition + shift) % size for condition in row) if c in there])
        # Only a short round may begin with the condition that the round before it ended with.
        if all(before[-1] != after[0] for before, after in pairwise(pattern)):
            return pattern
    raise AssertionError(f"no order without a repetition for {shape}")


def _ordered(rounds: list[list[Cell]], pattern: list[list[int]], random: Random) -> list[Cell]:
    """The cells in the order of the pattern, whole rounds in random order; where possible no item occurs twice in a
    row."""
    whole = [cells for cells in rounds if len(cells) == len(pattern[0])]
    rest = random.sample(whole, len(whole))
    done: list[Cell] = []
    for row in pattern:
        if rest:
            fits = [cells for cells in rest if not done or _in_order(cells, row)[0].item != done[-1].item]
            chosen = (fits or rest)[0]
            rest.remove(chosen)
        else:
            chosen = rounds[-1]
        done += _in_order(chosen, row)
    return done


def _in_order(cells: list[Cell], row: list[int]) -> list[Cell]:
    return sorted(cells, key=lambda cell: row.index(cell.condition))


def _without_repetition(cells: list[Cell], random: Random) -> list[Cell]:
    """A random order in which no condition occurs twice in a row, and where possible no item either.

    The conditions' counts differ by one at most, so one exists: a condition with more than half of the rest is next.
    """
    rest = random.sample(cells, len(cells))
    left = Counter(cell.condition for cell in rest)
    if len(left) == 1:
        return rest
    done: list[Cell] = []
    while rest:
        forced = {condition for condition, count in left.items() if 2 * count > len(rest)}
        last = done[-1] if done else Cell(-1, -1)
        fits = [n for n in forced or left if n != last.condition]
        allowed = (cell for cell in rest if cell.condition in fits)
        chosen = next(allowed)
        if chosen.item == last.item:
            chosen = next((cell for cell in allowed if cell.item != last.item), chosen)
        rest.remove(chosen)
        left[chosen.condition] -= 1
        done.append(chosen)
    return done


def _renamed(lists: list[list[Cell]], conditions: int, random: Random) -> list[list[Cell]]:
    """Assign the conditions to the numbers of the pattern at random."""
    names = random.sample(range(conditions), conditions)
    return [[Cell(cell.item, names[cell.condition]) for cell in cells] for cells in lists]


def _dealt(values: Iterable[int], random: Random) -> Iterator[int]:
    """Without end, in random order, each value once before any is repeated."""
    values = list(values)
    while True:
        yield from random.sample(values, len(values))
