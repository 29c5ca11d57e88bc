"""Which listener meets what, in which order: the designs of a listening study, seeded and balanced.

A design knows conditions and items (a prompt and an index) by number alone. What it promises, and whether that holds for
this number of listeners, is counted from the lists that were made (`harness.listening.balance`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.listening.balance import Balance

Role = Literal["test", "repeat", "training", "gold", "trap"]
Layout = Literal["single", "pair", "page"]
PAGE_LIMIT = 12
"""Conditions on a page at most (ITU-R BS.1534-3)."""


@dataclass(frozen=True)
class Slot:
    """A trial in a listener's list.

    `item` counts the items of its role: 0 … items − 1 for test and repeat, 0 … training − 1, golds − 1, traps − 1 else.
    `conditions` stand in the order of presentation: one (single), two (pair: A, B), all or a block of them (page); those
    of a gold or a trap are that trial's own stimuli, 0 … , as many as a test trial has. `probe` (ABX): X is
    `conditions[probe]`.
    """

    item: int
    conditions: tuple[int, ...]
    role: Role = "test"
    probe: int | None = None


@dataclass(frozen=True)
class DesignSettings:
    """What a design is made from.

    `per_listener`: test trials that one listener meets, None for all there are (single: items × conditions; pair: items
    × pairs; page: items); with as many as there are items, a listener meets each item once. `block`: conditions on a
    page, None for all. `repeats`: test trials met a second time; `traps` and `golds`: None for one in ten.
    """

    layout: Layout
    conditions: int
    items: int
    listeners: int
    seed: int = 0
    probe: bool = False
    per_listener: int | None = None
    block: int | None = None
    repeats: int = 0
    traps: int | None = None
    golds: int | None = None
    training: int = 1
    name: str = "auto"


@dataclass(frozen=True)
class Design:
    """Lists of all listeners, training first."""

    name: str
    listeners: tuple[tuple[Slot, ...], ...]
    balance: Balance


def make_design(settings: DesignSettings) -> Design:
    """The lists of a study; the same settings make the same lists.

    Raises `UsageError` for settings that no design fits, saying which would.
    """
    raise NotImplementedError
