"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

DEFAULT_MODEL = "jukebox:mini"

Model = Annotated[str, typer.Option("--model", "-m", help="Model to sample from; 'harness models' lists them.")]
Results = Annotated[Path, typer.Option(envvar="HARNESS_RESULTS", help="Folder for everything that is left behind.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
Seed = Annotated[int, typer.Option(help="Every clip's seed is derived from it.")]


def per_level(number: Callable[[str], Any], panel: str, help: str, show_default: bool | str = False) -> Any:
    """An option of one value, or of one value for each level of a model, the finest first: 0.98,0.99."""

    def read(text: str) -> Any:
        try:
            values = tuple(number(part) for part in text.split(","))
        except ValueError:
            raise typer.BadParameter(
                f"{text!r} was given; one number was expected, or one for each level, the finest first: 0.98,0.99"
            ) from None
        return values[0] if len(values) == 1 else values

    return typer.Option(parser=read, rich_help_panel=panel, help=help, show_default=show_default, metavar="X[,X…]")
