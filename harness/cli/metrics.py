"""`harness metrics`: what can be measured, and what each figure takes and means."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from metrics.catalogue import Metric

BETTER = {"lower": "↓ lower is better", "higher": "↑ higher is better", "none": "neither way is better"}


def metrics(
    name: Annotated[str | None, typer.Argument(help="One metric, shown in full.", show_default="all")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the metrics, a line each, or show one in full.

    [bold]Examples[/bold]: harness metrics · harness metrics kad · harness metrics --json
    """
    from metrics.catalogue import available, metric

    rows = [metric(found) for found in ([name] if name else available())]
    if as_json:
        told = [row.as_dict() for row in rows]
        typer.echo(json.dumps(told[0] if name else told, ensure_ascii=False, indent=2))
    elif name:
        typer.echo(in_full(rows[0]))
    else:
        width = max(len(row.name) for row in rows)
        for row in rows:
            arrow = BETTER[row.direction][0] if row.direction != "none" else " "
            typer.echo(f"{row.name:<{width}}  {arrow}  {row.title}")


def in_full(row: Metric) -> str:
    """A metric's row of the catalogue, and the documentation of its function."""
    import inspect

    lines = [f"{row.name}: {row.title}", ""]
    facts = {
        "unit": f"{row.unit} ({BETTER[row.direction]})",
        "needs": ", ".join(sorted(row.needs)),
        "at least": f"{row.minimum} {row.units}",
        "in Python": row.target + "".join(f" with {key}={value!r}" for key, value in row.options.items()),
        "in pairs": row.paired or "by leaving groups of songs out of the function itself",
        "after": row.citation,
    }
    lines += [f"  {title:<10}{fact}" for title, fact in facts.items()]
    function = row.load()
    written = inspect.getdoc(getattr(function, "func", function)) or ""  # of a partial, that of what it is a part of
    return "\n".join([*lines, "", written]).rstrip()
