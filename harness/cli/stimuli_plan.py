"""`harness stimuli plan`: how many listeners and items, which design, how long a session, before anything is made."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import Field
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.options import taken, with_options
from harness.core.option import Option
from harness.core.settings import options_of, settings_class

if TYPE_CHECKING:
    from harness.listening.plan.planning import StudyPlan

ORDER = "Who hears what"
DRAWN_LISTENERS = 12


@settings_class
class PlanOptions:
    """The lists of a planned study, and what is done with the plan."""

    prompts: Annotated[int, Option("Items: prompts × clips of each for a condition.")] = 20
    listeners: Annotated[
        int | None, Field(ge=2), Option("Number of listeners.", panel=ORDER, default="as many as needed")
    ] = None
    per_listener: Annotated[
        int | None, Option("Trials for each listener.", panel=ORDER, default="what --minutes allow")
    ] = None
    block: Annotated[int | None, Option("Conditions on a page.", panel=ORDER, default="all")] = None
    repeats: Annotated[int, Option("Trials presented twice, for test–retest.", panel=ORDER)] = 0
    design: Annotated[str, Option("auto, williams, blocks, pairs or random.", panel=ORDER)] = "auto"
    seed: Annotated[int, Option("Orders and the simulation are drawn by it.", panel=ORDER)] = 0
    runs: Annotated[int, Field(ge=1, le=100_000), Option("Simulated studies.")] = 1000
    draw: Annotated[Path | None, Option("Write a plot of the lists to this PNG file.")] = None
    json: Annotated[bool, Option("Print JSON.")] = False


def plan(
    kind: Annotated[str, typer.Option(help="multi, acr, ab, abx, mushra, affect or ideation.", show_default=False)],
    conditions: Annotated[
        int,
        typer.Option(
            help="Number of conditions to compare; the reference, anchors and controls of the kind are added.",
            show_default=False,
        ),
    ],
    effect: Annotated[
        str,
        typer.Option(
            help="The smallest difference worth detecting: in units of the scale (10), in standard deviations (0.5d); "
            "ab, abx: the share of answers above one half (0.1).",
            show_default=False,
        ),
    ],
    **values: Any,
) -> None:
    """How many listeners and items an effect takes, which design fits, how long a session is. Makes no stimuli.

    What is not given is assumed, and the plan states it: a pilot's standard deviations make a better plan.

    [bold]Example[/bold]: harness stimuli plan --kind multi --conditions 4 --prompts 20 --effect 15 --draw design.png
    """
    from harness.core.errors import UsageError
    from harness.listening.design.settings import DesignSettings
    from harness.listening.kinds.catalogue import find_kind
    from harness.listening.plan.planning import plan_study
    from harness.listening.plan.session import Session
    from harness.listening.plan.target import PowerTarget

    found, options = find_kind(kind), taken(PlanOptions, values)
    if options.draw is not None and options.draw.suffix.lower() != ".png":
        raise UsageError(f"--draw was {options.draw}; expected a file name that ends with .png.")
    size, in_sd = _effect(effect)
    settings = DesignSettings.for_kind(
        found,
        conditions=conditions,
        items=options.prompts,
        listeners=options.listeners or 0,
        seed=options.seed,
        per_listener=options.per_listener,
        block=options.block,
        repeats=options.repeats,
        name=options.design,
    )
    target = PowerTarget(effect=size, in_sd=in_sd, **{name: values[name] for name in options_of(PowerTarget)})
    planned = plan_study(found, settings, target, taken(Session, values), options.runs)
    if options.draw is not None:
        from harness.core.png import write_png
        from harness.listening.describe.design_plot import design_plot

        write_png(design_plot(planned.design, _headline(planned)), options.draw)
    if options.json:
        typer.echo(json.dumps(as_dict(planned), ensure_ascii=False, indent=2))
    else:
        print_plan(planned, options.draw)


def plan_command() -> Callable[..., None]:
    """`plan` with the options of its settings."""
    from harness.listening.plan.session import Session
    from harness.listening.plan.target import PowerTarget

    return with_options(plan, (PowerTarget, PlanOptions, Session))


def as_dict(planned: StudyPlan) -> dict[str, Any]:
    """A plan for other programs; the lists themselves are made with the stimuli."""
    balance = planned.design.balance
    return {
        "kind": planned.kind.name,
        "standard": planned.kind.standard,
        "design": planned.design.name,
        "reason": planned.reason,
        "settings": asdict(planned.settings),
        "rows": [asdict(row) for row in planned.rows],
        "chosen": asdict(planned.chosen),
        "comparisons": planned.comparisons,
        "level": planned.level,
        "test": planned.test,
        "simulated": asdict(planned.simulated),
        "listeners_by_ranks": planned.wilcoxon,
        "promised": balance.promised,
        "kept": balance.kept,
        "imbalance": balance.sentences(),
        "assumptions": planned.assumptions,
        "note": planned.note,
    }


def print_plan(planned: StudyPlan, plot: Path | None = None, console: Console | None = None) -> None:
    """Print a plan to standard output."""
    from harness.listening.design.balance import COUNT_NAMES

    console = console or Console()
    if not console.is_terminal:
        console = Console(file=console.file, width=max(console.width, 120))

    def say(name: str, text: str) -> None:
        console.print(f"[bold]{name:<10}[/bold]", end="", highlight=False)
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    chosen, simulated, balance = planned.chosen, planned.simulated, planned.design.balance
    console.print(f"{_headline(planned)}", style="bold", highlight=False, markup=False)
    if planned.note:
        console.print(f"! {planned.note}", style="yellow", highlight=False, markup=False, soft_wrap=True)
    console.print(_table(planned))
    simulation = (
        f"{simulated.power:.2f} [{simulated.low:.2f}, {simulated.high:.2f}] in {simulated.runs} simulated studies"
    )
    say("power", f"{chosen.power:.2f} calculated; {simulation} with these lists")
    steps = f" (Holm's first step of {planned.comparisons})" if planned.comparisons > 1 else ""
    say("test", f"{planned.test}, two-sided at {planned.level:.2g}{steps}")
    if planned.wilcoxon is not None:
        say("", f"by ranks (Wilcoxon), for normal differences: {planned.wilcoxon} listeners or more")
    say("design", f"{planned.design.name}: {planned.reason}")
    equal = ", ".join(COUNT_NAMES[what] for what in balance.promised)
    say("balance", "; ".join(balance.sentences()) or f"all counts are equal ({equal})")
    say("assumed", planned.assumptions[0] if planned.assumptions else "nothing")
    for assumption in planned.assumptions[1:]:
        say("", assumption)
    console.print(_lists(planned, console.width))
    if plot is not None:
        say("plot", str(plot))
    say("next", _command(planned))


def _headline(planned: StudyPlan) -> str:
    settings = planned.settings
    return (
        f"{planned.kind.name}: {settings.conditions} conditions × {settings.items} items for "
        f"{planned.chosen.listeners} listeners, {settings.trials} trials each ({planned.design.name})"
    )


def _command(planned: StudyPlan) -> str:
    """The command that makes the stimuli of this plan."""
    settings = planned.settings
    options = {"--per-listener": settings.trials, "--block": settings.block, "--repeats": settings.repeats or None}
    given = "".join(f" {name} {value}" for name, value in options.items() if value is not None)
    given += " --tasks FILE" if planned.kind.open_answer else ""
    named = "" if settings.name == "auto" else f" --design {settings.name}"
    return (
        f"harness stimuli SOURCE --kind {planned.kind.name} --items {settings.items} --listeners {settings.listeners}"
        f"{given}{named} --seed {settings.seed} --out DIR"
    )


def _table(planned: StudyPlan) -> Table:
    table = Table()
    for column in ("items", "trials each", "listeners", "power", "minutes each"):
        table.add_column(column, justify="right")
    for row in planned.rows:
        style = "bold" if row == planned.chosen else ""
        count = "> 1000" if row.listeners is None else str(row.listeners)
        table.add_row(str(row.items), str(row.trials), count, f"{row.power:.2f}", f"{row.minutes:.0f}", style=style)
    return table


def _lists(planned: StudyPlan, width: int) -> Text:
    """The first lists in letters, cut to the width."""
    from harness.listening.describe.design_plot import MARKS, colour, letter

    text = Text("\nA, B, … conditions; small: training or repeat; ! trap, * gold\n", style="dim")
    for name, trials in zip(planned.design.listener_names, planned.design.listeners[:DRAWN_LISTENERS], strict=False):
        line = Text(f"{name}  ", style="bold")
        for trial in trials:
            for condition in trial.conditions:
                style = "dim" if trial.role in MARKS else colour(condition)
                line.append(letter(trial, condition), style=style)
            line.append(" " if len(trial.conditions) > 1 else "")
        line.truncate(width, overflow="ellipsis")
        text.append(line).append("\n")
    left = len(planned.design.listeners) - DRAWN_LISTENERS
    return text.append(f"… and {left} more listeners", style="dim") if left > 0 else text


def _effect(text: str) -> tuple[float, bool]:
    """A number, and whether it counts standard deviations (0.5d)."""
    from harness.core.errors import UsageError

    try:
        return float(text.removesuffix("d")), text.endswith("d")
    except ValueError:
        raise UsageError(
            f"--effect was {text!r}; expected a number such as 10, or 0.5d for standard deviations."
        ) from None
