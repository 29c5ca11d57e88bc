"""What a listening design is made from, and the trials of its lists, by numbers alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from harness.listening.kinds.catalogue import Layout, StudyKind

TrialRole = Literal["test", "repeat", "training", "gold", "trap"]

PAGE_LIMIT = 12
"""Conditions on a page at most (ITU-R BS.1534-3)."""


@dataclass(frozen=True)
class DesignTrial:
    """A trial in a listener's list.

    Attributes:
        item: number of the item among those of its role: 0 … items − 1 for test and repeat, else 0 … training − 1,
            golds − 1, traps − 1.
        conditions: in the order of presentation: one (single), two (pair: A, B), all or a block of them (page). Those
            of a gold or a trap are that trial's own stimuli 0, 1, …, as many as a test trial has.
        role: what the trial is for.
        probe: for ABX, X is `conditions[probe]`; else None.
    """

    item: int
    conditions: tuple[int, ...]
    role: TrialRole = "test"
    probe: int | None = None


@dataclass(frozen=True)
class DesignSettings:
    """What a design is made from.

    Attributes:
        layout: stimuli in a trial: one, two, or several on a page.
        conditions: number of conditions, including the kind's own references, anchors and controls.
        items: number of items.
        listeners: number of lists.
        seed: all random choices are drawn by it.
        probe: a trial has an X (ABX).
        per_listener: test trials for one listener; None for all there are (single: items × conditions; pair: items ×
            pairs; page: items). With at most as many as there are items, a listener has no item twice.
        block: conditions on a page; None for all.
        repeats: test trials presented a second time.
        traps, golds: control trials in a list; None for about one in ten test trials.
        training: trials with items of their own before all others.
        name: one of `harness.listening.design.designs.DESIGNS`, or "auto".
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

    @classmethod
    def for_kind(cls, kind: StudyKind, **numbers: Any) -> DesignSettings:
        """Settings for a kind of study: its layout and probe, and no control trials that the kind does not have.

        Args:
            kind: the kind of study.
            numbers: the other fields, by name.
        """
        absent = {f"{name}s": 0 for name in ("trap", "gold") if name not in kind.attention}
        return cls(layout=kind.layout, probe=kind.probe, **{**numbers, **absent})

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
        """Test trials for one listener."""
        return self.all_trials if self.per_listener is None else self.per_listener

    @property
    def control_trials(self) -> dict[TrialRole, int]:
        """Number of traps and of gold trials for each listener."""
        tenth = (self.trials + 5) // 10
        return {
            "trap": tenth if self.traps is None else self.traps,
            "gold": tenth if self.golds is None else self.golds,
        }
