"""Tables that `harness run` and `harness score` share: values with errors, marks of unreliability, differences."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.scoring.measures import split_name

if TYPE_CHECKING:
    from harness.reporting.document import Measured
    from harness.scoring.results import Comparison
    from metrics.api.score import Score
    from metrics.compare.difference import Difference

HEADINGS = {
    "fad16": "FAD, 16 comp.",
    "fad": "FAD",
    "kad": "KAD",
    "vendi": "Vendi",
    "diversity": "diversity",
    "style_similarity": "style sim.",
    "prompt_similarity": "prompt sim.",
    "tag_text_similarity": "tag–text sim.",
    "text_audio_similarity": "text–audio sim.",
}
ARROWS = {"lower": "↓", "higher": "↑", "none": ""}
MOST_EXPLORATORY = 12
"""Lines of differences that decide nothing; of more, none is printed."""
PLAIN_WIDTH = 132
"""Columns where there is no terminal to ask."""


def console_for(console: Console | None) -> Console:
    """A console that is wide enough for some columns where there is no terminal."""
    console = console or Console()
    if not console.is_terminal:
        console = Console(file=console.file, width=max(console.width, PLAIN_WIDTH))
    return console


def say(console: Console, text: str, style: str | None = None) -> None:
    """A line as it is: no markup, not broken."""
    console.print(Text(text, style=style or ""), highlight=False, soft_wrap=True)


def heading(name: str, score: Score | None = None) -> str:
    """What a score's column is headed with: for the headline distance the number of components it was measured in."""
    metric, embedder = split_name(name)
    shown = HEADINGS.get(metric, metric)
    if metric == "fad16" and score is not None:
        shown = f"FAD, {score.provenance.get('components', 16)} comp."
    return f"{shown} @{embedder}" if embedder else shown


def titled(name: str, score: Score | Difference) -> str:
    """A metric's name, and an arrow to where it is better."""
    return f"{name} {ARROWS[score.direction]}".rstrip()


def score_cell(score: Score | None) -> Text:
    """Two lines; a tilde marks a score that is not reliable, a dash one that could not be measured."""
    if score is None:
        return Text("–", style="dim")
    value, error, interval = digits(score)
    cell = Text(f"{'' if score.reliable else '~'}{value} ± {error}")
    return cell.append(f"\n{interval}", style="dim")


def digits(score: Score | Difference) -> tuple[str, str, str]:
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


def ordered(conditions: Sequence[Measured], primary: str = "") -> list[str]:
    """The names of all scores, the primary metric's first."""
    names = dict.fromkeys(name for one in conditions for name in one.scores)
    return sorted(names, key=lambda name: name != primary)


def by_condition(conditions: Sequence[Measured], names: Sequence[str], labels: dict[str, str], width: int) -> Table:
    """Condition × metric: as many metrics as fit `width`, in their order; the caption says which are left out."""
    shown = list(names)
    while True:
        table = _by_condition(conditions, shown, labels)
        if len(shown) <= 1 or Console(width=10_000).measure(table).maximum <= width:
            break
        shown.pop()
    if left := [name for name in names if name not in shown]:
        table.caption = f"{table.caption}; in --json and the files also: {', '.join(left)}"
    return table


def _by_condition(conditions: Sequence[Measured], names: Sequence[str], labels: dict[str, str]) -> Table:
    table = Table(caption="value ± standard error, [95 % interval]", caption_justify="left")
    table.add_column("condition", no_wrap=True)
    for name in names:
        score = next(one.scores[name] for one in conditions if name in one.scores)
        title = Text(titled(heading(name, score), score))
        if name in labels:
            title.append(f"\n{labels[name]}", style="dim")
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("clips", justify="right")
    for one in conditions:
        table.add_row(Text(one.name), *(score_cell(one.scores.get(name)) for name in names), str(one.n_clips))
    return table


