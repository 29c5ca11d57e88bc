"""`harness doctor`: whether this machine has what the harness needs, and what to do where it has not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import Results

MARKS = {"ok": "ok", "note": "note", "wrong": "WRONG"}


def doctor(
    results: Results = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check Python, torch, folders, decoders, weights, MLflow and the clock; say what to do about what is wrong.

    The exit code is 1 if something is wrong that a run needs. What is optional, or is fetched when it is first needed,
    is a note.

    [bold]Example[/bold]: harness doctor --json
    """
    from harness.running.doctor import examine

    findings = examine(results)
    if as_json:
        typer.echo(json.dumps([finding.as_dict() for finding in findings], indent=2, ensure_ascii=False))
    else:
        width = max(len(finding.subject) for finding in findings)
        for finding in findings:
            typer.echo(f"{MARKS[finding.verdict]:<6}{finding.subject:<{width}}  {finding.found}")
            if finding.advice:
                typer.echo(f"{'':<6}{'':<{width}}  → {finding.advice}")
    raise typer.Exit(1 if any(finding.verdict == "wrong" for finding in findings) else 0)
