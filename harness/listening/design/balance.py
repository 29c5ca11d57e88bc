"""How balanced the lists of a listening study are, counted from the lists themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from harness.listening.design.settings import DesignSettings, DesignTrial

Counts = tuple[tuple[int, ...], ...]

COUNT_NAMES = {
    "positions": "position",
    "neighbours": "neighbour",
    "orders": "order",
    "together": "pair",
    "items": "item",
    "probes": "X",
}


@dataclass(frozen=True)
class BalanceCriterion:
    """Counts that are meant to be equal.

    Attributes:
        what: a key of `COUNT_NAMES`.
        spread: the largest difference between two of the counts.
        every: the design makes them equal for this number of listeners and its multiples; None where it promises
            nothing about them.
    """

    what: str
    spread: int
    every: int | None

    @property
    def kept(self) -> bool:
        return self.spread == 0

    def sentence(self, listeners: int) -> str:
        """By how much the counts differ, and which numbers of listeners would make them equal."""
        differ = f"{COUNT_NAMES[self.what]} counts differ by {self.spread}"
        if self.every is None:
            return f"{differ} (this design promises nothing about them)"
        fits = [n for n in (listeners // self.every * self.every, -(-listeners // self.every) * self.every) if n]
        return f"{differ} with {_listeners(listeners)}; {' or '.join(map(str, fits))} would balance"


@dataclass(frozen=True)
class Balance:
    """Counts over the test trials of all lists (no repeats, traps, gold or training), rows by condition.

    Attributes:
        listeners: number of lists.
        positions: condition × position: in the sequence (single), on the page, A and B.
        neighbours: a condition × the one directly after it (single: in a round of all conditions), beside it (page),
            or as B when it is A; a control trial or repeat between two rounds does not count.
        together: how often two conditions are in one trial (single: in one list).
        items: condition × item. Of one condition alone the items are compared, of several the conditions per item.
        in_a_row: how often a listener hears a condition, or a pair, twice in a row although there is another.
        criteria: the counts that are meant to be equal.
    """

    listeners: int
    positions: Counts
    neighbours: Counts
    together: Counts
    items: Counts
    in_a_row: int
    criteria: tuple[BalanceCriterion, ...]

    @property
    def promised(self) -> tuple[str, ...]:
        """The counts that the design makes equal for a suitable number of listeners."""
        return tuple(criterion.what for criterion in self.criteria if criterion.every is not None)

    @property
    def kept(self) -> bool:
        """Whether all promised counts are equal for this number of listeners."""
        return all(criterion.kept for criterion in self.criteria if criterion.every is not None)

    def sentences(self) -> list[str]:
        """One for each count that is not equal; none for a design that is balanced throughout."""
        unequal = [criterion.sentence(self.listeners) for criterion in self.criteria if not criterion.kept]
        if self.in_a_row:
            unequal.append(f"a listener has the same twice in a row {self.in_a_row} times")
        return unequal


def measure(
    lists: Sequence[Sequence[DesignTrial]], settings: DesignSettings, every: Mapping[str, int | None]
) -> Balance:
    """Count the lists.

    Args:
        lists: the trials of each listener.
        settings: what they were made from.
        every: the counts to compare, each with the number of listeners for which it is promised to be equal.
    """
    size = settings.conditions
    tests = [[trial for trial in one if trial.role == "test"] for one in lists]
    single = settings.layout == "single"
    rows = [[trial.conditions[0] for trial in one] for one in tests] if single else None
    shown = rows or [list(trial.conditions) for one in tests for trial in one]
    # A sequence is cut into rounds in which each condition comes once.
    rounds = [row[at : at + size] for row in shown for at in range(0, len(row), size)]
    positions = _table(((c, at) for row in shown for at, c in enumerate(row)), size, max(map(len, shown)))
    neighbours = _table((pair for row in rounds for pair in pairwise(row)), size, size)
    meetings = ((a, b) for row in shown for a, b in combinations(sorted(set(row)), 2))
    together = _table((pair for a, b in meetings for pair in ((a, b), (b, a))), size, size)
    items = _table(((c, trial.item) for one in tests for trial in one for c in trial.conditions), size, settings.items)
    spreads = {
        "positions": _between_rows(positions),
        "neighbours": _off_diagonal(neighbours),
        "orders": _off_diagonal(neighbours),
        "together": _off_diagonal(together),
        "items": _between_rows(items) if size > 1 else max(items[0]) - min(items[0]),
        "probes": _probes(trial for one in tests for trial in one),
    }
    criteria = tuple(BalanceCriterion(what, spreads[what], number) for what, number in every.items())
    avoidable = size > 1 if single else settings.layout == "pair" and size > 2
    in_a_row = sum(map(_in_a_row, lists)) if avoidable else 0
    return Balance(len(lists), positions, neighbours, together, items, in_a_row, criteria)


def _table(entries: Iterable[tuple[int, int]], rows: int, columns: int) -> Counts:
    counts = Counter(entries)
    return tuple(tuple(counts[row, column] for column in range(columns)) for row in range(rows))


def _between_rows(table: Counts) -> int:
    """The largest difference between rows in any column."""
    return max(max(column) - min(column) for column in zip(*table, strict=True))


def _off_diagonal(table: Counts) -> int:
    entries = [count for row, line in enumerate(table) for column, count in enumerate(line) if row != column]
    return max(entries, default=0) - min(entries, default=0)


def _probes(trials: Iterable[DesignTrial]) -> int:
    """The largest difference, over pairs, between how often X is the first and the second of AB and of BA."""
    counts = Counter((trial.conditions, trial.probe) for trial in trials)
    pairs = {frozenset(conditions) for conditions, _ in counts}
    cases = [[counts[order, probe] for order in (tuple(pair), tuple(pair)[::-1]) for probe in (0, 1)] for pair in pairs]
    return max(max(case) - min(case) for case in cases)


def _in_a_row(trials: Sequence[DesignTrial]) -> int:
    """How often the same conditions come twice in a row; a control trial between them counts as a break."""
    met = [set(trial.conditions) if trial.role in ("test", "repeat") else None for trial in trials]
    return sum(one is not None and one == other for one, other in pairwise(met))


def _listeners(count: int) -> str:
    return f"{count} listener{'' if count == 1 else 's'}"
