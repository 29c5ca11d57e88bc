"""What a listening design is made from, and the trials that its lists consist of, by number alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["test", "repeat", "training", "gold", "trap"]
Layout = Literal["single", "pair", "page"]


@dataclass(frozen=True)
class Slot:
    """A trial in a listener's list.

    `item` counts the items of its role: 0 … items − 1 for test and repeat, else 0 … training − 1, golds − 1, traps − 1.
    `conditions` stand in the order of presentation: one (single), two (pair: A, B), all or a block of them (page).
    Those of a gold or a trap are that trial's own stimuli, 0, 1, …, as many as a test trial has. `probe` (ABX): X is
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
    × pairs; page: items). With at most as many as there are items, a listener meets no item twice. `block`: conditions
    on a page, None for all. `repeats`: test trials met a second time. `traps` and `golds`: None for about one in ten.
    `training`: trials with items of their own before all others. `name`: one of `designs.DESIGNS`, or "auto".
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

    @property
    def width(self) -> int:
        """Conditions in a trial."""
        return {"single": 1, "pair": 2, "page": self.block or self.conditions}[self.layout]

    @property
    def all_trials(self) -> int:
        """How many different test trials a listener could meet (on pages of a block: one for each item)."""
        pairs = self.conditions * (self.conditions - 1) // 2
        return self.items * {"single": self.conditions, "pair": pairs, "page": 1}[self.layout]

    @property
    def trials(self) -> int:
        """Test trials that one listener meets."""
        return self.all_trials if self.per_listener is None else self.per_listener

    @property
    def checks(self) -> dict[Role, int]:
        """How many traps and gold items each listener meets."""
        tenth = (self.trials + 5) // 10
        return {
            "trap": tenth if self.traps is None else self.traps,
            "gold": tenth if self.golds is None else self.golds,
        }
