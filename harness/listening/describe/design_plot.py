"""A design as a plot: a row for each listener, a column for each position, a colour and a letter per condition."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_uppercase
from typing import TYPE_CHECKING

from harness.listening.design.settings import DesignTrial
from harness.reporting.plots import FAINT, INK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from harness.listening.design.designs import Design

# Okabe & Ito's eight first, which colour-blind people can distinguish; the letters distinguish them as well.
COLOURS = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#8c8c8c",
    "#332288", "#88CCEE", "#882255", "#999933",
)  # fmt: skip
MARKS = {"trap": "!", "gold": "*"}
MOST_COLUMNS, MOST_ROWS = 100, 24


def letter(trial: DesignTrial, condition: int) -> str:
    """A condition's letter, small for a repeat or for training; the mark of a control trial.

    >>> [letter(DesignTrial(0, (1,), role), 1) for role in ("test", "repeat", "trap")]
    ['B', 'b', '!']
    """
    if trial.role in MARKS:
        return MARKS[trial.role]
    name = ascii_uppercase[condition % len(ascii_uppercase)]
    return name if trial.role == "test" else name.lower()


def colour(condition: int) -> str:
    """The colour of a condition."""
    return COLOURS[condition % len(COLOURS)]


def design_plot(design: Design, title: str) -> Figure:
    """A matplotlib figure of the first 24 listeners and 100 columns; pages and pairs are separated by a gap.

    Args:
        design: the lists.
        title: heading of the plot.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    rows = [_columns(trials)[:MOST_COLUMNS] for trials in design.listeners[:MOST_ROWS]]
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
    used = sorted(
        {c for trials in design.listeners for trial in trials if trial.role == "test" for c in trial.conditions}
    )
    handles = [Patch(color=colour(c), label=ascii_uppercase[c % 26]) for c in used]
    checks = Patch(color=FAINT, label="! trap, * gold; pale: training or repeat")
    figure.legend(
        handles=[*handles, checks], loc="outside lower left", ncols=len(used) + 1, fontsize=7, frameon=False,
        handlelength=1, columnspacing=1.2,
    )  # fmt: skip
    left = len(design.listeners) - len(rows)
    axes.set_title(f"{title}{f'; {left} listeners more' if left else ''}", fontsize=9, color=INK, loc="left")
    axes.set_yticks(range(len(rows)), design.listener_names[: len(rows)], fontsize=7)
    axes.set_xticks([])
    axes.set_xlabel("in the order of presentation", fontsize=8, color=INK)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    return figure


def _columns(trials: Sequence[DesignTrial]) -> list[tuple[DesignTrial, int] | None]:
    """The cells of a row; None for the gap after a trial of several stimuli."""
    row: list[tuple[DesignTrial, int] | None] = []
    for trial in trials:
        row += [(trial, condition) for condition in trial.conditions]
        row += [None] * (len(trial.conditions) > 1)
    return row


def _shade(trial: DesignTrial, condition: int) -> tuple[float, float, float]:
    """The condition's colour, lighter for training and repeats; grey for control trials."""
    from matplotlib.colors import to_rgb

    if trial.role in MARKS:
        return to_rgb(FAINT)
    red, green, blue = to_rgb(colour(condition))
    light = 0.0 if trial.role == "test" else 0.6
    return red + (1 - red) * light, green + (1 - green) * light, blue + (1 - blue) * light
