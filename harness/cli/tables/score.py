"""What `harness score` prints of its sets: a row for each metric, the differences of two sets, and every doubt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.tables.run import ARROWS, figures
from harness.running.folder import Report
from harness.scoring.measuring import Measured
from metrics.api.score import Score
from metrics.compare.difference import Difference


def print_report(report: Report, console: Console | None = None) -> None:
    """Print to standard output, as wide as the tables want to be where there is no terminal."""
    console = console or Console()
    tables = [scores_table(measured) for measured in report.sets]
    if report.differences:
        tables.append(differences_table(report))
    if not console.is_terminal:
        wanted = max(Console(width=10_000).measure(table).maximum for table in tables)
        console = Console(file=console.file, width=max(console.width, wanted))
    say(console, headline(report.settings), style="bold")
    for measured, table in zip(report.sets, tables, strict=False):
        say(console, f"\n{measured.sounds.name}: {counted(measured)}")
        console.print(table)
        for doubt in doubts(measured):
            say(console, doubt, style="yellow")
    if report.differences:
        first, second = (measured.sounds.name for measured in report.sets)
        pairs = report.sets[0].clips
        say(console, f"\n{second} − {first}, {pairs} pairs; p by permutation, Holm over the {len(report.differences)} "
            "metrics chosen")  # fmt: skip
        console.print(tables[-1])
    for difference in report.differences:
        if not difference.score.reliable:
            say(console, f"~ {difference.metric}: {difference.score.why}", style="yellow")
    for name, reason in report.untested.items():
        say(console, f"– {name}: {reason}", style="yellow")
    for note in report.notes:
        say(console, f"! {note}", style="yellow")


def say(console: Console, text: str, style: str | None = None) -> None:
    console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)


def headline(settings: dict[str, Any]) -> str:
    """Against what was measured, and how, in a line."""
    said = []
    if "reference" in settings:
        said.append(f"against {settings['reference']}")
    if "embedder" in settings:
        made = settings["preprocessing"]
        length = f"excerpts of {settings['excerpt_seconds']:g} s" if "excerpt_seconds" in settings else "whole files"
        lufs = "their own level" if made["lufs"] is None else f"{made['lufs']:g} LUFS"
        said.append(f"as embedded by {settings['embedder']['name']}: {length} at {made['rate']} Hz and {lufs}")
    return " ".join(said) or "figures of single files"


def counted(measured: Measured) -> str:
    files, failed = len(measured.sounds.files), len(measured.sounds.failed)
    return f"{files} files" + (f", of which {failed} could not be read" if failed else "")


def scores_table(measured: Measured) -> Table:
    """Metric × value ± standard error, interval, unit, number of clips."""
    table = Table("metric")
    for heading in ("value ± std. error", "95 % interval"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("unit")
    table.add_column("n", justify="right")
    for name, score in measured.scores.items():
        table.add_row(titled(name, score), *value_cells(score), score.unit, str(score.n_units))
    for name in measured.unmeasured:
        table.add_row(name, *(Text("–", style="dim") for _ in range(2)), "", "")
    return table


def titled(name: str, score: Score | Difference) -> str:
    """A metric's name, and an arrow to where it is better."""
    return f"{name} {ARROWS[score.direction]}".rstrip()


def value_cells(score: Score | Difference, sign: bool = False) -> tuple[str, str]:
    value, error, interval = figures(score)
    plus = "+" if sign and score.value > 0 else ""
    return f"{'' if score.reliable else '~'}{plus}{value} ± {error}", interval


def differences_table(report: Report) -> Table:
    """Metric × difference ± standard error, interval, p, p after Holm."""
    table = Table("metric")
    for heading in ("difference ± std. error", "95 % interval", "p", "p (Holm)"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("at 5 %")
    for one in report.differences:
        verdict = "significant" if one.significant else "not significant"
        cells = value_cells(one.score, sign=True)
        table.add_row(titled(one.metric, one.score), *cells, f"{one.p:.2g}", f"{one.adjusted:.2g}", verdict)
    return table


def doubts(measured: Measured) -> list[str]:
    """Why figures are not reliable, or not there, and what is odd about the files."""
    said = [f"~ {name}: {score.why}" for name, score in measured.scores.items() if not score.reliable]
    by_reason: dict[str, list[str]] = {}
    for name, reason in measured.unmeasured.items():
        by_reason.setdefault(reason, []).append(name)
    said += [f"– {', '.join(names)}: {reason}" for reason, names in by_reason.items()]
    files = measured.sounds.whole
    odd = {
        "silent or too short for a loudness": [f for f in files if f.signal and f.signal.loudness is None],
        "clipped in more than 1 in 1,000 samples": [f for f in files if f.signal and (f.signal.clipping or 0) > 1e-3],
        "shorter than one window of the embedder, filled up with zeros": [f for f in files if f.padded],
    }
    said += [f"! {what}: {len(found)} of {len(files)} files, {_some(found)}" for what, found in odd.items() if found]
    return said


def _some(files: Sequence[Any]) -> str:
    names = [str(file.clip.path) for file in files[:3]]
    return ", ".join(names) + (", …" if len(files) > 3 else "")
