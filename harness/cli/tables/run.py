"""What `harness run` prints at its end: scores, differences and where to listen."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from harness.cli.tables.scores import by_condition, console_for, ordered, print_differences, print_reasons, say
from harness.scoring.score import score_rows

if TYPE_CHECKING:
    from harness.sampling.failures import Failure
    from harness.scoring.results import Outcome


def print_outcome(outcome: Outcome, rows: str = "", console: Console | None = None) -> None:
    """Print an outcome to standard output, wide enough not to break values where there is no terminal.

    With `rows` "style" or "prompt", the scores of each are printed too.
    """
    console = console_for(console)
    names = ordered(outcome.conditions, outcome.experiment.primary)
    say(console, headline(outcome), "bold")
    console.print(by_condition(outcome.conditions, names, outcome.labels, console.width))
    for result in outcome.conditions if rows else ():
        if result.scored is not None:
            parts = score_rows(result.scored, rows)
            say(console, f"\n{result.name}, by {rows}", "bold")
            console.print(by_condition(parts, ordered(parts, outcome.experiment.primary), {}, console.width))
    print_reasons(console, outcome.conditions, [*outcome.notes, *_silent(outcome)])
    print_differences(console, outcome.differences, _paired_by(outcome))
    made = f"{outcome.sampled} sampled now" if outcome.sampled else "all cached, none sampled"
    if outcome.changed:
        made += f", {outcome.changed} otherwise than before"
    console.print()
    say(console, f"Clips    {outcome.clips} ({made}): {outcome.folder / 'clips'}/")
    say(console, f"Scores   {outcome.folder}/scores.png, result.json, clips.csv")


def print_json(outcome: Outcome) -> None:
    """Print an outcome to standard output as one JSON object: result.json, and what this run did."""
    done = {
        "folder": str(outcome.folder),
        "sampled": outcome.sampled,
        "changed": outcome.changed,
        "failures": [failure.as_dict() for failure in outcome.failures],
    }
    json.dump(outcome.as_dict() | done, sys.stdout, indent=2, ensure_ascii=False, sort_keys=True)
    sys.stdout.write("\n")


def print_failures(failures: Sequence[Failure], folder: Path, command: str) -> None:
    """Print to standard error how many clips failed, why, and how to retry them."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    console.print(Text(f"{len(failures)} clips could not be made:", "bold red"))
    reasons = Counter((failure.condition, failure.error, failure.message) for failure in failures)
    for (condition, error, message), times in reasons.most_common(10):
        console.print(f"  {condition}: {times} × {error}: {message}", markup=False)
    if len(reasons) > 10:
        console.print(f"  … and {len(reasons) - 10} other reasons")
    console.print(f"Each has its traceback in {folder}/. To try them again:\n  {command}", markup=False)


def headline(outcome: Outcome) -> str:
    """What was sampled and what it was measured against, in one line."""
    settings = outcome.settings
    stage = " (confirmatory, on fresh seeds)" if outcome.experiment.stage == "confirmatory" else ""
    spaces = [settings, *settings.get("further", ())]
    against = ", ".join(
        f"{space.get('reference', 'no reference')} as embedded by {space['embedder']}" for space in spaces
    )
    return (
        f"{outcome.experiment.name}{stage}: {settings['model']}, clips of {settings['seconds']:g} s, against {against}"
    )


def _silent(outcome: Outcome) -> list[str]:
    found = []
    for result in outcome.conditions:
        if silent := sum(clip.silent for clip in result.clips):
            found.append(f"{silent} of {len(result.clips)} clips are silent ({result.name})")
    return found


def _paired_by(outcome: Outcome) -> str:
    replicates = len({condition.replicate for condition in outcome.experiment.conditions}) > 1
    independent = replicates or outcome.settings.get("independent_seeds")
    return f"clips paired by {'prompt' if independent else 'seed'}"