def by_metric(conditions: Sequence[Measured], names: Sequence[str]) -> Table:
    """Metric × condition: a column for each."""
    table = Table(caption="value ± standard error, [95 % interval]; n is of the first condition that has it",
                  caption_justify="left")  # fmt: skip
    table.add_column("metric", no_wrap=True)
    for one in conditions:
        table.add_column(Text(f"{one.name}\n{one.n_clips} clips"), justify="right")
    table.add_column("unit")
    table.add_column("n", justify="right")
    for name in names:
        score = next(one.scores[name] for one in conditions if name in one.scores)
        cells = [score_cell(one.scores.get(name)) for one in conditions]
        table.add_row(Text(titled(name, score)), *cells, score.unit, str(score.n_units))
    for name in dict.fromkeys(name for one in conditions for name in one.unmeasured if name not in names):
        table.add_row(Text(name), *(score_cell(None) for _ in conditions), "", "")
    return table


def print_reasons(console: Console, conditions: Sequence[Measured], notes: Sequence[str]) -> None:
    """Why scores are not reliable (~) or could not be measured (–), and what there is to know (!), each once."""
    lines: dict[str, list[str]] = {}
    for one in conditions:
        for name, score in one.scores.items():
            if not score.reliable:
                lines.setdefault(f"~ {heading(name, score)}: {score.why or score.note}", []).append(one.name)
        reasons: dict[str, list[str]] = {}
        for name, reason in one.unmeasured.items():
            reasons.setdefault(reason, []).append(heading(name))
        for reason, names in reasons.items():
            lines.setdefault(f"– {', '.join(names)}: {reason}", []).append(one.name)
    for line, names in lines.items():
        say(console, line + _where(names, len(conditions)), "yellow")
    for note in notes:
        say(console, f"! {note}", "yellow")


def _where(names: Sequence[str], count: int) -> str:
    return "" if len(names) == count else f" ({', '.join(names)})"


def print_differences(console: Console, differences: Sequence[Comparison], title: str) -> None:
    """A line for each declared difference, then for each exploratory one, under a heading each."""
    for label in dict.fromkeys(one.label for one in differences):
        mine = [one for one in differences if one.label == label]
        metrics = list(dict.fromkeys(one.metric for one in mine))
        if label == "exploratory" and len(mine) > MOST_EXPLORATORY:
            say(console, f"{len(mine)} exploratory differences in {len(metrics)} metrics are in --json.")
            continue
        what = heading(metrics[0]) if len(metrics) == 1 else f"{len(metrics)} metrics"
        how = said_family(mine) if label != "exploratory" else "p of one test each: a hint, not a finding"
        console.print()
        say(console, f"Differences in {what}, {label}, {title} ({how})", "bold")
        for metric in metrics:
            if len(metrics) > 1:
                say(console, f"  {heading(metric)}")
            for one in mine:
                if one.metric == metric:
                    say(console, said_difference(one))


def said_family(differences: Iterable[Comparison]) -> str:
    """How many differences were adjusted together, and by what method."""
    for one in differences:
        told = one.difference.provenance.get("family")
        if told and told.get("tested", 1) > 1:
            return f"p and intervals adjusted over {told['tested']} differences, {told['method']}"
    return "each tested alone"


def said_difference(one: Comparison) -> str:
    """One line: what was subtracted, by how much, how sure."""
    found = one.difference
    value, error, interval = digits(found)
    mark, sign = "" if found.reliable else "~", "+" if found.value > 0 else ""
    said = f"    {one.second} − {one.first}: {mark}{sign}{value} ± {error}"
    if one.p is None:
        return f"{said}, no interval"
    if found.family_interval is not None and one.label != "exploratory":
        places = decimals(found.stderr)
        interval = f"[{', '.join(f'{bound:.{places}f}' for bound in found.family_interval)}]"
    verdict = (
        "" if one.label == "exploratory" else ", significant at 5 %" if one.significant else ", not significant at 5 %"
    )
    return f"{said} {interval}, p = {one.p:.2g}{verdict}"
