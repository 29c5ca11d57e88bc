"""What `harness run --dry-run` prints: the plan, and what it would take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from harness.core.progress import clock

if TYPE_CHECKING:
    from harness.running.dry_run import Preview

SHOWN_CONDITIONS = 60


def print_preview(plan: Preview, results: Path, console: Console | None = None) -> None:
    """Print a plan to standard output."""
    console = console or Console()
    if not console.is_terminal:
        console = Console(file=console.file, width=max(console.width, 132))

    def say(name: str, text: str) -> None:
        console.print(f"[bold]{name:<10}[/bold]", end="", highlight=False)
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    experiment = plan.plan.experiment
    console.print(f"{experiment.name}: a plan, nothing is sampled", style="bold", highlight=False, markup=False)
    if experiment.question:
        say("question", " ".join(experiment.question.split("\n\n")[0].split()))
    pairs = len(experiment.contrasts())
    adjusted = f", adjusted over {pairs} pairs" if experiment.family == "all contrasts" and pairs > 1 else ""
    say(
        experiment.stage,
        f"{experiment.primary}, {experiment.contrast}{adjusted}; unit: {experiment.unit}; all else is exploratory",
    )
    say("model", ", ".join(work.model for work in plan.works))
    say("prompts", ", ".join(prompt.label() for prompt in plan.plan.prompts))
    console.print(_table(plan))
    left = len(plan.conditions) - SHOWN_CONDITIONS
    if left > 0:
        console.print(f"… and {left} conditions more", highlight=False)
    say("clips", f"{plan.stored + plan.missing}: {plan.stored} stored, {plan.missing} to sample")
    counted = "" if plan.tokens is None else f", {plan.tokens:,} tokens"
    say("work", f"{plan.audio_seconds:,.0f} s of audio{counted}")
    say("time", said_time(plan))
    say("disk", f"at most {plan.disk_bytes / 1e6:,.1f} MB in {results}, {plan.free_bytes / 1e9:,.1f} GB free")
    if plan.disk_bytes > plan.free_bytes:
        say("", "! that is more than is free: choose another folder with --results")


def said_time(plan: Preview) -> str:
    """The time to sample, and where that is known from."""
    if not plan.missing:
        return "none: everything is stored"
    if plan.seconds is None:
        unknown = [work.model for work in plan.works if work.seconds is None]
        return f"unknown: {', '.join(unknown)} has not been sampled from on this machine yet"
    units = {"tokens": "tokens/s", "seconds": "s of audio per s"}
    rates = [f"{work.rate.per_second:,.3g} {units[work.rate.unit]}" for work in plan.works if work.rate]
    return f"about {clock(plan.seconds)} of sampling, at the {', '.join(rates)} of the last run"


def _table(plan: Preview) -> Table:
    table = Table()
    table.add_column("condition", no_wrap=True)
    for column in ("seconds", "stored", "to sample"):
        table.add_column(column, justify="right")
    for row in plan.conditions[:SHOWN_CONDITIONS]:
        table.add_row(row.condition.name, f"{row.seconds:g}", str(row.stored), str(row.missing))
    return table
