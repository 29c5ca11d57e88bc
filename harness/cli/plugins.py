"""`harness plugins`: installed names by kind, the distribution that provides each, and what is broken."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def plugins(as_json: Annotated[bool, typer.Option("--json", help="Print every name as JSON.")] = False) -> None:
    """List what is installed, plug-ins included, and what is broken.

    A built-in name wins over a plug-in of the same name, which is then hidden. A broken plug-in stops nothing but what
    asks for it by name.

    [bold]Examples[/bold]: harness plugins · harness plugins --json
    """
    from harness.core.registry import REGISTRIES

    listed = {group: registry.listed() for group, registry in REGISTRIES.things().items()}
    if as_json:
        rows = [row.as_dict() for rows in listed.values() for row in rows]
        return typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
    for group, rows in listed.items():
        names = sorted(row.name for row in rows if row.state == "built in")
        typer.echo(f"{group}\n  built in: {', '.join(names) or 'none'}")
        for row in rows:
            if row.state != "built in":
                because = f": {row.reason}" if row.reason else ""
                typer.echo(f"  {row.name}  {row.distribution} {row.version}  {row.target}  {row.state}{because}")
    broken = sum(row.state == "broken" for rows in listed.values() for row in rows)
    if broken:
        typer.echo(f"{broken} broken. To be rid of one: pip uninstall its distribution.")
