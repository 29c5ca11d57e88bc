"""What `harness run` prints at its end: scores, differences and where to listen."""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from harness.sampling.failures import Failure
    from harness.scoring.results import Difference, Outcome
    from metrics.api.score import Score
    from metrics.compare.difference import Difference as MetricDifference

HEADINGS = {
    "fad16": "FAD, 16 comp.",
    "fad": "FAD",
    "vendi": "Vendi",
    "diversity": "diversity",
    "style_similarity": "style sim.",
    "prompt_similarity": "prompt sim.",
}
ARROWS = {"lower": "↓", "higher": "↑", "none": ""}


def print_outcome(outcome: Outcome, console: Console | None = None) -> None:
    """Print an outcome to standard output, wide enough not to break figures where there is no terminal."""
    console = console or Console()
    if not console.is_terminal:
        console = Console(file=console.file, width=max(console.width, 132))
    console.print(headline(outcome), style="bold", highlight=False, markup=False, soft_wrap=True)
    console.print(scores_table(outcome))
    _print_notes(outcome, console)
    _print_differences(outcome, console)
    made = f"{outcome.sampled} sampled now" if outcome.sampled else "all there already, none sampled"
    if outcome.changed:
        made += f", {outcome.changed} otherwise than before"
    console.print(
        f"\n[bold]Clips[/bold]    {outcome.clips} ({made}): {outcome.folder / 'clips'}/",
        highlight=False,
        soft_wrap=True,
    )
    console.print(
        f"[bold]Figures[/bold]  {outcome.folder}/scores.png, result.json, clips.csv", highlight=False, soft_wrap=True
    )


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
    """Say on standard error how many clips failed of what, and how to try them again."""
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
    return (
        f"{outcome.experiment.name}{stage}: {settings['model']}, clips of {settings['seconds']:g} s, against "
        f"{settings['reference']} as embedded by {settings['embedder']}"
    )


def scores_table(outcome: Outcome) -> Table:
    """Condition × metric: value ± standard error, and the 95 % interval below it where there is one."""
    table = Table(caption="value ± standard error, [95 % interval]", caption_justify="left")
    table.add_column("condition", no_wrap=True)
    shown = [metric for metric in HEADINGS if any(metric in result.scores for result in outcome.conditions)]
    for metric in shown:
        score = next(result.scores[metric] for result in outcome.conditions if metric in result.scores)
        title = Text(f"{heading(metric, score)} {ARROWS[score.direction]}")
        title.append(f"\n{outcome.labels[metric]}", style="dim")
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("clips", justify="right")
    for result in outcome.conditions:
        cells = [score_cell(result.scores.get(metric)) for metric in shown]
        table.add_row(result.condition.name, *cells, str(len(result.clips)))
    return table


def heading(metric: str, score: Score) -> str:
    """What a column is headed with: for the headline distance the number of components that it was measured in."""
    return f"FAD, {score.provenance.get('components', 16)} comp." if metric == "fad16" else HEADINGS[metric]


def score_cell(score: Score | None) -> Text:
    """Two lines; a tilde marks a score that calls itself unreliable, a dash one that could not be measured."""
    if score is None:
        return Text("–", style="dim")
    value, error, interval = figures(score)
    cell = Text(f"{'' if score.reliable else '~'}{value} ± {error}")
    return cell.append(f"\n{interval}", style="dim")


def figures(score: Score | MetricDifference) -> tuple[str, str, str]:
    """Value, standard error and interval, all to the second digit of the error: more would be noise."""
    places = decimals(score.stderr)
    value, error, *bounds = (f"{number:.{places}f}" for number in (score.value, score.stderr, *(score.interval or ())))
    return value, error, f"[{', '.join(bounds)}]" if bounds else "no interval"


def decimals(error: float) -> int:
    """
    >>> decimals(3.41), decimals(0.0985), decimals(120.0), decimals(0.0)
    (1, 3, 0, 3)
    """
    return min(6, max(0, 1 - math.floor(math.log10(error)))) if error > 0 else 3


def _print_notes(outcome: Outcome, console: Console) -> None:
    doubts = {f"! {note}": [result.condition.name for result in outcome.conditions] for note in outcome.notes}
    for result in outcome.conditions:
        for metric, score in result.scores.items():
            if not score.reliable:
                doubts.setdefault(f"~ {HEADINGS[metric]}: {score.why}", []).append(result.condition.name)
        for metric, reason in result.unmeasured.items():
            doubts.setdefault(f"– {HEADINGS[metric]}: {reason}", []).append(result.condition.name)
        silent = sum(clip.silent for clip in result.clips)
        if silent:
            doubts.setdefault(f"! {silent} of {len(result.clips)} clips are silent", []).append(result.condition.name)
    for doubt, names in doubts.items():
        where = "" if len(names) == len(outcome.conditions) else f" ({', '.join(names)})"
        console.print(f"{doubt}{where}", style="yellow", highlight=False, markup=False)


def _print_differences(outcome: Outcome, console: Console) -> None:
    if not outcome.differences:
        return
    pairs, experiment = len(outcome.differences), outcome.experiment
    replicates = len({condition.replicate for condition in experiment.conditions}) > 1
    paired = "prompt" if replicates or outcome.settings.get("independent_seeds") else "seed"
    console.print(
        f"\n[bold]Differences in {HEADINGS[experiment.primary]}[/bold], {experiment.stage}, clips paired by {paired}"
        + (f" (Holm over {pairs} pairs)" if pairs > 1 and experiment.family == "all contrasts" else ""),
        highlight=False,
    )
    for difference in outcome.differences:
        console.print(said_difference(difference), highlight=False, markup=False)


def said_difference(difference: Difference) -> str:
    """One line: what was subtracted, by how much, how sure."""
    value, error, interval = figures(difference.score)
    verdict = "significant at 5 %" if difference.significant else "not significant at 5 %"
    return (
        f"  {difference.second} − {difference.first}: {'+' if difference.score.value > 0 else ''}{value} ± {error} "
        f"{interval}, p = {difference.p:.2g}, {verdict}"
    )
