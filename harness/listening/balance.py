"""How even the lists of a listening study are, counted from the lists themselves."""

from __future__ import annotations

from dataclasses import dataclass

Counts = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Claim:
    """Counts that ought to be equal, and by how much they differ at most.

    A design that promises them equal keeps its word with `every` listeners and multiples of that number; None where
    it promises nothing.
    """

    what: str
    spread: int
    every: int | None

    @property
    def kept(self) -> bool:
        return self.spread == 0


@dataclass(frozen=True)
class Balance:
    """Counts over the test trials of all lists (no repeats, traps, gold or training), rows by condition.

    `positions`: condition × position (in the sequence, on the page, A and B). `neighbours`: first × second, one directly
    after or beside the other. `together`: pairs of conditions in one trial; single: heard by one listener. `items`:
    condition × item. `in_a_row`: how often a listener meets a condition twice in a row (single only).
    """

    listeners: int
    positions: Counts
    neighbours: Counts
    together: Counts
    items: Counts
    in_a_row: int
    claims: tuple[Claim, ...]

    @property
    def promised(self) -> tuple[str, ...]:
        """What the design promises to be equal, for a number of listeners that suits it."""
        return tuple(claim.what for claim in self.claims if claim.every is not None)

    @property
    def kept(self) -> bool:
        """Whether all that is promised is so with this number of listeners."""
        return all(claim.kept for claim in self.claims if claim.every is not None)

    def sentences(self) -> list[str]:
        """One for each thing that is not equal: by how much, and which number of listeners would make it so."""
        raise NotImplementedError
