"""`harness prompts`: the prompt sets that come with the harness, and the content of one, or of a file of your own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from harness.prompts.sets import PromptRow

app = typer.Typer(no_args_is_help=True, add_completion=False, help="List the prompt sets, or show one.")


@app.command("list")
def list_sets(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """The sets that are installed, for harness run … --prompts NAME."""
    from harness.prompts.sets import PROMPT_SETS

    sets = list(PROMPT_SETS.things().values())
    if as_json:
        rows = [{"name": one.name, "prompts": len(one.rows), "description": one.description} for one in sets]
        return typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
    width = max(len(one.name) for one in sets)
    for one in sets:
        typer.echo(f"{one.name:<{width}}  {len(one.rows):3d}  {one.description}")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A set ('harness prompts list'), or a file: .yaml, .csv or .jsonl.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines, which are a prompt file again.")] = False,
) -> None:
    """The prompts of a set with their tags; of music, also who made it. Checks a file of your own.

    [bold]Examples[/bold]: harness prompts show ideation · harness prompts show mine.csv
    """
    from harness.prompts.sets import load_prompt_set

    prompts = load_prompt_set(name)
    if as_json:
        for row in prompts.rows:
            typer.echo(json.dumps(row.as_dict(), ensure_ascii=False))
        return
    if prompts.description:
        typer.echo(f"{prompts.description}\n")
    for row in prompts.rows:
        typer.echo(_said(row) + (f"  [{', '.join(row.tags)}]" if row.tags else ""))


def _said(row: PromptRow) -> str:
    """A prompt in full: its text, its other fields by name, and the audio that it continues."""
    from harness.prompts.sets import PromptExcerpt

    said = [] if row.audio is None else [f"{row.audio} ({row.seconds:g} s)"]
    said += [row.audio.credit()] if isinstance(row.audio, PromptExcerpt) else []
    said += [value if name == "text" else f"{name} {value}" for name, value in row.words.items()]
    return " · ".join(said)
