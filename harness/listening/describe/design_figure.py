"""A design as a picture: a row for each listener, a column for each place, a colour and a letter for each condition."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_uppercase
from typing import TYPE_CHECKING

from harness.listening.design.lists import listener_names
from harness.listening.design.positions import Slot
from harness.reporting.plots import FAINT, INK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from harness.listening.design.designs import Design

# Okabe & Ito's eight first, which people who do not see all colours tell apart; the letters tell them apart as well.
COLOURS = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#8c8c8c",
    "#332288", "#88CCEE", "#882255", "#999933",
)  # fmt: skip
MARKS = {"trap": "!", "gold": "*"}
MOST_COLUMNS, MOST_ROWS = 100, 24


def letter(slot: Slot, condition: int) -> str:
    """A condition's letter, small where it comes again or is for training; a trap's or a gold item's mark.

    >>> letter(Slot(0, (1,)), 1), letter(Slot(0, (1,), "repeat"), 1), letter(Slot(0, (0,), "trap"), 0)
    ('B', 'b', '!')
    """
    if slot.role in MARKS:
        return MARKS[slot.role]
    name = ascii_uppercase[condition % len(ascii_uppercase)]
    return name if slot.role == "test" else name.lower()


def colour(condition: int) -> str:
    return COLOURS[condition % len(COLOURS)]


def design_figure(design: Design, title: str) -> Figure:
    """The first 24 listeners and 100 columns; pages and pairs stand apart by a gap."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    rows = [_columns(slots)[:MOST_COLUMNS] for slots in design.listeners[:MOST_ROWS]]
    columns = max(map(len, rows))
    size = (max(6.0, 1.0 + 0.14 * columns), 1.3 + 0.2 * len(rows))
    figure = Figure(figsize=size, dpi=150, layout="constrained")
    axes = figure.add_subplot()
    white = (1.0, 1.0, 1.0)
    axes.imshow([[white if cell is None else _shade(*cell) for cell in row] for row in rows], aspect="auto")
    for y, row in enumerate(rows):
        for x, cell in enumerate(row):
            if cell is not None:
                red, green, blue = _shade(*cell)
                ink = "white" if 0.3 * red + 0.6 * green + 0.1 * blue < 0.55 else INK
                text = axes.text(x, y, letter(*cell), ha="center", va="center", fontsize=6, color=ink)
                text.set_in_layout(False)  # two thousand letters that the layout need not measure
    axes.hlines([y + 0.5 for y in range(len(rows) - 1)], -0.5, columns - 0.5, color="white", lw=1.5)
    used = sorted({c for slots in design.listeners for slot in slots if slot.role == "test" for c in slot.conditions})
    handles = [Patch(color=colour(c), label=ascii_uppercase[c % 26]) for c in used]
    checks = Patch(color=FAINT, label="! trap, * gold; pale: training or repeat")
    figure.legend(
        handles=[*handles, checks], loc="outside lower left", ncols=len(used) + 1, fontsize=7, frameon=False,
        handlelength=1, columnspacing=1.2,
    )  # fmt: skip
    left = len(design.listeners) - len(rows)
    axes.set_title(f"{title}{f'; {left} listeners more' if left else ''}", fontsize=9, color=INK, loc="left")
    axes.set_yticks(range(len(rows)), listener_names(len(design.listeners))[: len(rows)], fontsize=7)
    axes.set_xticks([])
    axes.set_xlabel("in the order of presentation", fontsize=8, color=INK)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    return figure


def _columns(slots: Sequence[Slot]) -> list[tuple[Slot, int] | None]:
    """The cells of a row; None for the gap after a trial of several stimuli."""
    row: list[tuple[Slot, int] | None] = []
    for slot in slots:
        row += [(slot, condition) for condition in slot.conditions]
        row += [None] * (len(slot.conditions) > 1)
    return row


def _shade(slot: Slot, condition: int) -> tuple[float, float, float]:
    """The condition's colour, lighter for training and repeats; grey for traps and gold items."""
    from matplotlib.colors import to_rgb

    if slot.role in MARKS:
        return to_rgb(FAINT)
    red, green, blue = to_rgb(colour(condition))
    light = 0.0 if slot.role == "test" else 0.6
    return red + (1 - red) * light, green + (1 - green) * light, blue + (1 - blue) * light
