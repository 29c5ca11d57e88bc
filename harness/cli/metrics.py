"""`harness metrics`: the available metrics, their inputs and their meaning."""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from metrics.api.catalogue import Metric

BETTER = {"lower": "↓ lower is better", "higher": "↑ higher is better", "none": "neither way is better"}

HEADINGS = {
    "fidelity": "Closeness to real music",
    "diversity": "Variety",
    "adherence": "Agreement with the prompt",
    "classes": "By class probabilities",
    "novelty": "Novelty",
    "structure": "Musical structure",
    "signal": "Signal quality",
    "likelihood": "Likelihood under a model",
    "plug-ins": "From other distributions",
}


def metrics(
    name: Annotated[str | None, typer.Argument(help="One metric, shown in full.", show_default="all")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the metrics, one line each, by group, or show one in full.

    [bold]Examples[/bold]: harness metrics · harness metrics kad · harness metrics --json
    """
    from metrics.api.catalogue import available, metric

    rows = [metric(found) for found in ([name] if name else available())]
    if as_json:
        told = [row.as_dict() for row in rows]
        typer.echo(json.dumps(told[0] if name else told, ensure_ascii=False, indent=2))
    elif name:
        typer.echo(in_full(rows[0]))
    else:
        width = max(len(row.name) for row in rows)
        groups = list(dict.fromkeys(row.group for row in rows))
        rows.sort(key=lambda row: groups.index(row.group))  # a plug-in's row stands under the heading that it names
        for group, listed in groupby(rows, lambda row: row.group):
            typer.echo(f"{'' if group == rows[0].group else chr(10)}{HEADINGS.get(group, group)}")
            for row in listed:
                arrow = BETTER[row.direction][0] if row.direction != "none" else " "
                typer.echo(f"  {row.name:<{width}}  {arrow}  {row.title}")


def in_full(row: Metric) -> str:
    """A metric's row of the catalogue, and the documentation of its function."""
    import inspect

    from metrics.api.catalogue import NEEDS
    from metrics.compare.comparison import TAKEN_AS_SETS

    lines = [f"{row.name}: {row.title}", ""]
    options = [f"with {key}={value!r}" for key, value in row.options.items()]
    in_pairs = "metrics.paired_difference of two sets, or metrics.difference_of two scores"
    if row.compare_by:
        in_pairs = f"not: compare by {row.compare_by}"
    elif row.gives != "score":
        in_pairs = "not: it has no error"
    elif row.needs - TAKEN_AS_SETS:
        in_pairs = "metrics.difference_of two scores"
    facts = {
        "unit": f"{row.unit} ({BETTER[row.direction]})",
        "needs": "; ".join(f"{need}, {NEEDS[need]}" if need != NEEDS[need] else need for need in sorted(row.needs)),
        "at least": f"{row.minimum} {row.units}",
        "in Python": " ".join([row.target, *(f"with {name!r}" for name in row.leading), *options]),
        "gives": {"score": "a score with its error"}.get(row.gives, f"a bare {row.gives}"),
        "in pairs": in_pairs,
        "after": row.citation,
    }
    lines += [f"  {title:<10}{fact}" for title, fact in facts.items()]
    function = row.load()
    written = inspect.getdoc(getattr(function, "func", function)) or ""  # of a partial, that of what it is a part of
    return "\n".join([*lines, "", written]).rstrip()
