"""What `harness score` prints: a table with a column for each condition, their differences, and every reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from harness.cli.tables.scores import by_condition, by_metric, ordered, print_differences, print_reasons, say
from harness.core.sound_files import shown
from harness.running.folder import ScoreReport
from harness.scoring.score import ConditionScores
from harness.scoring.signals import odd_files


def print_report(report: ScoreReport, console: Console | None = None) -> None:
    """Print to standard output, as wide as the table wants to be where there is no terminal."""
    console = console or Console()
    names = ordered(report.conditions, report.primary)
    table = by_metric(report.conditions, names)
    if not console.is_terminal:
        wanted = Console(width=10_000).measure(table).maximum
        console = Console(file=console.file, width=max(console.width, wanted))
    say(console, headline(report.settings), "bold")
    for one in report.conditions:
        say(console, f"{one.name}: {counted(one)}")
    console.print(table)
    for name, rows in report.rows.items():
        say(console, f"\n{name}, in parts", "bold")
        console.print(by_condition(rows, ordered(rows, report.primary), {}, console.width))
    print_reasons(console, report.conditions, [*report.notes, *_odd(report.conditions)])
    for name, reason in report.compared.undefined:
        say(console, f"– difference in {name}: {reason}", "yellow")
    print_differences(console, report.compared.differences, _paired(report))


def headline(settings: dict[str, Any]) -> str:
    """Against what was measured, and how, in a line."""
    said = [f"against {settings['reference']}"] if "reference" in settings else []
    if "embedder" in settings:
        made = settings["preprocessing"]
        length = f"excerpts of {settings['excerpt_seconds']:g} s" if "excerpt_seconds" in settings else "whole files"
        lufs = "their own level" if made["lufs"] is None else f"{made['lufs']:g} LUFS"
        names = [one["embedder"] for one in settings.get("further", ())]
        also = f", and by {', '.join(names)}" if names else ""
        said.append(f"as embedded by {settings['embedder']['name']}{also}: {length} at {made['rate']} Hz and {lufs}")
    return " ".join(said)


def counted(one: ConditionScores) -> str:
    """How many files a condition has, and how many could not be read."""
    unread = len(one.material.unread()) + len(one.clips.left_out)
    files = one.n_clips + len(one.clips.left_out)
    return f"{files} files" + (f", of which {unread} could not be read" if unread else "")


def _paired(report: ScoreReport) -> str:
    paired = all(one.clips.paired for one in report.conditions)
    return "clips in pairs" if paired else "independent sets"


def _odd(conditions: Sequence[ConditionScores]) -> list[str]:
    """What no finished music has, with the files that have it."""
    found = []
    for one in conditions:
        clips = one.clips.clips
        frames = one.material.frames_if_any(one.material.measures.first)
        found += odd_files(clips, one.material.signals("signal"))
        if padded := [clip for clip in clips if clip.unit in frames and frames[clip.unit].padded]:
            names = ", ".join(shown(clip.path) for clip in padded[:3]) + (", …" if len(padded) > 3 else "")
            found.append(
                f"shorter than one window of the embedder, filled up with zeros: {len(padded)} of {len(clips)} files, "
                f"{names}"
            )
    return found
