"""`harness stimuli plan`: how many listeners and items, which design, how long a sitting, before anything is made."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from harness.listening.plan.planning import StudyPlan

EFFECT, ORDER, SITTING = "What is to be seen", "Who hears what", "How long a sitting is"
DRAWN_LISTENERS = 12


def plan(
    kind: Annotated[str, typer.Option(help="multi, acr, ab, abx, mushra, affect or ideation.", show_default=False)],
    conditions: Annotated[
        int,
        typer.Option(
            help="How many are compared; the reference, anchors and controls of the kind come to them.",
            show_default=False,
        ),
    ],
    effect: Annotated[
        str,
        typer.Option(
            help="The smallest difference worth seeing: in units of the scale (10), in standard deviations (0.5d); ab, "
            "abx: the share of answers above one half (0.1).",
            show_default=False,
        ),
    ],
    prompts: Annotated[int, typer.Option(help="Items: prompts × clips of each for a condition.")] = 20,
    power: Annotated[float, typer.Option(rich_help_panel=EFFECT, help="The chance to see it.")] = 0.8,
    alpha: Annotated[float, typer.Option(rich_help_panel=EFFECT, help="Two-sided level over all comparisons.")] = 0.05,
    comparisons: Annotated[
        int | None,
        typer.Option(rich_help_panel=EFFECT, help="How many are tested (Holm).", show_default="all pairs × scales"),
    ] = None,
    sd: Annotated[
        float | None,
        typer.Option(
            rich_help_panel=EFFECT,
            help="Standard deviation of one listener's ratings.",
            show_default="a fifth of the scale",
        ),
    ] = None,
    taste: Annotated[
        float | None,
        typer.Option(
            rich_help_panel=EFFECT,
            help="Standard deviation of listeners' tastes for a condition; ab, abx: correlation of one's answers.",
            show_default="half of --sd; 0.1",
        ),
    ] = None,
    clip: Annotated[
        float | None,
        typer.Option(
            rich_help_panel=EFFECT,
            help="Standard deviation of a condition's clips; ab, abx: correlation of the answers about an item. 0: the "
            "answer is to be about these clips alone.",
            show_default="half of --sd; 0.1",
        ),
    ] = None,
    listeners: Annotated[
        int | None, typer.Option(rich_help_panel=ORDER, help="How many there are.", show_default="found")
    ] = None,
    per_listener: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=ORDER, help="Trials that one listener meets.", show_default="what --minutes allow"
        ),
    ] = None,
    block: Annotated[
        int | None, typer.Option(rich_help_panel=ORDER, help="Conditions on a page.", show_default="all")
    ] = None,
    repeats: Annotated[int, typer.Option(rich_help_panel=ORDER, help="Trials met twice, for test–retest.")] = 0,
    design: Annotated[
        str, typer.Option(rich_help_panel=ORDER, help="auto, williams, blocks, pairs or random.")
    ] = "auto",
    seed: Annotated[int, typer.Option(rich_help_panel=ORDER, help="Orders and the simulation are drawn by it.")] = 0,
    seconds: Annotated[
        float | None,
        typer.Option(rich_help_panel=SITTING, help="Length of a stimulus.", show_default="10; ideation: 180"),
    ] = None,
    listens: Annotated[
        float | None,
        typer.Option(rich_help_panel=SITTING, help="How often each is heard.", show_default="2 on a page, else 1"),
    ] = None,
    answer_seconds: Annotated[float, typer.Option(rich_help_panel=SITTING, help="For each rating.")] = 4.0,
    minutes: Annotated[float, typer.Option(rich_help_panel=SITTING, help="A listener works at most.")] = 30.0,
    runs: Annotated[int, typer.Option(help="Simulated studies.")] = 1000,
    draw: Annotated[Path | None, typer.Option(help="A PNG of the lists.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """How many listeners and items an effect takes, which design fits, how long a sitting is. Makes no stimuli.

    What is not given is assumed, and said so: a pilot's standard deviations make a better plan.

    [bold]Example[/bold]: harness stimuli plan --kind multi --conditions 4 --prompts 20 --effect 15 --draw design.png
    """
    from harness.core.errors import UsageError
    from harness.listening.design.designs import DesignSettings
    from harness.listening.kinds.catalogue import find_kind
    from harness.listening.plan.planning import Wanted, plan_study
    from harness.listening.plan.session import Sitting

    found = find_kind(kind)
    if listeners is not None and listeners < 2:
        raise UsageError(
            f"--listeners was {listeners}; expected 2 or more: one listener's answers say nothing of others'."
        )
    if not 1 <= runs <= 100_000:
        raise UsageError(f"--runs was {runs}; expected 1 to 100000.")
    if draw is not None and draw.suffix.lower() != ".png":
        raise UsageError(f"--draw was {draw}; expected a file name that ends with .png.")
    size, in_sd = _effect(effect)
    settings = DesignSettings(
        found.layout,
        conditions,
        prompts,
        listeners or 0,
        seed,
        per_listener=per_listener,
        block=block,
        repeats=repeats,
        name=design,
    )
    planned = plan_study(
        found,
        settings,
        Wanted(size, in_sd, power, alpha, comparisons, sd, taste, clip),
        Sitting(seconds, listens, answer_seconds, minutes),
        runs,
    )
    if draw is not None:
        from harness.core.png import write_png
        from harness.listening.describe.design_figure import design_figure

        write_png(design_figure(planned.design, _headline(planned)), draw)
    if as_json:
        typer.echo(json.dumps(as_dict(planned), ensure_ascii=False, indent=2))
    else:
        print_plan(planned, draw)


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


def print_plan(planned: StudyPlan, drawn: Path | None = None, console: Console | None = None) -> None:
    """Print a plan to standard output."""
    from harness.listening.design.balance import SAID

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
    equal = ", ".join(SAID[what] for what in balance.promised)
    say("balance", "; ".join(balance.sentences()) or f"all counts are equal ({equal})")
    say("assumed", planned.assumptions[0] if planned.assumptions else "nothing")
    for assumption in planned.assumptions[1:]:
        say("", assumption)
    console.print(_lists(planned, console.width))
    if drawn is not None:
        say("drawing", str(drawn))
    say("make it", _command(planned))


def _headline(planned: StudyPlan) -> str:
    settings = planned.settings
    return (
        f"{planned.kind.name}: {settings.conditions} conditions × {settings.items} items for "
        f"{planned.chosen.listeners} listeners, {settings.trials} trials each ({planned.design.name})"
    )


def _command(planned: StudyPlan) -> str:
    """What makes the stimuli of this plan."""
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
    """The first lists in letters, as far as they go into the width."""
    from harness.listening.describe.design_figure import MARKS, colour, letter
    from harness.listening.design.lists import listener_names

    text = Text("\nA, B, … conditions; small: training or repeat; ! trap, * gold\n", style="dim")
    names = listener_names(len(planned.design.listeners))
    for name, slots in zip(names, planned.design.listeners[:DRAWN_LISTENERS], strict=False):
        line = Text(f"{name}  ", style="bold")
        for slot in slots:
            for condition in slot.conditions:
                style = "dim" if slot.role in MARKS else colour(condition)
                line.append(letter(slot, condition), style=style)
            line.append(" " if len(slot.conditions) > 1 else "")
        line.truncate(width, overflow="ellipsis")
        text.append(line).append("\n")
    left = len(planned.design.listeners) - DRAWN_LISTENERS
    return text.append(f"… and {left} listeners more", style="dim") if left > 0 else text


def _effect(text: str) -> tuple[float, bool]:
    """A number, and whether it counts standard deviations (0.5d)."""
    from harness.core.errors import UsageError

    try:
        return float(text.removesuffix("d")), text.endswith("d")
    except ValueError:
        raise UsageError(
            f"--effect was {text!r}; expected a number such as 10, or 0.5d for standard deviations."
        ) from None
